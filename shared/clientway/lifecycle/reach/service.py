"""A contact's several e-mails and phones."""

from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.lifecycle.organizations import rules as names
from clientway.lifecycle.reach import queries

MOST = 5
"""E-mails, and as many phones, that a contact has at most."""


def add_secondary(
    tx: Tx, contact_id: UUID, version: int, *, email: tuple[str, str] | None = None, phone: tuple[str, str] | None = None
) -> int:
    """Add an e-mail, a phone or both (each as written, and normalised) behind those a contact has. Returns its version."""
    if email is None and phone is None:
        return version
    line = names.reach(None, phone and phone[1], email and email[1])
    added: int = queries.add_secondary(tx, contact_id, email=email, phone=phone, line=line)
    changed = {name: pair[0] for name, pair in (("emails", email), ("phones", phone)) if pair is not None}
    effects.audit(tx, "contact.updated", "contact", contact_id, changed)
    return added
