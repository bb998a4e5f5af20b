"""The persons behind contacts: linked through keyed hashes alone, so that no readable detail leaves the tenant."""

import hmac
import json
from collections.abc import Iterable
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
    """What links a contact to a person: its normalised e-mail and its phone in E.164."""

    contact_id: UUID
    email_norm: str | None
    phone_e164: str | None


def blind(contacts: Iterable[Reachable]) -> str:
    """The contacts as app.link_people takes them: JSON with blind indexes in place of addresses."""
    rows = [
        {"contact_id": str(one.contact_id), "email": _index("email", one.email_norm), "phone": _index("phone", one.phone_e164)}
        for one in contacts
    ]
    return json.dumps(rows)


def blind_email(email_norm: str | None) -> str | None:
    """The blind index of an address: what identity knows it by."""
    return _index("email", email_norm)


def link(tx: Tx, contacts: Iterable[Reachable]) -> None:
    """Link contacts to their persons, creating those that nobody knew. E-mail decides; a phone alone never links."""
    tx.execute(_LINK, {"people": blind(contacts)})


def _index(kind: str, value: str | None) -> str | None:
    return value and hmac.digest(settings().identity_key, f"{kind}:{value}".encode(), "sha256").hex()
