"""One row of everything for a tenant: what the tests of the tenant's boundary look at."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine, text

from clientway import tokens
from clientway.ids import uuid7

# table -> columns and their values; `:name` refers to the id of that table's row.
ROWS: dict[str, dict[str, str]] = {
    "reps": {"slug": "'rep'", "name": "'Rosa'", "user_id": ":user"},
    "sessions": {"user_id": ":user", "token_hash": ":session_hash", "method": "'email_link'", "expires_at": "now() + interval '1 hour'"},
    "organizations": {"legal_name": "'Blue Bistro'", "slug": "'o'", "name_norm": "'blue bistro'", "search_text": "'blue bistro'", "assigned_rep_id": ":reps"},
    "organization_tags": {"organization_id": ":organizations", "tag": "'vip'"},
    "locations": {"organization_id": ":organizations", "name": "'Main'", "slug": "'l'"},
    "contacts": {"organization_id": ":organizations", "location_id": ":locations", "slug": "'c'", "first_name": "'Ana'", "portal_enabled": "true",
                 "name_norm": "'ana'", "search_text": "'ana@bistro.example'", "email_norm": "'ana@bistro.example'"},
    "portal_sessions": {"contact_id": ":contacts", "token_hash": ":portal_hash", "expires_at": "now() + interval '1 hour'"},
    "sign_in_links": {"user_id": ":user", "token_hash": ":link_hash", "code_hash": "'x'", "nonce_hash": "'x'", "expires_at": "now()"},
    "client_accounts": {"organization_id": ":organizations", "client_since": "now()", "assigned_rep_id": ":reps"},
    "health_snapshots": {"client_account_id": ":client_accounts", "day": "current_date", "score": "50", "risk": "'medium'", "confidence": "0.5",
                         "inputs": "'{}'", "formula_version": "'x'", "computed_at": "now()"},
    "activities": {"organization_id": ":organizations", "contact_id": ":contacts", "client_account_id": ":client_accounts", "activity_type": "'note_added'",
                   "title": "'x'", "performed_by_type": "'job'", "occurred_at": "now()"},
    "lifecycle_transitions": {"organization_id": ":organizations", "sequence": "1", "from_stage": "'lead'", "to_stage": "'sql'", "trigger": "'x'",
                              "automatic": "true", "actor_type": "'job'", "changed_at": "now()", "seconds_in_stage": "0"},
    "deals": {"organization_id": ":organizations", "contact_id": ":contacts", "owner_rep_id": ":reps", "name": "'Deal'"},
    "quotes": {"deal_id": ":deals", "organization_id": ":organizations", "title": "'Quote'", "amount_cents": "1"},
    "tickets": {"organization_id": ":organizations", "contact_id": ":contacts", "subject": "'x'"},
    "nps_answers": {"organization_id": ":organizations", "contact_id": ":contacts", "score": "9", "answered_at": "now()"},
    "referrals": {"organization_id": ":organizations", "referred_organization_id": ":second", "referred_name": "'x'"},
    "payments": {"organization_id": ":organizations", "amount_cents": "1", "status": "'paid'", "paid_at": "now()"},
    "outbox": {"topic": "'test'", "payload": "'{}'", "available_at": "now() + interval '1 day'"},
    "audit_log": {"actor_type": "'job'", "action": "'x'", "object_type": "'x'"},
    "idempotency_keys": {"principal": "'x'", "method": "'POST'", "route": "'/'", "key": "'k'", "fingerprint": "'x'"},
    "imports": {"status": "'completed'", "source": "'x'", "filename": "'x.csv'"},
    "import_rows": {"import_id": ":imports", "row_number": "1", "outcome": "'skipped'"},
    "import_mappings": {"name": "'x'", "mapping": "'{}'"},
    "source_records": {"source": "'x'", "source_id": "'1'", "organization_id": ":organizations", "location_id": ":locations", "contact_id": ":contacts",
                       "marks": "'{}'"},
}  # fmt: skip
WITHOUT_ID = {"organization_tags", "health_snapshots", "idempotency_keys", "import_rows", "source_records"}


@dataclass(frozen=True)
class Everything:
    """The ids of the rows, and tokens that open the sessions among them."""

    ids: dict[str, UUID]
    session: str
    portal: str


def one_of_everything(engine: Engine, tenant) -> Everything:
    """Insert a row into every tenant table."""
    session, portal, link = tokens.new("ses"), tokens.new("ptl"), tokens.new("ses")
    found = {table: uuid7() for table in ROWS} | {"user": tenant.user_id, "second": uuid7()}
    given = {
        **found,
        "session_hash": tokens.digest(session),
        "portal_hash": tokens.digest(portal),
        "link_hash": tokens.digest(link),
        "tenant": tenant.id,
    }
    with engine.connect() as connection:
        for table, row in ROWS.items():
            if table == "referrals":
                connection.execute(
                    text(
                        "insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text) values (:tenant, :second, 'x', 's', '', '')"
                    ),
                    given,
                )
            columns = {"tenant_id": ":tenant", **({} if table in WITHOUT_ID else {"id": f":{table}"}), **row}
            connection.execute(text(f"insert into {table} ({', '.join(columns)}) values ({', '.join(columns.values())})"), given)
    return Everything(found, session, portal)
