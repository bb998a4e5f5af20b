"""What goes into and comes out of the endpoints of notes about contacts."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from clientway.schemas import Id, Patch, Schema, Timestamp, Trimmed, Version

NoteBody = Annotated[Trimmed, StringConstraints(max_length=20_000)]


class ContactNoteCreate(Schema):
    """Something to remember of somebody. Staff see it, the contact never does."""

    body: NoteBody
    pinned: bool = False


class ContactNotePatch(Patch):
    """Change a note: what is sent is replaced."""

    REQUIRED: ClassVar = frozenset({"body", "pinned"})

    body: NoteBody | None = None
    pinned: bool | None = None


class ContactNote(Schema):
    """A note about a contact."""

    id: Id
    contact_id: Id
    body: str
    pinned: bool
    created_by: Id | None = Field(description="The user or API key that wrote it.")
    version: Version
    created_at: Timestamp
    updated_at: Timestamp
