"""What goes into and comes out of the endpoints of imports."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from clientway import normalise
from clientway.schemas import Id, Schema, Timestamp, Trimmed, Version

ImportStatus = Literal[
    "awaiting_upload", "previewing", "previewed", "queued", "running", "completed", "cancelled", "failed", "undoing", "undone"
]
RowOutcome = Literal["created", "updated", "skipped", "failed"]
# As a table's own titles are read (reading.column_names): somebody copies them from the file.
Title = Annotated[str, AfterValidator(lambda title: normalise.text(title) or "")]
ColumnMapping = Annotated[dict[Title, str | None], Field(max_length=500)]
Name = Annotated[Trimmed, StringConstraints(max_length=100)]


class ImportCreate(Schema):
    """A list to import: a file to be uploaded, or up to 256 KiB of rows at once."""

    filename: Annotated[Trimmed, StringConstraints(max_length=255)] = "rows.json"
    source: Name = Field(description="Where the list comes from; ids in it count within this source.")
    rows: Annotated[list[dict[str, str | int | float | bool | None]], Field(min_length=1, max_length=5000)] | None = None
    mapping: ColumnMapping | None = Field(None, description="Column to target, or null to leave it out; guessed for what is not named.")
    mapping_id: Id | None = Field(None, description="A saved mapping.")

    @model_validator(mode="after")
    def _one_mapping(self) -> "ImportCreate":
        if self.mapping is not None and self.mapping_id is not None:
            message = "send mapping or mapping_id"
            raise ValueError(message)
        return self


class ImportPatch(Schema):
    """Correct the mapping before the commit; the preview is then made again."""

    mapping: ColumnMapping


class ImportCounts(Schema):
    """Where it stands: total = created + updated + skipped + failed once it is completed."""

    total: int
    done: int
    created: int
    updated: int
    skipped: int
    failed: int
    undone: int


class Upload(Schema):
    """Where to put the file; nothing but the bytes, up to 50 MB."""

    url: str
    method: Literal["PUT"] = "PUT"
    expires_in_seconds: int


class Import(Schema):
    """An import and how far it is."""

    id: Id
    status: ImportStatus
    source: str
    filename: str
    columns: list[dict[str, Any]] | None = Field(description="The table's columns, what each is held for, how surely and why.")
    mapping: dict[str, str | None] | None
    counts: ImportCounts
    error: str | None
    started_at: Timestamp | None
    finished_at: Timestamp | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class ImportStarted(Schema):
    """A new import, and where its file goes."""

    id: Id
    status: ImportStatus
    upload: Upload | None
    version: Version


class ImportAccepted(Schema):
    """The request was queued; follow the import's status."""

    id: Id
    status: ImportStatus


class PreviewRow(Schema):
    """What a row would become."""

    row_number: int
    outcome: RowOutcome
    reason: str | None
    cells: list[str]


class PreviewReason(Schema):
    """A kind of reason; a row may have several."""

    outcome: RowOutcome
    reason: str
    count: int
    first_row: int = Field(description="The first row that it was given for.")


class ImportPreview(Schema):
    """What a commit would do, and the first rows."""

    import_id: Id
    total: int
    tried: int = Field(description="Rows that the counts are of: all, unless the list is so long that time was up before.")
    created: int
    updated: int
    skipped: int
    failed: int
    reasons: dict[str, int] = Field(description="How often each kind of reason was given.")
    why: list[PreviewReason] = Field([], description="The same by outcome, the most frequent first.")
    rows: list[PreviewRow]


class ImportRow(Schema):
    """What a row became."""

    row_number: int
    outcome: RowOutcome
    reason: str | None
    cells: list[str] | None
    organization_id: Id | None
    location_id: Id | None
    contact_id: Id | None
    undone_at: Timestamp | None


class MappingSave(Schema):
    """A mapping to be used again."""

    name: Name
    mapping: ColumnMapping


class SavedMapping(Schema):
    """A saved mapping."""

    id: Id
    name: str
    mapping: dict[str, str | None]
    version: Version
    created_at: Timestamp
    updated_at: Timestamp
