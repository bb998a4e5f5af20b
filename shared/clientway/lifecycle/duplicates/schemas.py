"""What goes into and comes out of the search for duplicate contacts."""

from typing import Literal

from pydantic import Field

from clientway.schemas import Day, Id, Schema, Timestamp, Version

SuggestionStatus = Literal["open", "dismissed", "merged"]


class DuplicateContact(Schema):
    """One of the two, as far as it helps to decide."""

    id: Id
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    birth_date: Day | None
    organization_id: Id | None
    organization_name: str | None
    created_at: Timestamp
    deleted_at: Timestamp | None


class DuplicateReason(Schema):
    """One part's points; they add up to the score."""

    part: str
    result: str
    points: int


class DuplicateSuggestion(Schema):
    """Two contacts that may be one person. Nothing is merged unless somebody says so."""

    id: Id
    contact: DuplicateContact
    other: DuplicateContact
    score: int = Field(ge=0, le=100)
    match: Literal["automatic", "suggestion"] = Field(description="`automatic`: one person as far as the records tell.")
    reasons: list[DuplicateReason]
    status: SuggestionStatus
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class DuplicatePatch(Schema):
    """Dismiss a suggestion: they are two people. Or open it again."""

    status: Literal["open", "dismissed"]


class DuplicateScan(Schema):
    """Look for duplicates now."""

    contact_id: Id | None = Field(None, description="Of this contact; left out, of all that changed since the last look.")


class DuplicateScanned(Schema):
    """What was looked at."""

    scanned: int = Field(description="Contacts that were compared.")
    suggested: int = Field(description="Pairs found that may be one person, known ones included.")
    complete: bool = Field(
        description="Whether all contacts have been looked at as they are; else ask again, or wait for the regular look."
    )
