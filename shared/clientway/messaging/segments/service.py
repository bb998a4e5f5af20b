"""Segments: who belongs to them, as SQL that others put into their statements, and for those who keep them."""

import time
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable, check_version
from clientway.ids import uuid7
from clientway.messaging.segments import fields as allowed
from clientway.messaging.segments import queries, rules
from clientway.messaging.segments.compiling import Where, compiled
from clientway.messaging.segments.schemas import (
    SegmentContact,
    SegmentCreate,
    SegmentEvent,
    SegmentField,
    SegmentFields,
    SegmentMembersAdd,
    SegmentMembersAdded,
    SegmentPatch,
    SegmentPreview,
    SegmentPreviewRequest,
)
from clientway.paging import Request

__all__ = ["Where", "where"]

MOST = 500
"""Segments that a tenant has at most."""
MOST_MEMBERS = 200_000
"""Contacts that a snapshot takes, and that a preview counts, at most."""
SAMPLE = 10
STEP = 20_000
"""Members that a snapshot takes in one statement."""


class SegmentExists(Conflict):
    """409: another segment has the name; `existing_id` names it."""

    code, title = "segment_exists", "Segment exists"


class TooManySegments(Conflict):
    """409: a tenant has as many segments as there may be."""

    code, title = "too_many_segments", "Too many segments"


class TooManyMembers(Conflict):
    """409: more contacts fit than a snapshot takes."""

    code, title = "too_many_members", "Too many members"


class SegmentInUse(Conflict):
    """409: a campaign under way or another segment is for it; `used_by` names them."""

    code, title = "segment_in_use", "Segment in use"


class NotManual(Conflict):
    """409: who belongs to the segment follows from its definition."""

    code, title = "segment_not_manual", "Segment not manual"


def where(tx: Tx, *, segment_id: UUID | None = None, definition: Mapping[str, Any] | None = None, pointer: str = "#/definition") -> Where:
    """Who belongs to a segment, or to a definition that stands at `pointer` of a body. One flight, or one more for each nesting.

    Raises NotFound (404) for the segment, Unprocessable (422) for a definition that breaks a rule.
    """
    return _where(tx, segment_id, definition, pointer)


def find(tx: Tx, request: Request, *, kind: str | None) -> Any:
    """A page of the segments."""
    return queries.find(tx, request, kind=kind)


def read(tx: Tx, segment_id: UUID) -> Any:
    """One segment. Raises NotFound (404)."""
    answer = queries.read(tx, segment_id)
    if answer is None:
        raise _absent()
    return answer


def create(tx: Tx, segment: SegmentCreate) -> Any:
    """Add a segment; a snapshot is taken at once.

    Raises SegmentExists, TooManySegments, TooManyMembers (409), Unprocessable (422) for the definition or its first members.
    """
    segment_id = uuid7()
    definition: Any = segment.definition
    found = None if definition is None else _where(tx, None, definition, "#/definition")
    taken = segment.kind == "snapshot"
    row = {
        "id": segment_id, "name": segment.name, "description": segment.description, "kind": segment.kind, "definition": definition,
        "english": found and found.english, "taken_at": tx.now if taken else None, "created_by": tx.actor.id,
    }  # fmt: skip
    answer = queries.insert(tx, row, most=MOST)
    if answer is None:
        holder = queries.holder(tx, segment.name)
        if holder is None:
            raise TooManySegments(f"A tenant has {MOST} segments at most; delete one.", limit=MOST)
        raise _taken(holder)
    if taken and found is not None:
        _take(tx, segment_id, found)
    if segment.contact_ids:
        _add(tx, segment_id, segment.contact_ids)
    changes = {"name": segment.name, "kind": segment.kind, "definition": definition}
    effects.audit(tx, "segment.created", "segment", segment_id, changes)
    return answer


def change(tx: Tx, segment_id: UUID, patch: SegmentPatch, *, version: int) -> Any:
    """Replace what was sent. Raises NotFound (404), PreconditionFailed (412), SegmentExists (409), Unprocessable (422)."""
    row = _locked(tx, segment_id, version)
    sent = {name: getattr(patch, name) for name in patch.model_fields_set}
    after = {"name": row.name, "description": row.description, "definition": row.definition, "english": row.english, **sent}
    if "definition" in sent:
        if row.kind != "dynamic":
            raise Unprocessable(
                "The segment breaks a rule.", errors=[FieldError("#/definition", "not_dynamic", "only a dynamic segment has one")]
            )
        after["english"] = _where(tx, segment_id, sent["definition"], "#/definition").english
    answer = queries.update(tx, segment_id, after)
    if answer is None:
        raise _taken(None)
    effects.audit(tx, "segment.updated", "segment", segment_id, sent)
    return answer


def delete(tx: Tx, segment_id: UUID, *, version: int) -> None:
    """Delete a segment. Raises NotFound (404), PreconditionFailed (412), SegmentInUse (409)."""
    _locked(tx, segment_id, version)
    users = queries.users(tx, segment_id)
    if users:
        raise SegmentInUse("The segment is in use by campaigns under way or by other segments.", used_by=users)
    queries.delete(tx, segment_id)
    effects.audit(tx, "segment.deleted", "segment", segment_id)


def preview(tx: Tx, asked: SegmentPreviewRequest) -> SegmentPreview:
    """How many belong to a segment or a definition now, and some of them. Raises Unprocessable (422)."""
    began = time.perf_counter()
    definition: Any = asked.definition
    try:
        found = _where(tx, asked.segment_id, definition, "#/definition")
    except NotFound as absent:
        pointer = FieldError("#/segment_id", "unknown_segment", "not a segment of this tenant")
        raise Unprocessable(absent.detail, errors=[pointer]) from None
    count, sample = queries.preview(tx, found, most=MOST_MEMBERS, shown=SAMPLE)
    return SegmentPreview(
        count=min(count, MOST_MEMBERS),
        count_capped=count > MOST_MEMBERS,
        sample=[SegmentContact.model_validate(one) for one in sample],
        english=found.english,
        took_ms=round((time.perf_counter() - began) * 1000),
    )


def contacts(tx: Tx, segment_id: UUID, request: Request) -> Any:
    """A page of the contacts that belong to a segment, whatever its kind. Raises NotFound (404)."""
    return queries.contacts(tx, _where(tx, segment_id, None, "#/definition"), request)


def add_members(tx: Tx, segment_id: UUID, members: SegmentMembersAdd) -> SegmentMembersAdded:
    """Put contacts into a manual segment. Raises NotFound (404), NotManual (409), Unprocessable (422) for contacts that are not there."""
    _manual(tx, segment_id)
    added = _add(tx, segment_id, members.contact_ids)
    if added.added:
        given = sorted({str(one) for one in members.contact_ids})
        effects.audit(tx, "segment.members_added", "segment", segment_id, {"contact_ids": given})
    return added


def remove_member(tx: Tx, segment_id: UUID, contact_id: UUID) -> None:
    """Take a contact out of a manual segment. Raises NotFound (404) for the segment and the member, NotManual (409)."""
    _manual(tx, segment_id)
    if not queries.remove_member(tx, segment_id, contact_id):
        raise NotFound("The contact is not a member of the segment.")
    effects.audit(tx, "segment.member_removed", "segment", segment_id, {"contact_id": str(contact_id)})


def fields(tx: Tx) -> SegmentFields:
    """What definitions may ask about, the tenant's own fields included."""
    own = _custom(queries.world(tx, ()))
    return SegmentFields(
        fields=[_described(field) for field in (*allowed.FIELDS.values(), *own.values())],
        events=[SegmentEvent(event=one.name, label=one.label, where=sorted(one.filters or ())) for one in allowed.EVENTS.values()],
    )


def _described(field: allowed.Field) -> SegmentField:
    values = list(field.values) or None
    return SegmentField(
        field=field.name, label=field.label, type=field.kind, ops=list(field.ops), nullable=field.nullable, values=values,
        custom=field.id is not None,
    )  # fmt: skip


def _where(tx: Tx, segment_id: UUID | None, definition: Mapping[str, Any] | None, pointer: str) -> Where:
    """As `where`; with both, of a definition that the segment is to have."""
    node = None if definition is None else rules.read(definition, pointer)
    above = () if segment_id is None else (segment_id,)
    asked = set(above) if node is None else set(rules.segments_named(node))
    world = queries.world(tx, list(asked))
    known = world.segments
    while more := {inner for one in known.values() for inner in _named(one)} - asked:
        known |= queries.named(tx, list(more))
        asked |= more
    if node is None:
        segment = known.get(above[0]) if above else None
        if segment is None:
            raise _absent()
        if segment.kind != "dynamic":
            return compiled(rules.Members(segment.id, segment.name), now=tx.now, zone=world.zone)
        node = rules.read(segment.definition or {}, pointer)
    found = rules.resolve(node, pointer, custom=_custom(world), known=known, above=above)
    return compiled(found, now=tx.now, zone=world.zone, pointer=pointer)


def _named(segment: rules.Known) -> Iterator[UUID]:
    if segment.kind == "dynamic":
        yield from rules.segments_named(rules.read(segment.definition or {}, "#"))


def _custom(world: queries.World) -> dict[str, allowed.Field]:
    return {one["key"]: allowed.custom(one["key"], one["kind"], UUID(one["id"]), one["options"]) for one in world.fields}


def _locked(tx: Tx, segment_id: UUID, version: int) -> Any:
    row = queries.lock(tx, segment_id)
    if row is None:
        raise _absent()
    check_version(row.version, version)
    return row


def _manual(tx: Tx, segment_id: UUID) -> None:
    row = queries.lock(tx, segment_id)
    if row is None:
        raise _absent()
    if row.kind != "manual":
        raise NotManual("Only a manual segment has members that are put in and taken out.", kind=row.kind)


def _take(tx: Tx, segment_id: UUID, found: Where) -> None:
    """In steps: a statement of the API has five seconds, in which 200,000 rows with their foreign keys may not be done."""
    taken, last = 0, UUID(int=0)
    while True:
        number, then = queries.take(tx, segment_id, found, after=last, step=STEP)
        taken += number
        if taken > MOST_MEMBERS:
            raise TooManyMembers(f"A snapshot takes {MOST_MEMBERS:,} contacts at most.", limit=MOST_MEMBERS)
        if number < STEP or then is None:
            return
        last = then


def _add(tx: Tx, segment_id: UUID, contact_ids: list[UUID]) -> SegmentMembersAdded:
    row = queries.add_members(tx, segment_id, contact_ids)
    if row.missing:
        errors = [FieldError(f"#/contact_ids/{place}", "unknown_contact", "not a contact of this tenant") for place in row.missing]
        raise Unprocessable("Some of the contacts do not exist.", errors=errors)
    return SegmentMembersAdded(added=row.added, already=row.known - row.added)


def _taken(holder: UUID | None) -> SegmentExists:
    pointer = FieldError("#/name", "taken", "already taken")
    return SegmentExists("Another segment has this name.", errors=[pointer], existing_id=None if holder is None else str(holder))


def _absent() -> NotFound:
    return NotFound("There is no such segment.")
