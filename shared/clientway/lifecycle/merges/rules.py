"""What two contacts become when they are one: field by field, and the strictest of what they allowed. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from clientway.lifecycle.stages.rules import RANK, Stage

Row = Mapping[str, Any]
Side = Literal["survivor", "merged"]
Why = Literal["the same", "chosen", "only one has it", "the survivor's", "the company's", "the furthest", "the strictest", "both together"]

UNDO_DAYS = 90
MOST_ADDRESSES = 5
"""E-mails, and phones, that a contact has at most."""

# A field that a caller may choose, with the columns that go with it.
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "first_name": ("first_name",),
    "last_name": ("last_name",),
    "email": ("email", "email_norm"),
    "phone": ("phone", "phone_e164"),
    "organization_id": ("organization_id", "location_id"),
    "title": ("title",),
    "role_type": ("role_type",),
    "preferred_contact_method": ("preferred_contact_method",),
    "hubspot_contact_id": ("hubspot_contact_id",),
    "status": ("status",),
    "source": ("source", "source_id"),
    "birth_date": ("birth_date",),
    "time_zone": ("time_zone",),
    "pricing_tier": ("pricing_tier",),
    "tax_rate_bps": ("tax_rate_bps",),
    "default_address_id": ("default_address_id",),
}
# Where only one has it, it stays: an address is not thrown away, and jobs and invoices hang on the organization.
NEVER_EMPTIED: Final = ("email", "phone", "organization_id")
# Nobody chooses these: a merge must not make somebody reachable who was not.
SETTLED: Final = (
    "do_not_contact", "unsubscribed_at", "portal_enabled", "is_decision_maker", "last_contacted_at", "total_emails_received",
    "total_emails_opened",
)  # fmt: skip
COUNTERS: Final = ("total_emails_received", "total_emails_opened")
_STATUS: Final = ("lead", "inactive", "active")
ACCOUNT_IDS: Final = ("stripe_customer_id", "square_customer_id", "hubspot_company_id")


@dataclass(frozen=True)
class Field:
    """One field of the result, with what both had."""

    name: str
    survivor: Any
    merged: Any
    value: Any
    chosen: Side | Literal["both"]
    why: Why


def resolve(survivor: Row, merged: Row, choices: Mapping[str, Side], *, own: Mapping[Side, bool]) -> list[Field]:
    """Every field: what is chosen, else the survivor's value if it has one, else the other's.

    `own` tells which of them has an organization that is nobody else's (a private client's): a company is kept in its place.
    """
    return [*(_choose(name, survivor, merged, choices.get(name), own) for name in CHOICES), *_settle(survivor, merged)]


def _choose(name: str, survivor: Row, merged: Row, choice: Side | None, own: Mapping[Side, bool]) -> Field:
    mine, theirs = survivor[name], merged[name]

    def of(side: Side, why: Why) -> Field:
        return Field(name, mine, theirs, mine if side == "survivor" else theirs, side, why)

    if mine == theirs:
        return of("survivor", "the same")
    if choice is not None and (name not in NEVER_EMPTIED or None not in (mine, theirs)):
        return of(choice, "chosen")
    if mine is None or theirs is None:
        return of("merged" if mine is None else "survivor", "only one has it")
    if name == "status":
        return of("survivor" if _STATUS.index(mine) > _STATUS.index(theirs) else "merged", "the furthest")
    if name == "organization_id" and own["survivor"] and not own["merged"]:
        return of("merged", "the company's")
    return of("survivor", "the survivor's")


def _settle(survivor: Row, merged: Row) -> Iterator[Field]:
    for name in SETTLED:
        mine, theirs = survivor[name], merged[name]
        known = [value for value in (mine, theirs) if value is not None]
        value: Any
        why: Why = "the strictest"
        if name in COUNTERS:
            value, why = mine + theirs, "both together"
        elif name == "unsubscribed_at":
            value = min(known, default=None)
        elif name == "last_contacted_at":
            value, why = max(known, default=None), "the furthest"
        else:
            value = mine or theirs
            why = "the strictest" if name == "do_not_contact" else "both together"
        if mine == theirs == value:
            yield Field(name, mine, theirs, value, "survivor", "the same")
        else:
            yield Field(name, mine, theirs, value, "both" if name in COUNTERS else "survivor" if value == mine else "merged", why)


def columns(fields: Iterable[Field], merged: Row) -> dict[str, Any]:
    """The survivor's columns that change, with all that belongs to each field."""
    changed: dict[str, Any] = {}
    for field in fields:
        if field.value == field.survivor:
            continue
        for column in CHOICES.get(field.name, (field.name,)):
            changed[column] = merged[column] if column != field.name else field.value
    return changed


@dataclass(frozen=True)
class Consent:
    """What the survivor's consent of one kind becomes, where that is another than it was."""

    channel: str
    purpose: str
    survivor: str | None
    merged: str | None
    state: str


def stricter(survivor: Iterable[Row], merged: Iterable[Row]) -> list[Consent]:
    """The consents of both as one person's: a refusal to either is a refusal; what only one was asked, that one's answer."""
    mine = {(one["channel"], one["purpose"]): one["state"] for one in survivor}
    theirs = {(one["channel"], one["purpose"]): one["state"] for one in merged}
    found = []
    for kind in sorted(mine.keys() | theirs.keys()):
        states = {mine.get(kind), theirs.get(kind)} - {None}
        found.append(Consent(*kind, mine.get(kind), theirs.get(kind), "denied" if "denied" in states else "granted"))
    return found


def furthest(one: Stage | None, other: Stage | None) -> Stage | None:
    """Of two stages the one further up the ladder; where one of them stands beside it, the first."""
    if one is None or other is None:
        return one or other
    return other if one in RANK and other in RANK and RANK[other] > RANK[one] else one


def account_ids(target: Row, emptied: Iterable[Row]) -> dict[str, Any]:
    """The ids in other systems that an organization takes over from those that are emptied into it."""
    taken: dict[str, Any] = {}
    for name in ACCOUNT_IDS:
        value = next((one[name] for one in emptied if one[name] is not None), None)
        if target[name] is None and value is not None:
            taken[name] = value
    return taken


def accounts(target: Row | None, emptied: Iterable[Row]) -> dict[str, dict[str, Any]]:
    """The columns of client accounts that become one's: recurring revenue and revenue add up, the earliest start counts."""
    changed: dict[str, dict[str, Any]] = {}
    if target is None:
        return changed
    for one in emptied:
        into = changed.get(target["id"], {})
        base = {**target, **into}
        changed[target["id"]] = {
            "mrr_cents": base["mrr_cents"] + one["mrr_cents"],
            "total_revenue_cents": base["total_revenue_cents"] + one["total_revenue_cents"],
            "client_since": min(base["client_since"], one["client_since"]),
        }
        changed[one["id"]] = {"mrr_cents": 0, "total_revenue_cents": 0}
    return changed


def restore(now: Row, before: Row, after: Row, merged: Row) -> tuple[dict[str, Any], list[str]]:
    """What an undo writes back: the columns that are still as the merge left them, and the names of those changed since.

    Counters lose what came from the merged record, whatever was counted since.
    """
    back: dict[str, Any] = {}
    kept: list[str] = []
    for name, value in after.items():
        if name in COUNTERS:
            back[name] = max(0, now[name] - merged[name])
        elif now[name] == value:
            back[name] = before[name]
        else:
            kept.append(name)
    # Columns that make sense only together come back together.
    for together in (*CHOICES.values(), ("organization_id", "location_id", "is_primary")):
        if any(name in kept for name in together):
            kept.extend(name for name in together if name in back)
            back = {name: value for name, value in back.items() if name not in together}
    return back, sorted(kept)
