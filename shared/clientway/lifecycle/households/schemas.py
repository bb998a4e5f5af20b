"""What goes into and comes out of households."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from clientway.schemas import Id, Patch, Schema, ShortText, Timestamp, Trimmed, Version

Relationship = Annotated[Trimmed, StringConstraints(max_length=60)]


class HouseholdCreate(Schema):
    """People who live together. They stay contacts of their own: a household merges nobody."""

    name: ShortText | None = Field(None, description="Left out: the last name that most of them have.")
    contact_ids: list[Id] = Field(min_length=1, max_length=50)


class HouseholdPatch(Patch):
    """Rename a household."""

    REQUIRED: ClassVar = frozenset({"name"})

    name: ShortText | None = None


class HouseholdMemberCreate(Schema):
    """Take somebody in, or say anew what they are there."""

    contact_id: Id
    relationship: Relationship | None = Field(None, description="Free text: partner, child, tenant …")


class HouseholdMember(Schema):
    """Somebody of a household."""

    contact_id: Id
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    relationship: str | None
    created_at: Timestamp


class HouseholdSummary(Schema):
    """A household in a list."""

    id: Id
    name: str
    member_count: int
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class Household(Schema):
    """A household with those who live in it."""

    id: Id
    name: str
    members: list[HouseholdMember]
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class SuggestedMember(Schema):
    """Somebody who may belong to a household."""

    contact_id: Id
    first_name: str | None
    last_name: str | None


class HouseholdSuggestion(Schema):
    """Contacts of one last name at one address who are of no household."""

    name: str = Field(description="Their last name.")
    address1: str
    city: str | None
    postal: str | None
    contacts: list[SuggestedMember]
