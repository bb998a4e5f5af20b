"""What goes into and comes out of propagating a change of somebody's contact details."""

from typing import ClassVar

from pydantic import Field, model_validator

from clientway.lifecycle.contacts.schemas import Name
from clientway.schemas import Email, Id, Patch, Schema, ShortText


class PropagateContactUpdate(Patch):
    """New details of a contact: at least one of them. What is not sent stays."""

    REQUIRED: ClassVar = frozenset({"first_name", "last_name", "email", "phone"})

    person_id: Id = Field(description="Your own contact's id, as upsert-person answered it.")
    first_name: Name | None = None
    last_name: Name | None = None
    email: Email | None = None
    phone: ShortText | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "PropagateContactUpdate":
        if not self.model_fields_set - {"person_id"}:
            message = "send first_name, last_name, email or phone"
            raise ValueError(message)
        return self


class ContactUpdatePropagated(Schema):
    """Always the same answer: whether anybody else knows this person is nobody's business."""

    success: bool
    person_id: Id
