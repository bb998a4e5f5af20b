"""What a contact is found by beside its primary e-mail and phone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clientway.lifecycle.organizations import rules as names


def others(keys: Mapping[str, Sequence[Mapping[str, Any]]], *, email: str | None, phone: str | None) -> list[str]:
    """The e-mails and the digits of the phones that are not primary once `email` and `phone` (their keys) are."""
    mails, numbers = further_emails(keys, email), _secondary(keys["phones"], phone)
    return [*sorted(mails), *sorted(names.digits(number) for number in numbers)]


def further_emails(keys: Mapping[str, Sequence[Mapping[str, Any]]], primary: str | None) -> list[str]:
    """A contact's e-mails beside the primary one once this one is."""
    return _secondary(keys["emails"], primary)


def _secondary(rows: Iterable[Mapping[str, Any]], primary: str | None) -> list[str]:
    # A former primary address stays only where another one of the contact's took its place (app.change_reach).
    known = [row["key"] for row in rows]
    return [row["key"] for row in rows if row["key"] != primary and (not row["is_primary"] or primary in known)]
