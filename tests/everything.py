"""One row of everything for a tenant: what the tests of the tenant's boundary look at."""

import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine

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
    "contact_emails": {"contact_id": ":contacts", "email": "'ana@home.example'", "email_norm": "'ana@home.example'"},
    "contact_phones": {"contact_id": ":contacts", "phone": "'555 0100'"},
    "contact_addresses": {"contact_id": ":contacts", "address1": "'1 Main St'"},
    "contact_tags": {"contact_id": ":contacts", "tag": "'vip'"},
    "contact_notes": {"contact_id": ":contacts", "body": "'x'"},
    "custom_fields": {"key": "'allergies'", "label": "'Allergies'", "kind": "'text'"},
    "contact_custom_values": {"contact_id": ":contacts", "field_id": ":custom_fields", "text_value": "'nuts'"},
    "consent_events": {"contact_id": ":contacts", "channel": "'email'", "purpose": "'marketing'", "state": "'granted'", "source": "'form'",
                       "actor_type": "'job'", "occurred_at": "now()"},
    "contact_consents": {"contact_id": ":contacts", "channel": "'email'", "purpose": "'marketing'", "state": "'granted'", "event_id": ":consent_events",
                         "since": "now()"},
    "households": {"name": "'Ruiz'"},
    "household_members": {"household_id": ":households", "contact_id": ":contacts"},
    "duplicate_suggestions": {"contact_id": ":contacts", "other_id": ":second_contact", "score": "80", "reasons": "'[]'"},
    "contact_merges": {"survivor_id": ":contacts", "merged_id": ":second_contact", "before": "'{}'", "after": "'{}'", "moved": "'{}'",
                       "undo_until": "now() + interval '90 days'", "undone_at": "now()"},
    "contact_match_keys": {"contact_id": ":contacts", "key": "'d:19800312'"},
    "duplicate_scans": {},
    "client_counts": {"active_clients": "1"},
    "contact_update_proposals": {"contact_id": ":contacts", "first_name": "'Ann'", "actor_type": "'job'"},
    "services": {"name": "'Deep clean'", "currency": "'USD'"},
    "job_series": {"organization_id": ":organizations", "contact_id": ":contacts", "service_id": ":services", "address_id": ":contact_addresses",
                   "assignee_id": ":reps", "currency": "'USD'", "rrule": "'FREQ=WEEKLY'", "starts_local": "'2026-01-05 09:00'", "time_zone": "'UTC'",
                   "duration_minutes": "60"},
    "jobs": {"organization_id": ":organizations", "contact_id": ":contacts", "service_id": ":services", "address_id": ":contact_addresses",
             "assignee_id": ":reps", "series_id": ":job_series", "occurrence_local": "'2026-01-05 09:00'",
             "title": "'Deep clean'", "start_at": "now() + interval '1 day'", "end_at": "now() + interval '25 hours'",
             "time_zone": "'UTC'", "currency": "'USD'"},
    "billing_settings": {},
    "recurring_invoices": {"organization_id": ":organizations", "contact_id": ":contacts", "name": "'Care plan'", "lines": "'[]'", "currency": "'USD'",
                           "rrule": "'FREQ=MONTHLY'", "starts_on": "'2026-01-01'", "time_zone": "'UTC'"},
    "invoices": {"organization_id": ":organizations", "contact_id": ":contacts", "job_id": ":jobs", "currency": "'USD'"},
    "invoice_lines": {"invoice_id": ":invoices", "position": "0", "description": "'x'", "service_id": ":services", "job_id": ":jobs",
                      "quantity_thousandths": "1000", "unit_price_cents": "0", "amount_cents": "0", "tax_cents": "0"},
    "reminders": {"contact_id": ":contacts", "job_id": ":jobs", "type": "'job_upcoming'", "rule": "'before_24h'", "anchor_at": "now()",
                  "send_at": "now() + interval '1 day'", "next_at": "now() + interval '1 day'", "expires_at": "now() + interval '2 days'",
                  "channel": "'email'", "consent_event_id": ":consent_events"},
    "messaging_settings": {"postal_address": "'1 Main St'"},
    "message_templates": {"key": "'welcome'", "channel": "'email'", "name": "'Welcome'", "subject": "'x'", "body_text": "'x'"},
    "segments": {"name": "'Everybody'", "kind": "'manual'"},
    "segment_members": {"segment_id": ":segments", "contact_id": ":contacts"},
    "campaigns": {"name": "'Spring'", "channel": "'email'", "segment_id": ":segments", "template_id": ":message_templates", "quiet_hours": "false"},
    "campaign_chunks": {"campaign_id": ":campaigns", "chunk": "0"},
    "campaign_sends": {"campaign_id": ":campaigns", "contact_id": ":contacts", "channel": "'email'", "chunk": "0", "state": "'sent'",
                       "consent_event_id": ":consent_events"},
    "email_messages": {"contact_id": ":contacts", "to_addresses": "'{ana@bistro.example}'", "template": "'welcome'", "subject": "'x'",
                       "body_text": "'x'", "status": "'sent'"},
    "suppressions": {"channel": "'email'", "address_hash": "encode(sha256(convert_to(gen_random_uuid()::text, 'UTF8')), 'hex')", "reason": "'manual'", "contact_id": ":contacts"},
    "message_events": {"event_key": "'x'", "kind": "'delivery'", "channel": "'email'", "campaign_send_id": ":campaign_sends", "contact_id": ":contacts",
                       "occurred_at": "now()"},
    "payments": {"organization_id": ":organizations", "contact_id": ":contacts", "quote_id": ":quotes", "amount_cents": "1", "currency": "'USD'",
                 "status": "'succeeded'", "method": "'cash'", "captured_at": "now()"},
    "refunds": {"payment_id": ":payments", "invoice_id": ":invoices", "amount_cents": "1", "currency": "'USD'", "status": "'failed'"},
    "disputes": {"organization_id": ":organizations", "payment_id": ":payments", "amount_cents": "1", "currency": "'USD'", "status": "'open'",
                 "opened_at": "now()"},
    "ledger_entries": {"organization_id": ":organizations", "contact_id": ":contacts", "payment_id": ":payments", "invoice_id": ":invoices",
                       "kind": "'payment'", "amount_cents": "1", "currency": "'USD'", "source_key": "'x'", "occurred_at": "now()"},
    "stripe_accounts": {"endpoint_id": ":endpoint", "mode": "'key'", "status": "'pending'"},
    "stripe_events": {"event_id": "'evt_1'", "type": "'x'", "outcome": "'ignored'"},
    "stripe_objects": {"object_id": "'pi_1'", "kind": "'payment_intent'", "fetched_at": "now()", "state_hash": "'x'"},
    "stripe_plans": {"lookup_key": "'core'", "support_plan_tier": "'core'"},
    "subscriptions": {"organization_id": ":organizations", "provider_id": "'sub_1'", "status": "'active'", "currency": "'USD'"},
    "outbox": {"topic": "'test'", "payload": "'{}'", "available_at": "now() + interval '1 day'"},
    "audit_log": {"actor_type": "'job'", "action": "'x'", "object_type": "'x'"},
    "idempotency_keys": {"principal": "'x'", "method": "'POST'", "route": "'/'", "key": "'k'", "fingerprint": "'x'"},
    "imports": {"status": "'completed'", "source": "'x'", "filename": "'x.csv'"},
    "import_rows": {"import_id": ":imports", "row_number": "1", "outcome": "'skipped'"},
    "import_mappings": {"name": "'x'", "mapping": "'{}'"},
    "credit_notes": {"invoice_id": ":second_invoice", "amount_cents": "1", "currency": "'USD'", "reason": "'x'"},
    "allocations": {"payment_id": ":payments", "invoice_id": ":second_invoice", "amount_cents": "1"},
    "source_records": {"source": "'x'", "source_id": "'1'", "organization_id": ":organizations", "location_id": ":locations", "contact_id": ":contacts",
                       "marks": "'{}'"},
}  # fmt: skip
WITHOUT_ID = {
    "organization_tags", "health_snapshots", "idempotency_keys", "import_rows", "source_records", "contact_tags", "contact_custom_values",
    "contact_consents", "household_members", "contact_match_keys", "duplicate_scans", "billing_settings", "stripe_accounts", "stripe_events", "stripe_objects",
    "messaging_settings", "segment_members", "campaign_chunks",
}  # fmt: skip
# What a row needs besides, made before it.
BEFORE = {
    "referrals": "insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text) values (:tenant, :second, 'x', 's', '', '')",
    "duplicate_suggestions": "insert into contacts (tenant_id, id, slug, name_norm, search_text) values (:tenant, :second_contact, 's', '', '')",
    "credit_notes": """insert into invoices (tenant_id, id, organization_id, currency, status, number, total_cents, subtotal_cents, issued_on, due_on, opened_at)
                       values (:tenant, :second_invoice, :organizations, 'USD', 'open', 7, 5, 5, current_date, current_date, now())""",
}  # fmt: skip


@dataclass(frozen=True)
class Everything:
    """The ids of the rows, and tokens that open the sessions among them."""

    ids: dict[str, UUID]
    session: str
    portal: str


def one_of_everything(engine: Engine, tenant) -> Everything:
    """Insert a row into every tenant table."""
    session, portal, link = tokens.new("ses"), tokens.new("ptl"), tokens.new("ses")
    found = {table: uuid7() for table in ROWS} | {
        "user": tenant.user_id,
        "second": uuid7(),
        "second_contact": UUID(int=uuid7().int | 0xFFFF << 112),
        "second_invoice": uuid7(),
        "endpoint": uuid7(),
    }
    given = {
        **found,
        "session_hash": tokens.digest(session),
        "portal_hash": tokens.digest(portal),
        "link_hash": tokens.digest(link),
        "tenant": tenant.id,
    }
    statements = []
    for table, row in ROWS.items():
        statements += [statement] if (statement := BEFORE.get(table)) else []
        columns = {"tenant_id": ":tenant", **({} if table in WITHOUT_ID else {"id": f":{table}"}), **row}
        statements.append(f"insert into {table} ({', '.join(columns)}) values ({', '.join(columns.values())})")
    # Ids and hashes can stand in the text, and then all of it goes out at once: thousands of tests ask for these rows.
    script = re.sub(r"(?<!:):([a-z_]+)", lambda name: f"'{given[name[1]]}'", ";\n".join(statements))
    with engine.connect() as connection:
        connection.exec_driver_sql(f"do $rows$ begin {script}; end $rows$")
    return Everything(found, session, portal)
