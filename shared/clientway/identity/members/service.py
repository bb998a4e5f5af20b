"""Who belongs to the tenant and what they may do."""

from collections.abc import Collection
from typing import Any
from uuid import UUID, uuid4

from clientway import effects, normalise, paging
from clientway.config import settings
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable, check_version
from clientway.identity.members import queries
from clientway.identity.members.schemas import Member, MemberInvite, MemberPatch
from clientway.ids import uuid7


class AlreadyMember(Conflict):
    """The person is a member of this tenant already."""

    code, title = "already_member", "Already a member"


class LastAdmin(Conflict):
    """Without an administrator nobody could invite one."""

    code, title = "last_admin", "Last administrator"


class InvalidEmail(Unprocessable):
    """No mail could reach this address."""

    code, title = "invalid_email", "Invalid e-mail"


def page(tx: Tx, request: paging.Request, *, role: str | None) -> Any:
    """The tenant's members."""
    return paging.page(tx, queries.listed(role=role), request, queries.SORTS, queries.ROW_ID)


def among(tx: Tx, addresses: Collection[str]) -> set[str]:
    """Which of these addresses, in their one form, are members'."""
    return set(tx.execute(queries.addresses_among(addresses)).scalars())


def get(tx: Tx, membership_id: UUID) -> Member:
    """One member. Raises NotFound (404)."""
    row = tx.execute(queries.one(membership_id)).mappings().one_or_none()
    if row is None:
        raise _absent()
    return Member(**row)


def invite(tx: Tx, request: MemberInvite) -> Member:
    """Make somebody a member and tell them by mail. Raises InvalidEmail (422), AlreadyMember (409)."""
    email_norm = normalise.email(request.email)
    if email_norm is None:
        raise InvalidEmail("This is not an e-mail address.", errors=[FieldError("#/email", "invalid_email", "not an e-mail address")])
    # Not a UUIDv7: its time would tell that the person has been known to another tenant before.
    invited = queries.invite(tx, membership_id=uuid7(), user_id=uuid4(), email_norm=email_norm, role=request.role)
    if invited["id"] is None:
        raise AlreadyMember("This person is already a member.", member_id=invited["member_id"])
    membership_id = UUID(invited["id"])
    mail = {
        "template": "invitation", "to": email_norm, "tenant_name": invited["tenant_name"], "inviter": tx.actor.name or "An administrator",
        "role": request.role, "url": f"{settings().public_url}/sign-in",
    }  # fmt: skip
    effects.publish(tx, "mail", mail)
    effects.audit(tx, "member.invited", "membership", membership_id, {"email": email_norm, "role": request.role})
    return get(tx, membership_id)


def change(tx: Tx, membership_id: UUID, version: int, patch: MemberPatch) -> Member:
    """Give a member another role; their sessions end. Raises NotFound (404), PreconditionFailed (412), LastAdmin (409)."""
    held = _lock(tx, membership_id, version)
    if patch.role != held.role:
        if held.role == "admin" and held.other_admins == 0:
            raise LastAdmin("The last administrator cannot be demoted: make somebody else one first.")
        queries.change_role(tx, membership_id, patch.role)
        effects.audit(tx, "member.role_changed", "membership", membership_id, {"role": patch.role})
    return get(tx, membership_id)


def remove(tx: Tx, membership_id: UUID, version: int) -> None:
    """Take a member out; their sessions end at once. Raises NotFound (404), PreconditionFailed (412), LastAdmin (409)."""
    held = _lock(tx, membership_id, version)
    if held.role == "admin" and held.other_admins == 0:
        raise LastAdmin("The last administrator cannot be removed: make somebody else one first.")
    queries.remove(tx, membership_id)
    effects.audit(tx, "member.removed", "membership", membership_id, {"user_id": held.user_id})


def _lock(tx: Tx, membership_id: UUID, version: int) -> queries.Held:
    held = queries.lock(tx, membership_id)
    if held is None:
        raise _absent()
    check_version(held.version, version)
    return held


def _absent() -> NotFound:
    return NotFound("There is no such member.")
