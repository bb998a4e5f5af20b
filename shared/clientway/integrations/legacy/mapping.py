"""What a row of the old database says, in this one's words: pure, over one row at a time.

Source: seed 0, "Migration Strategy". Where its INSERT and its view `clients_legacy` disagree on which of `name` and
`company` is the legal name, the view decides: old readers get back what they wrote.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from clientway import normalise
from clientway.integrations.imports.candidates import Candidate, Keys, Refusal, candidate
from clientway.integrations.legacy import plans, values
from clientway.integrations.legacy.columns import COLUMNS, NOT_TAKEN
from clientway.integrations.legacy.reading import Kind, Row, Table
from clientway.lifecycle.stages.rules import Stage

_KNOWN: Final = {kind: {name for names in columns.values() for name in names} | NOT_TAKEN for kind, columns in COLUMNS.items()}
_LONGEST_ID: Final = 300
_BY_IMPORTS: Final = frozenset(
    f"{table}.{name}"
    for table, names in {
        "organization": "legal_name dba_name entity_type industry notes",
        "location": "name address_line1 city state zip country latitude longitude phone email website_url cuisine_primary service_style"
        " pos_system seating_capacity employee_count status",
        "contact": "first_name last_name full_name email phone title role_type",
    }.items()
    for name in names.split()
)
_CLOSED: Final = frozenset({"closed", "permanently_closed", "out_of_business"})
_STOPPED: Final = frozenset({"do_not_contact", "dnc", "blacklist", "blacklisted", "unsubscribed", "opted_out", "opt_out"})
_METHODS: Final = {"email": "email", "e_mail": "email", "phone": "phone", "call": "phone", "sms": "sms", "text": "sms"}


Columns = Mapping[str, tuple[str, ...]]
"""The columns of a table by what they are here; see legacy/columns.py."""


@dataclass(frozen=True)
class Given:
    """A row as records: fields by table, what it is matched by, and where it stood."""

    number: int
    source_id: str
    kind: Kind
    organization: dict[str, Any]
    location: dict[str, Any]
    contact: dict[str, Any]
    account: dict[str, Any]
    tags: tuple[str, ...]
    stage: Stage | None
    reason: str
    rep: str | None
    created_at: str | None
    keys: Keys
    warnings: tuple[str, ...] = ()
    not_taken: tuple[str, ...] = ()

    @property
    def alone(self) -> bool:
        """Whether it is a person who works nowhere that is known."""
        return not self.organization

    @property
    def said(self) -> dict[str, Any]:
        """Everything that it says, by table and field."""
        tables = {"organization": self.organization, "location": self.location, "contact": self.contact, "account": self.account}
        found = {f"{table}.{name}": value for table, fields in tables.items() for name, value in fields.items() if value is not None}
        return {**found, **{f"tag.{tag}": True for tag in self.tags}, "stage": self.stage, "rep": self.rep}


class Unreachable(Refusal):
    """A person whom nothing leads to: by the rules no contact, so the row is passed over."""


@dataclass
class _Cells:
    """A row's values by what they are here."""

    columns: Columns
    values: Mapping[str, Any]
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.texts = {name: found for name, value in self.values.items() if (found := values.text(value)) is not None}

    def raw(self, target: str) -> Any:
        """The first of the target's columns that says something."""
        return next((self.values[name] for name in self.columns.get(target, ()) if name in self.texts), None)

    def text(self, target: str, longest: int = 300) -> str | None:
        return next((self.texts[name][:longest] for name in self.columns.get(target, ()) if name in self.texts), None)

    def read(self, target: str, reader: Any) -> Any:
        """The value as `reader` understands it; what it does not understand is left out with a warning."""
        raw = self.raw(target)
        found = None if raw is None else reader(raw)
        if raw is not None and found is None:
            self.warnings.append(f"{target.rpartition('.')[2]} “{values.cell(raw)[:40]}” was left out")
        return found

    def time(self, target: str) -> str | None:
        found = self.read(target, values.moment)
        return found.isoformat() if found else None


def columns_of(table: Table) -> Columns:
    """What the columns that a table has are here."""
    found = {target: tuple(name for name in names if name in table.columns) for target, names in COLUMNS[table.kind].items()}
    return {target: names for target, names in found.items() if names}


def given(row: Row, kind: Kind, columns: Columns, *, region: str, lost_zeros: bool) -> Given | Refusal:
    """Read a row. A refusal is a row that names nobody; Unreachable is one of a person whom nothing leads to."""
    cells = _Cells(columns, row.values)
    read = candidate(*_for_imports(cells, kind), region=region, lost_zeros=lost_zeros)
    if isinstance(read, Refusal):
        return Refusal("no name: neither a business, a person nor an e-mail address is named")
    contact = _contact(cells, read, kind)
    alone = kind is Kind.HUBSPOT and cells.text("organization.legal_name") is None
    if alone and not contact:
        return Unreachable("neither a company, nor an e-mail address or a phone number of the person")
    organization = {} if alone else _organization(cells, read, kind)
    if organization and not contact and (person := _person(read.contact)):
        organization["notes"] = "\n".join(filter(None, (organization["notes"], f"Contact in the old system: {person}")))[:20_000]
    location = {} if alone else _location(cells, read, kind)
    account, stage, reason = plans.standing(cells, kind)
    keys = Keys(
        source_id=None,
        email=contact.get("email_norm"),
        phone=location.get("phone_e164"),
        name=None if alone else read.keys.name,
        address=location.get("address_key"),
    )
    return Given(
        number=row.number,
        source_id=_source_id(cells, row),
        kind=kind,
        organization=organization,
        location=location,
        contact=contact,
        account=account,
        tags=_tags(cells, read, kind),
        stage=None if alone else stage,
        reason=reason,
        rep=cells.text("account.rep"),
        created_at=cells.time("created_at"),
        keys=keys,
        warnings=(*read.warnings, *cells.warnings),
        not_taken=tuple(name for name in cells.texts if name not in _KNOWN[kind]),
    )


def _for_imports(cells: _Cells, kind: Kind) -> tuple[tuple[str, ...], dict[int, str]]:
    """The cells that imports clean as well, and which is which."""
    found = {target: values.cell(cells.raw(target)) for target in cells.columns if target in _BY_IMPORTS}
    # D1's numbers: a ZIP code that was stored as one has lost its zeros for certain.
    postal = cells.raw("location.zip")
    if isinstance(postal, int | float) and 0 < postal < 10**5:
        found["location.zip"] = f"{int(postal):05d}"
    name = found.get("organization.legal_name")
    if kind is Kind.CLIENT:
        found["organization.legal_name"] = name or found.get("organization.dba_name", "")
    if kind is Kind.HUBSPOT and not name:
        # A person alone needs no name: an address or a number is enough. What is put here is not looked at.
        found["organization.legal_name"] = "alone"
    if kind is Kind.LEAD:
        found["location.name"] = found.get("location.name") or (name or "")[:300]
        found["location.status"] = "closed" if values.word(cells.raw("lead.status")) in _CLOSED else found.get("location.status", "")
    return tuple(found.values()), dict(enumerate(found))


def _source_id(cells: _Cells, row: Row) -> str:
    """The old id; a row without one goes by its content."""
    if found := cells.text("id", _LONGEST_ID):
        return found
    content = "\x1f".join(f"{name}={values.cell(value)}" for name, value in sorted(row.values.items()))
    return f"row-{blake2b(content.encode('utf-8', 'surrogatepass'), digest_size=12).hexdigest()}"


def _organization(cells: _Cells, read: Candidate, kind: Kind) -> dict[str, Any]:
    own = {name: value for name, value in read.organization.items() if name != "source_id"}
    slug = cells.text("organization.slug") if kind is Kind.CLIENT else None
    return {
        **own,
        "slug": normalise.slug(slug, fallback="") or None,
        "source_campaign": cells.text("organization.source_campaign"),
        "hubspot_company_id": cells.text("organization.hubspot_company_id"),
        "stripe_customer_id": cells.text("organization.stripe_customer_id"),
        "square_customer_id": cells.text("organization.square_customer_id"),
    }


def _location(cells: _Cells, read: Candidate, kind: Kind) -> dict[str, Any]:
    more = {
        "menu_complexity": cells.text("location.menu_complexity"),
        "pos_account_id": cells.text("location.pos_account_id"),
        "estimated_annual_revenue_cents": cells.read("location.estimated_annual_revenue", values.cents_of_dollars),
        "avg_check_size_cents": cells.read("location.avg_check_size", values.cents_of_dollars),
        "last_enriched_at": cells.time("location.last_enriched_at"),
    }
    found = dict(read.location)
    if kind is Kind.HUBSPOT:
        # Its phone is the person's.
        found |= {"phone": None, "phone_e164": None}
    if not found and not any(value is not None for value in more.values()):
        return {}
    blank = {"country": "US", "status": "active", "address_key": None, "phone_e164": None}
    found = {**blank, **found, **more}
    if found.get("name"):
        found["name"] = found["name"][:300]
    return found


def _contact(cells: _Cells, read: Candidate, kind: Kind) -> dict[str, Any]:
    """The person, if there is a way to reach them."""
    found = dict(read.contact)
    if found.get("email_norm") and normalise.blocked_email(found["email_norm"]):
        cells.warnings.append(f"e-mail “{found['email']}” is nobody's mailbox and was left out")
        found |= {"email": None, "email_norm": None}
    if (kind is Kind.CLIENT or _person(found)) and not found.get("phone") and read.location.get("phone"):
        # The business's number reaches whoever is named; a lead's number without a name is the business's alone.
        found |= {"phone": read.location["phone"], "phone_e164": read.location.get("phone_e164")}
    if not found.get("email_norm") and not found.get("phone"):
        return {}
    slug = cells.text("contact.slug") if kind is Kind.CLIENT else None
    method = _METHODS.get(values.word(cells.raw("contact.preferred_contact_method")))
    stopped = values.truth(cells.raw("contact.do_not_contact")) or values.word(cells.raw("lead.status")) in _STOPPED
    return {
        **found,
        "title": (found.get("title") or "")[:300] or None,
        "slug": normalise.slug(slug, fallback="") or None,
        "hubspot_contact_id": cells.text("contact.hubspot_contact_id"),
        "do_not_contact": True if stopped else None,
        "unsubscribed_at": cells.time("contact.unsubscribed_at"),
        "last_contacted_at": cells.time("contact.last_contacted_at"),
        "preferred_contact_method": method,
        "is_decision_maker": True if values.truth(cells.raw("contact.is_decision_maker")) else None,
        "portal_enabled": True if values.truth(cells.raw("contact.portal_enabled")) else None,
    }


def _tags(cells: _Cells, read: Candidate, kind: Kind) -> tuple[str, ...]:
    found = [*read.tags, *values.words(cells.raw("organization.tags"))]
    found += values.words(cells.raw("organization.came_from"))
    if kind is Kind.HUBSPOT and (stage := values.word(cells.raw("hubspot.stage"))):
        # HubSpot's stage is news about them, not a move here (design 3, §12: the stage is ours).
        found.append(f"hubspot {stage.replace('_', ' ')}"[:60])
    return tuple(dict.fromkeys(found))


def _person(contact: Mapping[str, Any]) -> str:
    return " ".join(name for name in (contact.get("first_name"), contact.get("last_name")) if name)
