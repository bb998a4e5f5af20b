"""What the contract says in words: how the API is used as a whole, what groups, parameters and refusals mean."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Literal

from clientway.errors import TYPE_BASE

DESCRIPTION: Final = """\
From raw lead to paying, healthy, returning client.

**Credentials.** Send `Authorization: Bearer …` with an API key or a session. Which of your rows you see follows from it alone.

**Lists** answer `{"data": […], "has_more": true, "next_cursor": "…"}`. Ask for the next page with `cursor`, and leave sort and
filters as they are. A parameter that a list does not know is refused, never ignored.

**Changes.** An answer about one object has its version as `ETag`. Send it as `If-Match` with PATCH, PUT and DELETE: if somebody
else was faster, the answer is 412 and nothing is overwritten. In a PATCH, what is left out stays, and `null` clears.

**Retries.** Send an `Idempotency-Key` with a POST, and the same request sent again within 72 hours is answered as before instead of
being done twice (`Idempotent-Replayed: true`). It is required where money moves or messages go out. Try again after 429 and 503,
when `Retry-After` says.

**Errors** are `application/problem+json` (RFC 9457): `code` is stable, `detail` is for people, `errors` points at each faulty place,
`instance` names the request in the log.

**Values.** Amounts are whole cents (`*_cents`) with a `currency`, rates are basis points (`*_bps`: 850 is 8.5 %), moments are RFC 3339
in UTC, days are `YYYY-MM-DD`. Types are strict (`"5"` is no number), and unknown members of a body are refused.

**Limits.** `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` stand on every answer. A body has up to 256 KiB."""

PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "description": "Names the kind of problem; ends in its code."},
        "title": {"type": "string", "description": "The kind of problem in words; the same each time."},
        "status": {"type": "integer", "description": "The HTTP status once more."},
        "detail": {"type": "string", "description": "What went wrong this time, for people."},
        "instance": {"type": "string", "description": "The request's id."},
        "code": {"type": "string", "description": "Stable and machine-readable."},
        "errors": {
            "type": "array",
            "description": "The faulty places.",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the body, or into #/query, #/path or #/header."},
                    "code": {"type": "string", "description": "Stable and machine-readable."},
                    "message": {"type": "string", "description": "What is wrong there, for people."},
                },
            },
        },
    },
    "additionalProperties": True,
}


@dataclass(frozen=True)
class Refusal:
    """An answer that many operations can give, with an example of its document."""

    name: str
    status: HTTPStatus
    description: str
    code: str
    title: str
    detail: str
    more: dict[str, Any] = field(default_factory=dict)
    where: Literal["anywhere", "matches", "body"] = "anywhere"
    """Whether all operations can, those with If-Match, or those with a body."""

    def given(self, *, matches: bool, body: bool) -> bool:
        """Whether an operation can."""
        return {"anywhere": True, "matches": matches, "body": body}[self.where]

    def response(self) -> dict[str, Any]:
        """The response object of OpenAPI."""
        example = {
            "type": TYPE_BASE + self.code, "title": self.title, "status": int(self.status), "code": self.code, "detail": self.detail,
            "instance": "54b96b24947f4f36902ec70cb38bb4da", **self.more,
        }  # fmt: skip
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}}
        return {"description": self.description, "content": content}


def _place(pointer: str, code: str, message: str) -> dict[str, Any]:
    return {"errors": [{"pointer": pointer, "code": code, "message": message}]}


REFUSALS: Final = {
    str(int(one.status)): one
    for one in (
        Refusal("Malformed", HTTPStatus.BAD_REQUEST, "Path, query, headers or JSON cannot be read", "malformed", "Malformed request",
                "The request is malformed.", _place("#/query/limit", "less_than_equal", "Input should be less than or equal to 100")),
        Refusal("Unauthorized", HTTPStatus.UNAUTHORIZED, "No credential, or none that is valid", "unauthorized", "Unauthorized",
                "No valid credential was sent."),
        Refusal("Forbidden", HTTPStatus.FORBIDDEN, "The credential is good, but its role may not do this", "forbidden", "Forbidden",
                "Your role may not do this."),
        Refusal("NotFound", HTTPStatus.NOT_FOUND, "There is no such thing, or it is another tenant's", "not_found", "Not found",
                "There is no such job."),
        Refusal("Conflict", HTTPStatus.CONFLICT, "The state of things does not allow it; the answer says what would be possible",
                "job_closed", "Job closed", "The job is completed: reopen it to give it another time or assignee."),
        Refusal("Stale", HTTPStatus.PRECONDITION_FAILED, "If-Match names an older version; ETag has the current one", "stale",
                "Stale version", "This was changed since you read it.", {"current_version": 2}, "matches"),
        Refusal("TooLarge", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large", "too_large", "Body too large",
                "A body has at most 262144 bytes.", where="body"),
        Refusal("UnsupportedMediaType", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is not application/json",
                "unsupported_media_type", "Unsupported media type", "Send the body as application/json.", where="body"),
        Refusal("Unprocessable", HTTPStatus.UNPROCESSABLE_ENTITY, "The body can be read but breaks a rule; each place has a pointer",
                "unprocessable", "Unprocessable", "The body breaks a rule.", _place("#/start_at", "missing", "Field required")),
        Refusal("IfMatchRequired", HTTPStatus.PRECONDITION_REQUIRED, "If-Match is missing", "if_match_required", "If-Match required",
                "Send the ETag of what you are changing in If-Match.", where="matches"),
        Refusal("RateLimited", HTTPStatus.TOO_MANY_REQUESTS, "Too many requests; try again when Retry-After says", "rate_limited",
                "Too many requests", "Too many requests with this credential."),
        Refusal("Unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "The database is away; try again when Retry-After says",
                "database_unavailable", "Database unavailable", "The database cannot be reached right now."),
    )
}  # fmt: skip

CREDENTIALS: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, a session, a contact's in the portal, or a person's own."},
    "identityProvider": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An ID token, which the gateway verifies.",
    },
}
# What API Gateway itself answers.
GATEWAY_ANSWER: Final = {"schema": {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}}}

# In the order in which a client travels; a group that is not named here is an error.
GROUPS: Final = {
    "Imports": "Bring lists in: upload, preview, commit, undo.",
    "Organizations": "The companies you sell to.",
    "Locations": "Where they are, and what is known about each place.",
    "Contacts": "The people you know, there or on their own.",
    "Clients": "All contacts as clients: lists, search, numbers, ledgers and timelines.",
    "Custom fields": "Fields of your own for contacts.",
    "Households": "Who lives together.",
    "Merges": "Two contacts that are the same person: merged, and undone where that was wrong.",
    "Lifecycle": "From lead to client, with every step on record.",
    "Timeline": "What happened, newest first, never changed.",
    "Deals": "Expected revenue, and the quotes for it.",
    "Client accounts": "Who pays: plan, hours, revenue, and a health score that explains itself.",
    "Services": "What you do for clients, how long it takes and what it costs.",
    "Jobs": "Work at a time and a place: booked, moved, done, repeated.",
    "Invoices": "What clients owe, and by when.",
    "Payments": "What came in, what it pays, and what went back.",
    "Disputes": "Money that somebody wants back through their bank.",
    "Reminders": "What clients are told about coming jobs and due invoices: planned, sent, canceled.",
    "Segments": "Groups of people: by hand, by what is known of them, or as they were at a moment.",
    "Campaigns": "One message to many: looked at first, sent to each once, and stopped where it does harm.",
    "Messages": "Templates, single mails, and how you write to clients.",
    "Suppressions": "Addresses that nothing is sent to.",
    "Tickets": "What clients ask for, and how satisfied they were with the answer.",
    "Surveys": "How likely they are to recommend you.",
    "Referrals": "Whom they have sent to you.",
    "Reps": "Who looks after whom.",
    "Portal": "What a contact sees.",
    "Persons": "What people see about themselves, across all businesses that serve them.",
    "Sign-in": "One-time links, codes and OIDC.",
    "Stripe": "Your account there, and what comes from it.",
    "Members": "Your colleagues and their roles.",
    "API keys": "Machines that act for you.",
    "Operations": "Whether all is up.",
}

# What a page shows for the members of these names in an answer, in place of "string" and 0.
VALUES: Final[dict[str, Any]] = {
    "address1": "123 Main St", "address_line1": "200 Congress Ave", "city": "Austin", "country": "US", "postal": "78701", "zip": "78701",
    "first_name": "Jane", "last_name": "Smith", "email": "jane@smith.example", "phone": "+1 415 555 2671", "phone_e164": "+14155552671",
    "legal_name": "Juniper Table LLC", "dba_name": "Juniper", "industry": "restaurant", "website_url": "https://juniper.example",
    "slug": "juniper", "time_zone": "America/Chicago", "currency": "USD", "source": "referral", "rrule": "FREQ=WEEKLY;BYDAY=MO",
    "label": "work", "pricing_tier": "standard", "number_text": "INV-115",
    "payment_url": "https://buy.stripe.com/test_abc", "provider_id": "pi_3Abc", "stripe_customer_id": "cus_Abc",
    "starts_local": "2030-02-04T09:00:00", "pos_system": "toast", "cuisine_primary": "italian", "service_style": "full service",
    "version": 3, "amount_cents": 15000, "price_cents": 15000, "total_cents": 15000, "subtotal_cents": 15000, "balance_cents": 0,
    "unit_price_cents": 15000, "tax_rate_bps": 850, "discount_bps": 0, "mrr_cents": 49900, "ltv_cents": 15000, "terms_days": 14,
    "duration_minutes": 120, "probability": 60,
}  # fmt: skip

_PARAMETERS: Final = {
    "limit": "How many rows a page has at most.",
    "cursor": "`next_cursor` of the page before; sort and filters stay the same.",
    "sort": "What to sort by; with a minus the largest or latest first.",
    "updated_since": "Changed at this time or later.",
    "activity_type": "Of this type.",
    "kind": "Of this kind.",
    "type": "Of this type.",
    "min_score": "With at least this score.",
    "active": "Only those who look after clients now, or only those who do not any more.",
    "endpoint": "As it stands in the address that Stripe was given.",
    # Flags of contacts.
    "is_primary": "The primary contact of their organization, or everybody else.",
    "is_decision_maker": "Decision makers, or everybody else.",
    "portal_enabled": "Those who may sign in to the portal, or those who may not.",
    "do_not_contact": "Those who want no contact, or those who do not mind.",
}


def parameter_description(name: str, place: str, group: str) -> str:
    """What a parameter means where its handler does not say: a row by its id, a page, or a filter by the column of its name."""
    if name in _PARAMETERS:
        return _PARAMETERS[name]
    if name == "slug":
        return "The rep's slug." if group == "Reps" else "The contact's slug, which the address of their portal ends in."
    noun = name.removesuffix("_id").replace("_", " ").replace("api", "API").replace("stripe", "Stripe").replace("email", "e-mail")
    if name.endswith("_id"):
        return f"The id of the {noun}." if place == "path" else f"Only of the {noun} with this id."
    return f"Only those with this {noun}."
