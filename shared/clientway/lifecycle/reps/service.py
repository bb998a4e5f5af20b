"""Read and keep the people who look after organizations."""

from typing import Any
from uuid import UUID

from clientway import effects, normalise
from clientway.db import Tx
from clientway.errors import FieldError, NotFound, Unprocessable, check_version
from clientway.ids import uuid7
from clientway.lifecycle.organizations import slugs
from clientway.lifecycle.organizations.schemas import Filters
from clientway.lifecycle.reps import queries
from clientway.lifecycle.reps.schemas import RepCreate, RepPatch
from clientway.moments import rfc3339
from clientway.paging import Request


def find(tx: Tx, request: Request, *, active: bool | None) -> Any:
    """A page of reps."""
    return queries.find(tx, request, active=active)


def read(tx: Tx, rep_id: UUID) -> Any:
    """One rep. Raises NotFound (404)."""
    answer = queries.read(tx, rep_id)
    if answer is None:
        raise NotFound("There is no such rep.")
    return answer


def create(tx: Tx, rep: RepCreate) -> Any:
    """Add a rep. Raises Unprocessable (422) for an e-mail that is none or a user who is no member of this tenant."""
    given = rep.model_dump(mode="json")
    _check_email(rep.email)
    rep_id = uuid7()
    now = rfc3339(tx.now)
    row = {"id": str(rep_id), **given, "slug": normalise.slug(rep.name, fallback="rep"), "created_at": now, "updated_at": now}
    for _ in range(slugs.TRIES):
        answer = queries.insert(tx, row)
        if answer is not None:
            break
        if rep.user_id is not None and not queries.is_member(tx, rep.user_id):
            raise _no_member()
    else:
        raise slugs.SlugRace
    effects.audit(tx, "rep.created", "rep", rep_id, rep.model_dump(mode="json", exclude_unset=True))
    return answer


def change(tx: Tx, rep_id: UUID, patch: RepPatch, *, version: int) -> Any:
    """Replace what was sent; the slug stays as it is. Raises NotFound (404), PreconditionFailed (412), Unprocessable (422)."""
    sent = patch.model_dump(mode="json", exclude_unset=True)
    _check_email(patch.email)
    locked = queries.lock(tx, rep_id, user_id=patch.user_id)
    if locked is None:
        raise NotFound("There is no such rep.")
    check_version(locked.version, version)
    if not locked.is_member:
        raise _no_member()
    answer = queries.update(tx, rep_id, sent)
    effects.audit(tx, "rep.updated", "rep", rep_id, {name: value for name, value in sent.items() if value != locked.fields[name]})
    return answer


def clients(tx: Tx, slug: str, request: Request, *, lifecycle_stage: str | None) -> Any:
    """A page of the organizations of a rep, each with its client account. Raises NotFound (404)."""
    answer = queries.clients(tx, request, Filters(rep=slug, lifecycle_stage=lifecycle_stage))
    if not answer.rows and not queries.exists(tx, slug):
        raise NotFound("There is no such rep.")
    return answer


def _check_email(email: str | None) -> None:
    if email is not None and not normalise.email(email):
        raise Unprocessable("The rep breaks a rule.", errors=[FieldError("#/email", "invalid_email", "not an e-mail address")])


def _no_member() -> Unprocessable:
    return Unprocessable("The user is not a member.", errors=[FieldError("#/user_id", "unknown_user", "not a member of this tenant")])
