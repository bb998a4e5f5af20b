"""The persons behind contacts: linked through keyed hashes alone, so that no readable detail leaves the tenant."""

import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from clientway.config import settings
from clientway.db import Tx

LINK_SQL = "app.link_people(cast(:people as jsonb))"
"""The call itself, for a statement that writes contacts and links them in the same flight; `people` is blind(...)."""

_LINK = text(f"select {LINK_SQL}")


@dataclass(frozen=True, slots=True)
class Reachable:
    """What links a contact to persons: its e-mails, normalised, all of them."""

    contact_id: UUID
    email_norm: str | None
    further: Sequence[str] = ()


def blind(contacts: Iterable[Reachable]) -> str:
    """The contacts as app.link_people takes them: JSON with blind indexes in place of addresses."""
    rows = [
        {"contact_id": str(one.contact_id), "email": blind_email(one.email_norm), "further": [blind_email(email) for email in one.further]}
        for one in contacts
    ]
    return json.dumps(rows)


def blind_email(email_norm: str | None) -> str | None:
    """The blind index of an address: what identity knows it by."""
    return email_norm and hmac.digest(settings().identity_key, f"email:{email_norm}".encode(), "sha256").hex()


def link(tx: Tx, contacts: Iterable[Reachable]) -> None:
    """Link contacts to the persons behind their e-mails, and to nobody else. E-mail decides; a phone alone never links."""
    tx.execute(_LINK, {"people": blind(contacts)})
