"""What a segment may ask about: an allow-list. Every identifier that a definition becomes in SQL stands here, none comes from a caller."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from clientway.lifecycle.custom_fields.values import COLUMNS
from clientway.lifecycle.timeline.rules import ActivityType

Kind = Literal["text", "enum", "integer", "number", "money", "date", "time", "boolean", "set"]
Op = Literal[
    "eq", "ne", "in", "not_in", "starts_with", "lt", "lte", "gt", "gte", "between",
    "before", "after", "on", "within_last_days", "older_than_days", "within_next_days", "is",
    "has", "has_not", "has_any", "has_all", "is_known", "is_unknown",
]  # fmt: skip
_ORDER: Final[tuple[Op, ...]] = ("eq", "ne", "lt", "lte", "gt", "gte", "between")
_TIMES: Final[tuple[Op, ...]] = ("before", "after", "on", "within_last_days", "older_than_days", "within_next_days")
OPS: Final[Mapping[Kind, tuple[Op, ...]]] = {
    "text": ("eq", "ne", "in", "not_in", "starts_with"),
    "enum": ("eq", "ne", "in", "not_in"),
    "integer": _ORDER, "number": _ORDER, "money": _ORDER,
    "date": _TIMES, "time": _TIMES,
    "boolean": ("is",),
    "set": ("has", "has_not", "has_any", "has_all", "is_known", "is_unknown"),
}  # fmt: skip
TYPES: Final[Mapping[Kind, str]] = {
    "text": "text", "enum": "text", "integer": "bigint", "number": "double precision", "money": "bigint", "date": "date",
    "time": "timestamptz", "boolean": "boolean", "set": "text",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """Something about a contact `c`: an expression, or, with a `source`, a column of rows that belong to the contact.

    `id` is that of a field of the tenant's own. A field that may be unknown has is_known and is_unknown too.
    """

    name: str
    kind: Kind
    label: str
    sql: str
    source: str = ""
    nullable: bool = False
    values: tuple[str, ...] = ()
    id: UUID | None = None

    @property
    def ops(self) -> tuple[Op, ...]:
        """What may be asked."""
        known: tuple[Op, ...] = ("is_known", "is_unknown") if self.nullable and self.kind != "set" else ()
        return OPS[self.kind] + known


_ORGANIZATION = "organizations o where o.tenant_id = app.tenant() and o.id = c.organization_id"
_ACCOUNT = "client_accounts a where a.tenant_id = app.tenant() and a.organization_id = c.organization_id"
_DEFAULT_ADDRESS = "contact_addresses a where a.tenant_id = app.tenant() and a.id = c.default_address_id and a.deleted_at is null"
_ADDRESSES = "contact_addresses a where a.tenant_id = app.tenant() and a.contact_id = c.id and a.deleted_at is null"
_JOBS = "from jobs j where j.tenant_id = app.tenant() and j.contact_id = c.id"
_INVOICES = "from invoices i where i.tenant_id = app.tenant() and i.contact_id = c.id and i.status = 'open'"
_STAGES = ("lead", "prospect", "mql", "sql", "opportunity", "client", "churned", "blacklist")


def _own(name: str, kind: Kind, label: str, sql: str = "", *, nullable: bool = False, values: tuple[str, ...] = ()) -> Field:
    return Field(name, kind, label, sql or f"c.{name}", nullable=nullable, values=values)


def _organization(name: str, kind: Kind, label: str, *values: str) -> Field:
    return Field(f"organization.{name}", kind, f"organization's {label}", f"o.{name}", _ORGANIZATION, nullable=True, values=values)


def _account(name: str, kind: Kind, label: str, *values: str) -> Field:
    return Field(f"account.{name}", kind, f"client account's {label}", f"a.{name}", _ACCOUNT, nullable=True, values=values)


def _consent(channel: str, purpose: str, label: str) -> Field:
    source = (
        "contact_consents k where k.tenant_id = app.tenant() and k.contact_id = c.id"
        f" and k.channel = '{channel}' and k.purpose = '{purpose}'"
    )
    return Field(f"consent.{channel}_{purpose}", "enum", label, "k.state", source, nullable=True, values=("granted", "denied"))


_ALL: Final = (
    _own("status", "enum", "status", values=("lead", "active", "inactive")),
    _own("first_name", "text", "first name", nullable=True),
    _own("last_name", "text", "last name", nullable=True),
    _own("title", "text", "title", nullable=True),
    _own("email_domain", "text", "e-mail domain", "split_part(c.email_norm, '@', 2)", nullable=True),
    _own("has_email", "boolean", "has an e-mail address", "(c.email_norm is not null)"),
    _own("has_phone", "boolean", "has a valid phone number", "(c.phone_e164 is not null)"),
    _own("has_organization", "boolean", "belongs to an organization", "(c.organization_id is not null)"),
    _own("role_type", "enum", "role", nullable=True, values=("owner", "gm", "manager", "chef", "accounting", "other")),
    _own("preferred_contact_method", "enum", "preferred contact method", nullable=True, values=("email", "phone", "sms")),
    _own("is_primary", "boolean", "is the primary contact"),
    _own("is_decision_maker", "boolean", "decides"),
    _own("portal_enabled", "boolean", "may use the portal"),
    _own("do_not_contact", "boolean", "is not to be contacted"),
    _own("unsubscribed", "boolean", "has unsubscribed", "(c.unsubscribed_at is not null)"),
    _own("pricing_tier", "text", "pricing tier", nullable=True),
    _own("source", "text", "source", nullable=True),
    _own("time_zone", "text", "time zone", nullable=True),
    _own("birth_date", "date", "date of birth", nullable=True),
    _own("created_at", "time", "creation"),
    _own("updated_at", "time", "last change"),
    _own("last_contacted_at", "time", "last contact", nullable=True),
    _own("ltv_cents", "money", "lifetime value"),
    _own("total_emails_received", "integer", "number of e-mails received"),
    _own("total_emails_opened", "integer", "number of e-mails opened"),
    Field("tags", "set", "tag", "t.tag", "contact_tags t where t.tenant_id = app.tenant() and t.contact_id = c.id"),
    *(
        Field(f"address.{name}", "text", f"address's {label}", f"a.{name}", _DEFAULT_ADDRESS, nullable=True)
        for name, label in (("city", "city"), ("state", "state"), ("postal", "postal code"), ("country", "country"))
    ),
    *(
        Field(f"addresses.{name}", "set", f"address {label}", f"a.{name}", _ADDRESSES)
        for name, label in (("city", "city"), ("state", "state"), ("postal", "postal code"), ("country", "country"))
    ),
    _organization("lifecycle_stage", "enum", "lifecycle stage", *_STAGES),
    _organization("industry", "text", "industry"),
    _organization("entity_type", "enum", "kind", "single_location", "multi_location", "franchise", "group"),
    _organization("source", "text", "source"),
    _organization("created_at", "time", "creation"),
    Field(
        "organization.tags", "set", "organization tag", "t.tag",
        "organization_tags t where t.tenant_id = app.tenant() and t.organization_id = c.organization_id",
    ),
    _account("status", "enum", "status", "active", "paused", "cancelled", "churned"),
    _account("support_plan_tier", "enum", "support plan", "none", "core", "professional", "premium"),
    _account("churn_risk", "enum", "churn risk", "low", "medium", "high", "critical"),
    _account("health_score", "integer", "health score"),
    _account("mrr_cents", "money", "monthly recurring revenue"),
    _consent("email", "marketing", "consent to marketing e-mail"),
    _consent("email", "transactional", "consent to transactional e-mail"),
    _consent("sms", "marketing", "consent to marketing text messages"),
    _consent("sms", "transactional", "consent to transactional text messages"),
    _own("jobs.last_completed_at", "time", "last completed job", f"(select max(j.completed_at) {_JOBS})", nullable=True),
    _own("jobs.next_start_at", "time", "next job",
         f"(select min(j.start_at) {_JOBS} and j.status = 'scheduled' and j.start_at > cast(:seg_now as timestamptz))", nullable=True),
    _own("jobs.completed_count", "integer", "number of completed jobs", f"(select count(*) {_JOBS} and j.status = 'completed')"),
    _own("invoices.open_balance_cents", "money", "open balance", f"(select coalesce(sum(i.balance_cents), 0) {_INVOICES})"),
    _own("invoices.oldest_due_on", "date", "oldest unpaid due date", f"(select min(i.due_on) {_INVOICES} and i.balance_cents > 0)",
         nullable=True),
    _own("payments.last_at", "time", "last payment",
         "(select max(p.captured_at) from payments p where p.tenant_id = app.tenant() and p.contact_id = c.id and p.status = 'succeeded')",
         nullable=True),
)  # fmt: skip
FIELDS: Final[Mapping[str, Field]] = {field.name: field for field in _ALL}
SHORT: Final = 200
"""How long a text of a tenant's own field is, at most, to stand in the index."""


def custom(key: str, kind: str, field_id: UUID, options: list[str] | None) -> Field:
    """A field of the tenant's own, as `custom.<key>`."""
    source = "contact_custom_values v where v.tenant_id = app.tenant() and v.contact_id = c.id and v.field_id = cast(:id as uuid)"
    kinds: Mapping[str, Kind] = {
        "text": "text",
        "select": "text",
        "integer": "integer",
        "number": "number",
        "boolean": "boolean",
        "date": "date",
    }
    label = key.replace("_", " ")
    return Field(f"custom.{key}", kinds[kind], label, f"v.{COLUMNS[kind]}", source, nullable=True, values=tuple(options or ()), id=field_id)


Filter = Literal["machine", "channel", "campaign_id", "min_amount_cents"]
FILTER_TYPES: Final[Mapping[str, str]] = {"channel": "text", "campaign_id": "uuid", "min_amount_cents": "bigint"}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens to a contact: its rows `e`, when it happened, and what they may be narrowed by."""

    name: str
    label: str
    source: str
    at: str = "e.occurred_at"
    filters: Mapping[Filter, str] | None = None
    said: tuple[str, str] | None = None
    """How one says that it happened and that it did not, where the label would make a poor sentence."""


_MACHINE = "e.machine"


def _activity(kind: ActivityType) -> Event:
    label = _LABELS.get(kind.value) or kind.value.replace("email", "e-mail").replace("sms", "text message").replace("_", " ")
    source = f"activities e where e.tenant_id = app.tenant() and e.contact_id = c.id and e.activity_type = '{kind.value}'"
    opened = kind in (ActivityType.EMAIL_OPENED, ActivityType.EMAIL_CLICKED)
    return Event(kind.value, label, source, filters={"machine": _MACHINE} if opened else {}, said=_SAID.get(kind.value))


_LABELS: Final = {
    "call_outbound": "outbound call", "call_inbound": "inbound call", "sms_sent": "text message sent",
}  # fmt: skip
_SAID: Final = {
    "email_sent": ("were e-mailed", "were not e-mailed"),
    "email_replied": ("replied to an e-mail", "did not reply to an e-mail"),
}


def _message(name: str, kind: str, label: str) -> Event:
    filters: dict[Filter, str] = {
        "channel": "e.channel = {}",
        "campaign_id": "exists (select from campaign_sends s where s.tenant_id = app.tenant() and s.id = e.campaign_send_id"
        " and s.campaign_id = {})",
    }
    if kind in ("open", "click"):
        filters["machine"] = _MACHINE
    source = f"message_events e where e.tenant_id = app.tenant() and e.contact_id = c.id and e.kind = '{kind}'"
    return Event(name, label, source, filters=filters)


_HAPPENED: Final = (
    *map(_activity, ActivityType),
    _message("message_delivered", "delivery", "message delivered"),
    _message("message_opened", "open", "message opened"),
    _message("message_clicked", "click", "link of a message clicked"),
    _message("message_bounced", "bounce", "message bounced"),
    _message("message_complained", "complaint", "message complained of"),
    _message("message_replied", "reply", "message replied to"),
    _message("message_unsubscribed", "unsubscribe", "message unsubscribed from"),
    Event(
        "campaign_sent", "campaign sent", "campaign_sends e where e.tenant_id = app.tenant() and e.contact_id = c.id and e.state = 'sent'",
        "e.sent_at", {"channel": "e.channel = {}", "campaign_id": "e.campaign_id = {}"},
        ("were sent a campaign", "were not sent a campaign"),
    ),
    # Not as the timeline tells it but as it is: a job that was taken back, or a payment that was, has its line still.
    Event(
        "job_completed", "job completed", "jobs e where e.tenant_id = app.tenant() and e.contact_id = c.id and e.status = 'completed'",
        "e.completed_at", {"min_amount_cents": "e.price_cents >= {}"},
    ),
    Event(
        "invoice_paid", "invoice paid", "invoices e where e.tenant_id = app.tenant() and e.contact_id = c.id and e.status = 'paid'",
        "e.paid_at", {"min_amount_cents": "e.total_cents >= {}"}, ("paid an invoice", "paid no invoice"),
    ),
    Event(
        "payment_received", "payment", "payments e where e.tenant_id = app.tenant() and e.contact_id = c.id and e.status = 'succeeded'",
        "e.captured_at", {"min_amount_cents": "e.amount_cents >= {}"}, ("paid", "did not pay"),
    ),
)  # fmt: skip
EVENTS: Final[Mapping[str, Event]] = {event.name: event for event in _HAPPENED}
