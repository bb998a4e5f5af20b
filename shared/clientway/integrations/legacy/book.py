"""Who an old row is: imports' index, and beside it what only the old database knows (design 3, §13)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from clientway import normalise
from clientway.integrations.imports.candidates import Candidate
from clientway.integrations.imports.matching import SHARED_FROM, Index, Known, Match, Place, names_of
from clientway.integrations.legacy.mapping import Given
from clientway.integrations.legacy.reading import Kind
from clientway.lifecycle.bulk.service import Record

Row = dict[str, Any]


@dataclass
class Person:
    """A contact that is there, the organization they are at, if any, and the e-mail that they are found by."""

    row: Row
    organization_id: str | None
    email: str | None


class Book(Index):
    """Everything that the rows of a chunk could be, kept up to date while they are taken."""

    def __init__(
        self, source: str, records: Iterable[Record], alone: Iterable[Mapping[str, Any]], holders: Mapping[str, tuple[str | None, str]]
    ) -> None:
        """From what the database holds; `holders` are whose the e-mails are, primary ones or not."""
        super().__init__()
        self.source = source
        self.people: dict[str, Person] = {}
        self.by_hubspot: dict[str, str] = {}
        self.by_company: dict[str, str] = {}
        self.by_customer: dict[str, str] = {}
        self.by_name: dict[str, list[str]] = defaultdict(list)
        self.by_person_phone: dict[str, set[str]] = defaultdict(set)
        for record in records:
            self.add_record(record)
        for contact in alone:
            self.add_person(dict(contact), None)
        self.by_email.update(holders)

    def add_record(self, record: Record) -> Known:
        """Take in an organization with its places and people."""
        own = record.organization
        source_id = own.get("source_id") if own.get("source") == self.source else None
        places = [Place(place["id"], place.get("address_key"), place.get("phone_e164"), place) for place in record.places]
        known = Known(own["id"], names_of(own), source_id, own, places, record)
        self.add(known)
        for name in known.names:
            self.by_name[name].append(known.id)
        self.keep_keys(own)
        for contact in record.contacts:
            self.add_person(contact, known.id)
        return known

    def change_place(self, known: Known, place: Place) -> None:
        """Find a location by what it has become, and no longer by what it was."""
        was = place.address, place.phone
        place.address, place.phone = place.row.get("address_key"), place.row.get("phone_e164")
        if was[0] and all(one.address != was[0] for one in known.places):
            self.by_address[was[0]].discard(known.id)
        if was[1] and all(one.phone != was[1] for one in known.places):
            self.by_phone[was[1]].discard(known.id)
        self.add_place(known, place, new=False)

    def keep_keys(self, own: Row) -> None:
        """Remember which organization has which customer and company number."""
        for column, index in (("hubspot_company_id", self.by_company), ("stripe_customer_id", self.by_customer)):
            if own.get(column):
                index[own[column]] = own["id"]

    def add_person(self, contact: Row, organization_id: str | None) -> None:
        """Take in a contact, or one whose e-mail, phone or organization has changed."""
        was = self.people.get(contact["id"])
        if was is not None and was.email and was.email != contact.get("email_norm"):
            self.by_email.pop(was.email, None)
        self.people[contact["id"]] = Person(contact, organization_id, contact.get("email_norm"))
        if contact.get("email_norm"):
            self.by_email[contact["email_norm"]] = (organization_id, contact["id"])
        if contact.get("hubspot_contact_id"):
            self.by_hubspot[contact["hubspot_contact_id"]] = contact["id"]
        if contact.get("phone_e164"):
            self.by_person_phone[contact["phone_e164"]].add(contact["id"])

    def organization(self, given: Given) -> Match:
        """The organization that a row is or belongs to, if it is there."""
        person = self.people.get(self.by_hubspot.get(given.contact.get("hubspot_contact_id") or "", ""))
        strong = (
            (person.organization_id if person else None, "same HubSpot contact"),
            (self.by_customer.get(given.organization.get("stripe_customer_id") or ""), "same Stripe customer"),
            (self.by_company.get(given.organization.get("hubspot_company_id") or ""), "same HubSpot company"),
        )
        for found, reason in strong:
            if found in self.organizations:
                return Match(self.organizations[str(found)], self.place(self.organizations[str(found)], given), reason)
        match = self._by_imports_rules(given)
        if match.organization is None and given.kind is Kind.HUBSPOT and given.keys.name:
            match = self._employer(given, match)
        if match.organization is not None:
            return Match(match.organization, self.place(match.organization, given), match.reason)
        return match

    def place(self, known: Known, given: Given) -> Place | None:
        """The location that a row means: the same address, or the first if it gives none and goes by the same name."""
        if not given.location:
            return None
        address = given.keys.address
        if address is not None:
            exact = next((place for place in known.places if place.address == address), None)
            return exact or next((place for place in known.places if place.address is None and self._same_name(known, place, given)), None)
        return next((place for place in known.places if self._same_name(known, place, given)), None)

    def person(self, given: Given, known: Known | None, last: str | None) -> Person | None:
        """The contact that a row means: the one it was last time, by HubSpot's id, by e-mail, or by phone and first name."""
        contact = given.contact
        by_email = self.by_email.get(contact.get("email_norm") or "", (None, ""))[1]
        for one in (last, self.by_hubspot.get(contact.get("hubspot_contact_id") or ""), by_email):
            if one and one in self.people:
                return self.people[one]
        holders = self.by_person_phone.get(contact.get("phone_e164") or "", set())
        if len(holders) < SHARED_FROM:
            for one in sorted(holders):
                person = self.people[one]
                here = known is None or person.organization_id == known.id
                if here and self._same_person(person.row, contact, known):
                    return person
        return self._namesake(contact, known)

    def _namesake(self, contact: Row, known: Known | None) -> Person | None:
        """Somebody of the same name at the same place, when the row has no e-mail to tell them apart."""
        if known is None or contact.get("email_norm") or not (contact.get("first_name") or contact.get("last_name")):
            return None
        return next((self.people[one["id"]] for one in known.record.contacts if _name(one) == _name(contact)), None)

    def _by_imports_rules(self, given: Given) -> Match:
        """By e-mail, name and address, or name and phone; under either of its names."""
        names = dict.fromkeys(key for name in ("dba_name", "legal_name") if (key := normalise.name_key(given.organization.get(name))))
        match = Match(None, None, "new")
        for name in names or [None]:
            keys = replace(given.keys, source_id=given.source_id, name=name)
            match = self.match(Candidate(given.organization, given.location, given.contact, given.tags, keys))
            if match.organization is not None:
                break
        return match

    def _employer(self, given: Given, match: Match) -> Match:
        """A person says by a name alone where they work: the one of this source, else the only one of that name."""
        named = [self.organizations[one] for one in dict.fromkeys(self.by_name.get(given.keys.name or "", ()))]
        own = [known for known in named if known.row.get("source") == self.source]
        for found, reason in ((own[:1], "the company of that name in the same list"), (named, "the only organization of that name")):
            if len(found) == 1 and not _elsewhere(found[0], given):
                return Match(found[0], None, reason)
        return match

    @staticmethod
    def _same_name(known: Known, place: Place, given: Given) -> bool:
        name = normalise.name_key(given.location.get("name"))
        return name is None or name in known.names or name == normalise.name_key(place.row.get("name"))

    @staticmethod
    def _same_person(there: Row, given: Row, known: Known | None) -> bool:
        # Where the row names no organization, both need a first name: a phone alone says nothing.
        first, other = ((row.get("first_name") or "").casefold() for row in (there, given))
        one_mailbox = not (there.get("email_norm") and given.get("email_norm"))
        return one_mailbox and (first == other if first and other else known is not None)


def _name(contact: Mapping[str, Any]) -> tuple[str, str]:
    return ((contact.get("first_name") or "").casefold(), (contact.get("last_name") or "").casefold())


def _elsewhere(known: Known, given: Given) -> bool:
    """Whether both say where they are, and it is not the same town."""
    town = normalise.name_key(given.location.get("city"))
    towns = {key for place in known.places if (key := normalise.name_key(place.row.get("city")))}
    return town is not None and bool(towns) and town not in towns
