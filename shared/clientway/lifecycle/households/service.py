"""Who lives together: a link between contacts, never a merge."""

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable, check_version
from clientway.ids import uuid7
from clientway.lifecycle.households import queries
from clientway.lifecycle.households.queries import Candidate
from clientway.lifecycle.households.schemas import HouseholdCreate, HouseholdMemberCreate, HouseholdPatch
from clientway.paging import Request


class InAnotherHousehold(Conflict):
    """409: a contact is of one household at most; `household_id` names it."""

    code, title = "in_another_household", "In another household"


def find(tx: Tx, request: Request) -> Any:
    """A page of households."""
    return queries.find(tx, request)


def suggestions(tx: Tx, request: Request) -> Any:
    """A page of contacts who seem to live together."""
    return queries.suggestions(tx, request)


def read(tx: Tx, household_id: UUID) -> Any:
    """One household with its members. Raises NotFound (404)."""
    answer = queries.read(tx, household_id)
    if answer is None:
        raise _absent()
    return answer


def create(tx: Tx, wanted: HouseholdCreate) -> Any:
    """Put contacts into a new household. Raises Unprocessable (422) for one that is not there, InAnotherHousehold (409)."""
    found = _candidates(tx, wanted.contact_ids, "#/contact_ids/{}")
    for one in found:
        if one.household_id is not None:
            raise _elsewhere(one)
    names = Counter(one.last_name for one in found if one.last_name)
    name = wanted.name or (names.most_common(1)[0][0] if names else "Household")
    keys = {one.address_key for one in found}
    household_id = uuid7()
    queries.insert(tx, household_id, name, keys.pop() if len(keys) == 1 else None, wanted.contact_ids)
    effects.audit(tx, "household.created", "household", household_id, {"name": name, "contact_ids": wanted.contact_ids})
    return queries.read(tx, household_id)


def rename(tx: Tx, household_id: UUID, patch: HouseholdPatch, *, version: int) -> Any:
    """Rename a household. Raises NotFound (404), PreconditionFailed (412)."""
    _lock(tx, household_id, version)
    if patch.name is None:
        return queries.read(tx, household_id)
    effects.audit(tx, "household.updated", "household", household_id, {"name": patch.name})
    return queries.rename(tx, household_id, patch.name)


def delete(tx: Tx, household_id: UUID, *, version: int) -> None:
    """Dissolve a household; those who lived in it stay contacts. Raises NotFound (404), PreconditionFailed (412)."""
    _lock(tx, household_id, version)
    queries.dissolve(tx, household_id)
    effects.audit(tx, "household.deleted", "household", household_id)


def take_in(tx: Tx, household_id: UUID, member: HouseholdMemberCreate) -> Any:
    """Take somebody in; who is in it already gets the new relationship.

    Raises NotFound (404), Unprocessable (422) for a contact that is not there, InAnotherHousehold (409).
    """
    _lock(tx, household_id)
    [one] = _candidates(tx, [member.contact_id], "#/contact_id")
    if one.household_id not in (None, household_id):
        raise _elsewhere(one)
    queries.take_in(tx, household_id, member.contact_id, member.relationship)
    changes = {"contact_id": member.contact_id, "relationship": member.relationship}
    effects.audit(tx, "household.member_added", "household", household_id, changes)
    return queries.read(tx, household_id)


def put_out(tx: Tx, household_id: UUID, contact_id: UUID) -> None:
    """Take somebody out. Raises NotFound (404) when they are not in it."""
    if not queries.put_out(tx, household_id, contact_id):
        raise NotFound("There is no such member of such a household.")
    effects.audit(tx, "household.member_removed", "household", household_id, {"contact_id": contact_id})


def _lock(tx: Tx, household_id: UUID, version: int | None = None) -> None:
    current = queries.lock(tx, household_id)
    if current is None:
        raise _absent()
    if version is not None:
        check_version(current, version)


def _candidates(tx: Tx, contact_ids: Sequence[UUID], pointer: str) -> list[Candidate]:
    found = queries.lock_candidates(tx, contact_ids)
    unknown = [place for place, one in enumerate(contact_ids) if one not in found]
    if unknown:
        errors = [FieldError(pointer.format(place), "unknown_contact", "not a contact of this tenant") for place in unknown]
        raise Unprocessable("The household refers to somebody who does not exist.", errors=errors)
    return list(found.values())


def _elsewhere(one: Candidate) -> InAnotherHousehold:
    return InAnotherHousehold("A contact belongs to one household at most.", contact_id=str(one.id), household_id=str(one.household_id))


def _absent() -> NotFound:
    return NotFound("There is no such household.")
