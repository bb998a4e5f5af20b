"""Merge two contacts that are one person; nothing is thrown away, and for 90 days it can be taken back (see undoing)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable
from clientway.identity.people.service import Reachable
from clientway.ids import uuid7
from clientway.lifecycle.contacts.existence import ContactMerged
from clientway.lifecycle.merges import queries, rules
from clientway.lifecycle.merges.plan import Plan, decide
from clientway.lifecycle.merges.rules import Side
from clientway.lifecycle.merges.schemas import ContactMerge, MergePreview, MergePreviewRequest, MergeRequest
from clientway.lifecycle.merges.sides import Contact, Sides, linked, parse
from clientway.lifecycle.stages import service as stages
from clientway.moments import rfc3339
from clientway.paging import Request


class SameContact(Unprocessable):
    """422: a contact cannot be merged with itself."""

    code, title = "same_contact", "Same contact"


class MergeBlocked(Conflict):
    """409: something stands in the way; `conflicts` names it."""

    code, title = "merge_conflict", "Merge refused"


def preview(tx: Tx, survivor_id: UUID, wanted: MergePreviewRequest) -> MergePreview:
    """What a merge would do. Raises NotFound (404), ContactMerged (409), SameContact (422)."""
    return _decide(tx, survivor_id, wanted, lock=False).preview()


def merge(tx: Tx, survivor_id: UUID, wanted: MergeRequest) -> ContactMerge:
    """Make two contacts one. Two statements, and two more where the organization's stage moves.

    Raises NotFound (404), ContactMerged (409), MergeBlocked (409) with the conflicts, SameContact (422).
    """
    plan = _decide(tx, survivor_id, wanted, lock=True)
    blocking = [conflict for conflict in plan.conflicts if conflict.blocks]
    if blocking:
        raise MergeBlocked(blocking[0].message, conflicts=[conflict.model_dump() for conflict in blocking])
    choices = wanted.choices.model_dump(exclude_none=True)
    merge_id = uuid7()
    written = _written(merge_id, plan)
    survivor = plan.sides.survivor
    emails = [*survivor.facts["emails"], *plan.sides.merged.facts["emails"]]
    reachable = [linked({**survivor.row, **plan.columns}, emails), Reachable(wanted.merged_id, None)]
    undo_until = tx.now + timedelta(days=rules.UNDO_DAYS)
    moved = queries.merge(
        tx,
        {
            "id": merge_id, "survivor_id": survivor_id, "merged_id": wanted.merged_id, "target": plan.organization_id,
            "emptied": [one.organization_id for one in plan.emptied], "successor_id": plan.successor(), "now": rfc3339(tx.now),
            "contact": plan.columns, "derived": plan.derived(), "choices": choices, "reason": wanted.reason, "by": tx.actor.id,
            "actor": {"type": tx.actor.kind, "id": tx.actor.id}, "undo_until": rfc3339(undo_until), **written,
        },
        reachable,
    )  # fmt: skip
    if plan.stage is not None and written["after"]["stage"] != written["before"]["stage"]:
        stages.place(tx, {plan.organization_id: plan.stage} if plan.organization_id else {}, trigger="merged", reasons={})
    _tell(tx, plan, merge_id, wanted, moved)
    before, after = written["before"]["contact"], written["after"]["contact"]
    return ContactMerge(
        id=merge_id, survivor_id=survivor_id, merged_id=wanted.merged_id, choices=choices, reason=wanted.reason, before=before, after=after,
        moved=moved, merged_by=tx.actor.id, undo_until=undo_until, undone_at=None, undone_by=None, version=1,
        created_at=tx.now, updated_at=tx.now,
    )  # fmt: skip


def find(tx: Tx, request: Request, *, contact_id: UUID | None, undone: bool | None) -> Any:
    """A page of merges, of one contact or of all."""
    return queries.find(tx, request, contact_id=contact_id, undone=undone)


def read(tx: Tx, merge_id: UUID) -> Any:
    """One merge. Raises NotFound (404)."""
    answer = queries.read(tx, merge_id)
    if answer is None:
        raise absent()
    return answer


def absent() -> NotFound:
    """404, to be raised."""
    return NotFound("There is no such merge.")


def _decide(tx: Tx, survivor_id: UUID, wanted: MergePreviewRequest, *, lock: bool) -> Plan:
    if wanted.merged_id == survivor_id:
        pointer = FieldError("#/merged_id", "same_contact", "is the contact itself")
        raise SameContact("A contact cannot be merged with itself.", errors=[pointer])
    found = queries.sides(tx, survivor_id, wanted.merged_id, lock=lock)
    sides = Sides(_live(found, survivor_id), _live(found, wanted.merged_id, "#/merged_id"))
    choices: Mapping[str, Side] = wanted.choices.model_dump(exclude_none=True)
    return decide(sides, choices, across=wanted.across_organizations)


def _live(found: Mapping[str, Any], contact_id: UUID, pointer: str | None = None) -> Contact:
    side = parse(found, contact_id)
    if side is not None and side.row["merged_into"] is not None:
        raise ContactMerged(side.row["merged_into"])
    if side is None or side.row["deleted_at"] is not None:
        errors = [FieldError(pointer, "unknown_contact", "not a contact of this tenant")] if pointer else []
        raise NotFound("There is no such contact.", errors=errors)
    return side


def _written(merge_id: UUID, plan: Plan) -> dict[str, Any]:
    """What stood before and what stands after, as the merge keeps it, and the consents to write."""
    survivor, merged, target = plan.sides.survivor, plan.sides.merged, plan.target
    kept = {name: value for name, value in plan.columns.items() if name not in ("name_norm", "search_text")}
    organization = target.organization if target and target.organization else {}
    taken = rules.account_ids(organization, [one.organization or {} for one in plan.emptied]) if organization else {}
    accounts = rules.accounts(
        target.facts["account"] if target else None, [one.facts["account"] for one in plan.emptied if one.facts["account"]]
    )
    known = {side.facts["account"]["id"]: side.facts["account"] for side in (survivor, merged) if side.facts["account"]}
    consents = [
        {
            "event_id": uuid7(), "channel": one.channel, "purpose": one.purpose, "state": one.state, "source": "merge",
            "evidence": {"merge_id": merge_id, "survivor": one.survivor, "merged": one.merged, "merged_contact_id": merged.id},
        }
        for one in plan.consents
        if one.state != one.survivor
    ]  # fmt: skip
    stage = organization.get("lifecycle_stage")
    return {
        "consents": consents,
        "before": {
            "contact": {name: survivor.row[name] for name in kept},
            "merged": merged.row,
            "organization": {name: organization[name] for name in taken},
            "accounts": {one: {name: known[one][name] for name in columns} for one, columns in accounts.items()},
            "consents": [one for one in survivor.facts["consents"] if any(_same(one, new) for new in consents)],
            "stage": stage,
        },
        "after": {
            "contact": kept,
            "organization_id": plan.organization_id,
            "emptied": [one.organization_id for one in plan.emptied],
            "successor_id": plan.successor(),
            "organization": taken,
            "accounts": accounts,
            "consents": [{name: one[name] for name in ("event_id", "channel", "purpose")} for one in consents],
            "stage": plan.stage,
            "stage_sequence": organization.get("lifecycle_sequence", 0) + (plan.stage != stage),
        },
    }


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(one["channel"] == other["channel"] and one["purpose"] == other["purpose"])


def _tell(tx: Tx, plan: Plan, merge_id: UUID, wanted: MergeRequest, moved: Mapping[str, int]) -> None:
    survivor, merged = plan.sides.survivor, plan.sides.merged
    name = (
        " ".join(filter(None, (merged.row["first_name"], merged.row["last_name"])))
        or merged.row["email"]
        or merged.row["phone"]
        or "Another contact"
    )
    metadata = {"merge_id": merge_id, "merged_id": merged.id, "moved": moved}
    effects.record(
        tx, "contact_merged", f"{name} merged into this contact", organization_id=plan.organization_id, contact_id=survivor.id,
        description=wanted.reason, metadata=metadata,
    )  # fmt: skip
    changes = {"merge_id": merge_id, "merged_id": merged.id, **{key: value for key, value in plan.columns.items() if key != "search_text"}}
    effects.audit(tx, "contact.merged", "contact", survivor.id, changes)
    effects.publish(tx, "contact.merged", {"merge_id": merge_id, "survivor_id": survivor.id, "merged_id": merged.id})
