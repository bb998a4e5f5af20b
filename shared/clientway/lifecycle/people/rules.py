"""Which contact somebody is (design 3, §13): verified e-mail, then e-mail, then phone with a compatible first name."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from clientway import normalise
from clientway.lifecycle.duplicates import nicknames
from clientway.lifecycle.people.schemas import MatchedBy

SHARED_FROM = 3
"""A phone of this many live contacts is a family's or an office's, and says nothing about who somebody is."""


@dataclass(frozen=True)
class Candidate:
    """A live contact that has the e-mail or the phone."""

    id: UUID
    first_name: str | None = None
    by_email: bool = False
    verified: bool = False
    by_phone: bool = False


@dataclass(frozen=True)
class Decision:
    """Who it is, by what, and who else it may be; `phone_is_free` when the phone may be written down for them."""

    match: Candidate | None
    by: MatchedBy | None
    suggest: tuple[Candidate, ...]
    phone_is_free: bool


def decide(candidates: Sequence[Candidate], first_name: str | None) -> Decision:
    """Choose among the contacts that have the e-mail or the phone. An e-mail has one at most; an ambiguous phone decides nothing."""
    by_email = next((one for one in candidates if one.by_email), None)
    by_phone = tuple(one for one in candidates if one.by_phone)
    told = by_phone if len(by_phone) < SHARED_FROM else ()
    if by_email is not None:
        others = tuple(one for one in told if one is not by_email)
        return Decision(by_email, "verified_email" if by_email.verified else "email", others, not by_phone)
    alike = [one for one in told if compatible(one.first_name, first_name)]
    if len(alike) == 1:
        return Decision(alike[0], "phone_and_name", tuple(one for one in told if one is not alike[0]), phone_is_free=False)
    return Decision(None, None, told, phone_is_free=True)


def compatible(one: str | None, other: str | None) -> bool:
    """Whether two first names can be one person's: equal when folded, an initial of the other, or a usual short form of it."""
    first, second = (_first(name) for name in (one, other))
    if not first or not second:
        return False
    if first == second or nicknames.same(first, second):
        return True
    short, long = sorted((first, second), key=len)
    return len(short) == 1 and long.startswith(short)


def _first(name: str | None) -> str:
    """The first word of a first name: middle names and initials behind it come and go."""
    words = normalise.fold(name).replace(".", " ").replace("-", " ").split()
    return words[0] if words else ""
