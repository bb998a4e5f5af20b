"""People's own accounts: one address, verified, and what every tenant that holds it does for them.

No tenant learns of another through it. What a person confirms of themselves is written to each tenant's own record of them
as that tenant would write it, in the name of the person, and without a word of who proposed it.
"""

import hmac
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from clientway import effects, normalise, tokens
from clientway.config import settings
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable
from clientway.identity.people import service as people
from clientway.identity.person_account import queries
from clientway.identity.person_account.schemas import PersonSignedIn, PersonSignUp, ProposalConfirm, ProposalDecided, Reached
from clientway.identity.sign_in.schemas import SignInFinish, SignInStarted
from clientway.identity.sign_in.secrets import LINK_SECONDS, Challenge
from clientway.identity.sign_in.service import proof, refused
from clientway.lifecycle.clients.updates import service as updates
from clientway.paging import Request

_STARTED = SignInStarted(
    message="If mail can be sent to this address, one with a link and a code is on its way.", expires_in_seconds=LINK_SECONDS
)


class AlreadyDecided(Conflict):
    """409: the proposal was decided the other way."""

    code, title = "already_decided", "Already decided"


class NewEmailNotVerified(Conflict):
    """409: a new e-mail is spread only by whoever shows that they can be reached there."""

    code, title = "new_email_not_verified", "New e-mail not verified"


def sign_up(tx: Tx, request: PersonSignUp, secret: Challenge, source: str) -> SignInStarted:
    """Queue a mail to any address; whether somebody holds it, or has an account already, changes nothing."""
    email_norm = normalise.email(request.email)
    fragment = urlencode({"person": 1, "token": secret.token})
    mail = {
        "template": "person_link", "to": email_norm or "", "tenant_name": "Clientway", "code": secret.code,
        "url": f"{settings().public_url}/sign-in#{fragment}",
    }  # fmt: skip
    source_hash = hmac.digest(settings().signing_key, f"source:{source}".encode(), "sha256").hex()
    queries.start(tx, people.blind_email(email_norm), secret, source_hash, mail)
    return _STARTED


def verify(tx: Tx, request: SignInFinish, nonce: str | None) -> PersonSignedIn:
    """Open the account behind a link. Raises SignInRefused (401)."""
    token = tokens.new("per")
    opened = queries.finish(tx, proof(request, nonce), token) if nonce else None
    if opened is None:
        raise refused()
    return PersonSignedIn(token=token, expires_at=opened["expires_at"])


def sign_out(tx: Tx, session: str) -> None:
    """End the session that this request came with. Raises Unauthorized (401)."""
    queries.leave(tx, session)


def history(tx: Tx, session: str, request: Request) -> Any:
    """A page of jobs, invoices and payments of all tenants that hold the person, newest first. Raises Unauthorized (401)."""
    return queries.history(tx, session, request)


def proposals(tx: Tx, session: str, request: Request) -> Any:
    """A page of the changes that tenants have proposed, newest first. Raises Unauthorized (401)."""
    return queries.proposals(tx, session, request)


def confirm(tx: Tx, session: str, proposal_id: UUID, choice: ProposalConfirm) -> ProposalDecided:
    """Spread a change to the other tenants that hold the person, or to those chosen; a second time changes nothing.

    Raises NotFound (404), AlreadyDecided (409), NewEmailNotVerified (409), Unprocessable (422).
    """
    found = queries.decide(
        tx, session, proposal_id, confirm=True, fields=choice.fields, slugs=choice.tenants,
        email_session=tokens.digest(choice.email_token) if choice.email_token else None,
    )  # fmt: skip
    if found is None:
        raise _absent()
    _check(found, choice)
    reached = []
    for target in found.get("targets", []):
        effects.flush(tx)
        queries.act(tx, session, target["tenant_id"], target["contact_id"])
        written = updates.apply_confirmed(tx, UUID(target["contact_id"]), found["changes"])
        reached.append(Reached.model_validate({"name": target["name"], "slug": target["slug"], "fields": written}))
    return ProposalDecided(id=proposal_id, status="confirmed", reached=reached)


def decline(tx: Tx, session: str, proposal_id: UUID) -> ProposalDecided:
    """Leave others' records as they are. Raises NotFound (404), AlreadyDecided (409)."""
    found = queries.decide(tx, session, proposal_id, confirm=False)
    if found is None:
        raise _absent()
    if found["status"] != "declined":
        raise AlreadyDecided("This proposal was confirmed.", status_now=found["status"])
    return ProposalDecided(id=proposal_id, status="declined", reached=[])


def _check(found: dict[str, Any], choice: ProposalConfirm) -> None:
    if found["status"] == "declined":
        raise AlreadyDecided("This proposal was declined.", status_now="declined")
    match found.get("refused"):
        case "email":
            raise NewEmailNotVerified(
                "Sign up with the new address too and send that session's token as email_token, or confirm the other fields alone.",
                errors=[FieldError("#/email_token", "not_verified", "no session of the new address")],
            )
        case "fields" | "tenants" as place:
            chosen = (choice.fields if place == "fields" else choice.tenants) or []
            meaning = "is not proposed" if place == "fields" else "is none of the others that hold you"
            errors = [FieldError(f"#/{place}/{index}", "unknown", meaning) for index, one in enumerate(chosen) if one in found["unknown"]]
            raise Unprocessable("The choice breaks a rule.", errors=errors)


def _absent() -> NotFound:
    return NotFound("There is no such proposal.")
