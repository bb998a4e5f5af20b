"""What goes into and comes out of the endpoints of contacts' e-mails and phones."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from clientway.schemas import Email, Patch, Schema, ShortText, Trimmed

Label = Annotated[Trimmed, StringConstraints(max_length=60)]
_PRIMARY = "Make it the contact's first one; the former stays. The only one is primary."


class _Reach(Schema):
    label: Label | None = Field(None, description="As work, home, or a word of your own.")
    is_primary: bool = Field(default=False, description=_PRIMARY)


class ContactEmailCreate(_Reach):
    """A further e-mail; a contact has five at most."""

    email: Email = Field(description="Nobody else's among the tenant's live contacts.")


class ContactPhoneCreate(_Reach):
    """A further phone; a contact has five at most."""

    phone: ShortText = Field(description="Kept as written; matched and searched in E.164.")


class ContactReachPatch(Patch):
    """Change an e-mail's or a phone's label, or make it the primary one. The address itself is replaced by a new one."""

    REQUIRED: ClassVar = frozenset({"is_primary"})

    label: Label | None = None
    is_primary: Literal[True] | None = Field(None, description="Make another one primary to have this one no longer so.")
