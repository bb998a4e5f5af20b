"""Which record a row is: pure, over what the database and the rows before it are known to hold (design 3, §13)."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from clientway import normalise
from clientway.integrations.imports.candidates import Candidate

SHARED_FROM = 3
"""A phone at this many organizations is a switchboard's or a landlord's, and says nothing about who somebody is."""


@dataclass
class Place:
    """A location that is there."""

    id: str
    address: str | None
    phone: str | None
    row: dict[str, Any]


@dataclass
class Known:
    """An organization that is there, with what it is matched by."""

    id: str
    names: set[str]
    source_id: str | None
    row: dict[str, Any]
    places: list[Place] = field(default_factory=list)
    record: Any = None


@dataclass(frozen=True)
class Match:
    """What a row is: an organization and a location that are there (or None), and the reason."""

    organization: Known | None
    place: Place | None
    reason: str


class Index:
    """Organizations by everything they are matched by."""

    def __init__(self) -> None:
        """Empty."""
        self.organizations: dict[str, Known] = {}
        self.by_source: dict[str, str] = {}
        self.by_email: dict[str, tuple[str | None, str]] = {}
        self.by_address: dict[str, set[str]] = defaultdict(set)
        self.by_phone: dict[str, set[str]] = defaultdict(set)

    def add(self, known: Known) -> None:
        """Take in an organization with its places."""
        self.organizations[known.id] = known
        if known.source_id:
            self.by_source[known.source_id] = known.id
        for place in known.places:
            self.add_place(known, place, new=False)

    def add_place(self, known: Known, place: Place, *, new: bool = True) -> None:
        """Take in a location of an organization."""
        if new:
            known.places.append(place)
        if place.address:
            self.by_address[place.address].add(known.id)
        if place.phone:
            self.by_phone[place.phone].add(known.id)

    def match(self, candidate: Candidate) -> Match:
        """Find who a row is: its id in the source, its e-mail, name with address, name with a phone that is not shared."""
        keys = candidate.keys
        if keys.source_id and (found := self.by_source.get(keys.source_id)):
            known = self.organizations[found]
            return Match(known, self._place(known, candidate), f"same id {keys.source_id} in this source")
        if keys.email and (holder := self.by_email.get(keys.email)) and holder[0] in self.organizations:
            known = self.organizations[str(holder[0])]
            return Match(known, self._place(known, candidate), f"same e-mail {keys.email}")
        named = self._named(keys.name, self.by_address.get(keys.address or "", ()))
        if keys.name and named:
            at = next(place for place in named[0].places if place.address == keys.address)
            return Match(named[0], at, "same name and address")
        holders = self.by_phone.get(keys.phone or "", set())
        if keys.name and keys.phone and len(holders) < SHARED_FROM:
            same = self._named(keys.name, holders)
            if same:
                place = None if keys.address else next(iter(same[0].places), None)
                return Match(same[0], place, "same name and phone" + ("" if place else ", another address"))
        return Match(None, None, self._hint(holders))

    def _named(self, name: str | None, among: Iterable[str]) -> list[Known]:
        return [self.organizations[one] for one in sorted(among) if name in self.organizations[one].names]

    def _place(self, known: Known, candidate: Candidate) -> Place | None:
        address = candidate.keys.address
        if not candidate.location:
            return None
        if address is None:
            return next(iter(known.places), None)
        exact = next((place for place in known.places if place.address == address), None)
        return exact or next((place for place in known.places if place.address is None), None)

    def _hint(self, holders: Collection[str]) -> str:
        others = [self.organizations[one].row["legal_name"] for one in sorted(holders)]
        if not others:
            return "new"
        if len(others) >= SHARED_FROM:
            return f"new; its phone is shared by {len(others)} organizations"
        return f"new; perhaps the same as {others[0]} (same phone)"


def names_of(row: dict[str, Any]) -> set[str]:
    """The names that an organization is matched by."""
    return {key for name in (row.get("legal_name"), row.get("dba_name")) if (key := normalise.name_key(name))}


def fill_empty(there: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What a row adds to a record: values for its blank fields. What is there already is never overwritten."""
    return {name: value for name, value in given.items() if value is not None and there.get(name) is None and name in there}
