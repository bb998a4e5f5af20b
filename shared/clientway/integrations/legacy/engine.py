"""Turn a chunk of old rows into records, in a handful of statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clientway import normalise
from clientway.db import Tx
from clientway.integrations.imports.matching import Known, Place, names_of
from clientway.integrations.legacy import merging, queries
from clientway.integrations.legacy.book import Book, Person
from clientway.integrations.legacy.mapping import Given
from clientway.integrations.legacy.queries import Entry
from clientway.integrations.legacy.standings import Standings
from clientway.lifecycle.bulk import identities
from clientway.lifecycle.bulk import service as records
from clientway.lifecycle.bulk.identities import Wanted
from clientway.lifecycle.bulk.service import Changes, Record
from clientway.moments import rfc3339

Row = dict[str, Any]

_ADDRESS = ("address_line1", "city", "state", "zip")
UNCHANGED = "unchanged since the last run"
DELETED = "deleted here since; not brought back"
NOTHING_NEW = "changed there, nothing new for here"


@dataclass(frozen=True)
class Run:
    """What stays the same over the rows of a table."""

    source: str
    currency: str
    key: bytes
    reps: dict[str, str]


@dataclass
class Outcome:
    """What a row became."""

    number: int
    outcome: str
    reason: str
    organization_id: str | None = None
    notes: list[str] = field(default_factory=list)


@dataclass
class _Task:
    """A row that is new or has changed."""

    given: Given
    entry: Entry | None
    marks: dict[str, str]

    @property
    def last(self) -> Mapping[str, str]:
        return self.entry.marks if self.entry else {}


def take(tx: Tx, run: Run, rows: Sequence[Given]) -> list[Outcome]:
    """Write a chunk and what it became; rows that say what they said last time are passed over."""
    entries = queries.known(tx, run.source, [given.source_id for given in rows])
    outcomes: list[Outcome] = []
    tasks = []
    for given in rows:
        task = _Task(given, entries.get(given.source_id), merging.marks(given.said, run.key))
        if task.entry is not None and task.entry.marks == task.marks:
            outcomes.append(Outcome(given.number, "skipped", UNCHANGED, task.entry.organization_id))
        else:
            tasks.append(task)
    if tasks:
        batch = _Batch(tx, run, _book(tx, run, tasks))
        taken = [batch.take(task) for task in tasks]
        batch.write(taken)
        outcomes += taken
    return outcomes


def _book(tx: Tx, run: Run, tasks: Sequence[_Task]) -> Book:
    wanted = Wanted()
    for task in tasks:
        given, keys, contact = task.given, task.given.keys, task.given.contact
        places = (
            (wanted.emails, keys.email), (wanted.phones, keys.phone), (wanted.phones, contact.get("phone_e164")),
            (wanted.addresses, keys.address),
            (wanted.names, keys.name if given.kind == "hubspot" else None), (wanted.hubspot_contacts, contact.get("hubspot_contact_id")),
            (wanted.hubspot_companies, given.organization.get("hubspot_company_id")),
            (wanted.stripe_customers, given.organization.get("stripe_customer_id")), (wanted.source_ids, given.source_id),
            (wanted.organization_ids, task.entry and task.entry.organization_id),
            (wanted.contact_ids, task.entry and task.entry.contact_id),
        )  # fmt: skip
        for values, value in places:
            if value:
                values.add(value)
    found = identities.organizations(tx, wanted, source=run.source)
    emails = {email for task in tasks if (email := task.given.contact.get("email_norm"))}
    holders = identities.email_holders(tx, wanted.emails | emails)
    return Book(run.source, records.by_ids(tx, found).values() if found else (), identities.contacts_alone(tx, wanted), holders)


class _Batch:
    """A chunk while it is taken row by row: later rows see what earlier ones became."""

    def __init__(self, tx: Tx, run: Run, book: Book) -> None:
        self.tx, self.run, self.book = tx, run, book
        self.changes = Changes()
        self.standings = Standings(run.key, run.currency)
        self.ledger: dict[str, Row] = {}

    def take(self, task: _Task) -> Outcome:
        """Decide what a row is and gather what it changes."""
        given, entry = task.given, task.entry
        outcome = Outcome(given.number, "merged", "", notes=list(given.warnings))
        known, place = None, None
        if entry is not None and entry.organization_id is not None:
            known = self.book.organizations.get(entry.organization_id)
            if known is None:
                return Outcome(given.number, "skipped", DELETED)
            place = next((one for one in known.places if one.id == entry.location_id), None)
            if place is None and entry.location_id is None:
                place = self.book.place(known, given)
            outcome.reason = "changed in the old database"
        elif entry is not None and given.alone and entry.contact_id not in self.book.people:
            return Outcome(given.number, "skipped", DELETED)
        elif not given.alone:
            match = self.book.organization(given)
            known, place, outcome.reason = match.organization, match.place, match.reason
        touched = self._write_down(task, outcome, known, place)
        if task.entry is not None and not touched and outcome.outcome == "merged":
            outcome.outcome, outcome.reason = "skipped", NOTHING_NEW
        return outcome

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Write the chunk: records, stages and accounts, and what each row became."""
        records.write(self.tx, self.changes, currency=self.run.currency)
        changed = self.standings.apply(self.tx, self.run.reps)
        queries.remember(self.tx, self.run.source, list(self.ledger.values()))
        for one in outcomes:
            if one.outcome == "skipped" and one.reason == NOTHING_NEW and one.organization_id in changed:
                one.outcome, one.reason = "merged", "changed in the old database"
        if outcomes and self.standings.notes:
            outcomes[0].notes.extend(self.standings.notes)

    def _write_down(self, task: _Task, outcome: Outcome, known: Known | None, place: Place | None) -> bool:
        given, touched = task.given, False
        if known is None and not given.alone:
            known = self._create(given)
            outcome.outcome = "created"
        elif known is not None:
            touched = self._organization(task, known, outcome)
        location_id = task.entry.location_id if task.entry else None
        if known is not None and given.location:
            if place is not None:
                location_id = place.id
                touched |= self._location(task, known, place, outcome)
            elif location_id is None:
                location_id, touched = self._add_place(known, given), True
        contact_id, new_here = self._contact(task, known, location_id, outcome)
        touched |= new_here
        if known is not None:
            outcome.organization_id = known.id
            self.standings.add(known.id, given, task.last)
            tags = {(known.id, tag) for tag in given.tags if f"tag.{tag}" not in task.last}
            self.changes.tags |= tags
            touched |= bool(tags)
        self.ledger[given.source_id] = {
            "source_id": given.source_id, "organization_id": known.id if known else None, "location_id": location_id,
            "contact_id": contact_id, "marks": task.marks,
        }  # fmt: skip
        return touched

    def _create(self, given: Given) -> Known:
        fields = self._own_keys({**given.organization, **self._rep(given)}, None)
        own = records.new_row("organizations", {**fields, **self._since(given), "source": self.run.source, "source_id": given.source_id})
        self.changes.records[own["id"]] = record = Record(own)
        self.changes.new["organizations"][own["id"]] = own
        return self.book.add_record(record)

    def _organization(self, task: _Task, known: Known, outcome: Outcome) -> bool:
        given = {**task.given.organization, **self._rep(task.given)}
        fields, kept = merging.changes("organization", known.row, self._own_keys(given, known.id), task.last, self.run.key)
        fields.pop("notes", None)
        if task.last.get("organization.notes") != task.marks.get("organization.notes"):
            notes = merging.notes(known.row.get("notes"), given.get("notes"))
            fields |= {"notes": notes} if notes else {}
        if task.entry is not None and (differing := [one for one in kept if one != "notes"]):
            outcome.notes.append(f"kept as changed here: {', '.join(differing)}")
        if not fields:
            return False
        self._change("organizations", known.row, fields, known)
        known.names |= names_of(known.row)
        self.book.keep_keys(known.row)
        return True

    def _location(self, task: _Task, known: Known, place: Place, outcome: Outcome) -> bool:
        fields, kept = merging.changes("location", place.row, task.given.location, task.last, self.run.key)
        if task.entry is not None and kept:
            outcome.notes.append(f"kept as changed here: {', '.join(kept)}")
        if not fields:
            return False
        if any(name in fields for name in _ADDRESS):
            line, city, state, postal = ({**place.row, **fields}.get(name) for name in _ADDRESS)
            fields["address_key"] = normalise.address_key(line, city, state, postal)
        self._change("locations", place.row, fields, known)
        self.book.change_place(known, place)
        return True

    def _add_place(self, known: Known, given: Given) -> str:
        place = records.new_row("locations", {**given.location, **self._since(given), "organization_id": known.id})
        self.changes.new["locations"][place["id"]] = place
        known.record.places.append(place)
        self.changes.records[known.id] = known.record
        self.book.add_place(known, Place(place["id"], place.get("address_key"), place.get("phone_e164"), place))
        return str(place["id"])

    def _contact(self, task: _Task, known: Known | None, location_id: str | None, outcome: Outcome) -> tuple[str | None, bool]:
        """The contact that a row becomes or changes, and whether anything was."""
        given, last = task.given, task.entry.contact_id if task.entry else None
        if not given.contact or (last is not None and last not in self.book.people):
            # Not given, or deleted here since.
            return last, False
        person = self.book.person(given, known, last)
        if person is None:
            return self._add_contact(given, known, location_id, outcome), True
        return person.row["id"], self._change_contact(task, person, known, outcome)

    def _add_contact(self, given: Given, known: Known | None, location_id: str | None, outcome: Outcome) -> str:
        owner = {"organization_id": known.id, "location_id": location_id} if known else {}
        row = records.new_row(
            "contacts", {**given.contact, **self._since(given), **owner, "source": self.run.source, "source_id": given.source_id}
        )
        self.changes.new["contacts"][row["id"]] = row
        if known is None:
            records.derive_contact(row)
            outcome.outcome, outcome.reason = "created", "a person without an organization"
        else:
            known.record.contacts.append(row)
            self.changes.records[known.id] = known.record
        self.book.add_person(row, known.id if known else None)
        return str(row["id"])

    def _change_contact(self, task: _Task, person: Person, known: Known | None, outcome: Outcome) -> bool:
        given = dict(task.given.contact)
        if self.book.by_email.get(given.get("email_norm") or "", (None, person.row["id"]))[1] != person.row["id"]:
            outcome.notes.append("its e-mail belongs to another contact and stays there")
            given |= {"email": None, "email_norm": None}
        if self.book.by_hubspot.get(given.get("hubspot_contact_id") or "", person.row["id"]) != person.row["id"]:
            given["hubspot_contact_id"] = None
        fields, _ = merging.changes("contact", person.row, given, task.last, self.run.key)
        if known is not None and person.organization_id is None:
            fields["organization_id"] = known.id
            known.record.contacts.append(person.row)
        elif known is not None and person.organization_id != known.id:
            outcome.notes.append("its contact is at another organization and stays there")
        if known is None:
            outcome.reason = outcome.reason or "the same person"
        if not fields:
            return False
        home = known.id if known is not None and person.organization_id is None else person.organization_id
        if home in self.book.organizations:
            self._change("contacts", person.row, fields, self.book.organizations[str(home)])
        else:
            person.row.update(fields)
            records.derive_contact(person.row)
            follows = {name: person.row[name] for name in ("name_norm", "search_text")}
            self.changes.change("contacts", person.row, {**fields, **follows})
        self.book.add_person(person.row, home)
        return True

    def _change(self, table: str, row: Row, fields: Row, known: Known) -> None:
        self.changes.change(table, row, fields)
        self.changes.records[known.id] = known.record

    def _own_keys(self, fields: Row, own_id: str | None) -> Row:
        """Without a customer or company number that another organization has."""
        holders = {"hubspot_company_id": self.book.by_company, "stripe_customer_id": self.book.by_customer}
        taken = [name for name, index in holders.items() if index.get(fields.get(name) or "", own_id) != own_id]
        return {**fields, **dict.fromkeys(taken)}

    def _rep(self, given: Given) -> Row:
        found = self.run.reps.get((given.rep or "").casefold())
        return {"assigned_rep_id": found} if found else {}

    def _since(self, given: Given) -> Row:
        """When the old system got to know them."""
        return {"created_at": given.created_at} if given.created_at and given.created_at <= rfc3339(self.tx.now) else {}
