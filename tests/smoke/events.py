"""The sample events, filled: whatever stands in them for a row, a token or a person becomes one of a tenant made for it."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from sqlalchemy import Engine, text

from clientway import tokens
from clientway.identity.sign_in import secrets
from clientway.integrations.stripe import tickets
from clientway.integrations.stripe.secrets import Secrets
from clientway.local.stripe.hooks import signature
from clientway.local.template import Route, Template
from tests.fixtures import make_tenant
from tests.routes import Rows, make_rows, parameters, table_named

ROOT = Path(__file__).parents[2]
STRIPE_ENDPOINT = "01990000-0000-7000-8000-000000000001"
"""Whose events and keys the samples of Stripe's are."""

# What has to be so before an event can be answered with a success: statements on rows of the event's own tenant.
_IMPORT = "update imports set status = '{}' where tenant_id = :tenant"
_LINK = """update sign_in_links set nonce_hash = :nonce_hash, code_hash = :code_hash, expires_at = now() + interval '5 minutes',
  user_id = {}, contact_id = {} where tenant_id = :tenant"""
_RIPE = "insert into outbox (tenant_id, id, topic, payload) values (:tenant, gen_random_uuid(), 'mail', '{}')"
_OPEN = """update invoices set status = 'open', number = 8, number_text = 'INV-8', subtotal_cents = 100, total_cents = 100,
  issued_on = current_date, due_on = current_date, opened_at = now() where tenant_id = :tenant and status = 'draft'"""
_UNDER_WAY = "update campaigns set status = '{}' where tenant_id = :tenant"
ARRANGED = {
    "billing.invoice_uncollectible": _OPEN,
    "billing.invoice_void": _OPEN,
    "identity.person_verify": """insert into identity.person_links (id, email_blind, token_hash, code_hash, nonce_hash, source_hash, expires_at)
      values (gen_random_uuid(), repeat('e', 64), repeat('f', 64), :code_hash, :nonce_hash, 'x', now() + interval '5 minutes')""",
    "identity.sign_in_email_verify": _LINK.format("user_id", "null"),
    "identity.portal_sign_in_verify": _LINK.format("null", ":contact"),
    "billing.payment_allocations": """with opened as (
        update invoices set status = 'open', number = 1, subtotal_cents = 5, total_cents = 5, issued_on = current_date, due_on = current_date,
               opened_at = now() where tenant_id = :tenant and status = 'draft')
      update payments set amount_cents = 100 where tenant_id = :tenant""",
    "billing.payment_disputes": "update payments set amount_cents = 100 where tenant_id = :tenant",
    "billing.issue_recurring": """update recurring_invoices set starts_on = current_date, next_on = current_date,
      lines = '[{"description": "Care", "quantity": 1, "unit_price_cents": 100, "discount_bps": 0}]' where tenant_id = :tenant""",
    "integrations.import_cancel": _IMPORT.format("previewed"),
    "integrations.import_commit": _IMPORT.format("previewed"),
    "integrations.import_preview": """update imports set status = 'previewed', preview = '{"total": 0, "tried": 0, "created": 0,
      "updated": 0, "skipped": 0, "failed": 0, "reasons": {}, "why": [], "rows": []}' where tenant_id = :tenant""",
    "integrations.run_import": "update imports set status = 'previewing', inline_content = 'name\nBlue Bistro\n' where tenant_id = :tenant",
    "lifecycle.merge_undo": """with gone as (
        update contacts c set deleted_at = now(), merged_into = m.survivor_id, merged_at = now() from contact_merges m
         where m.tenant_id = :tenant and c.tenant_id = :tenant and c.id = m.merged_id returning c.*)
      update contact_merges m set undone_at = null,
             before = jsonb_build_object('contact', '{}'::jsonb, 'merged', to_jsonb(g), 'organization', '{}'::jsonb, 'accounts', '{}'::jsonb,
                                         'consents', '[]'::jsonb, 'stage', null),
             after = '{"contact": {}, "organization_id": null, "emptied": [], "organization": {}, "accounts": {}, "consents": [],
                       "successor_id": null, "stage": null, "stage_sequence": 0}',
             moved = '{"contact": {"contact_addresses": []}, "emails": {}, "phones": {}, "source_records": [], "tags": [], "values": {},
                       "household": [], "organization": {}, "led": []}'
        from gone g where m.tenant_id = :tenant""",
    "lifecycle.contact_restore": "update contacts set deleted_at = now() where tenant_id = :tenant",
    "messaging.campaign_cancel": _UNDER_WAY.format("sending"),
    "messaging.campaign_launch": """update campaigns set dry_run_hash = repeat('0', 64), dry_run_at = now(),
      dry_run = jsonb_build_object('at', now(), 'hash', repeat('0', 64), 'segment', 'Everybody', 'sample', '[]'::jsonb, 'when', '[]'::jsonb,
        'parts', jsonb_build_object('audience', repeat('0', 64), 'content', repeat('0', 64), 'schedule', repeat('0', 64)),
        'audience', jsonb_build_object('total', 0, 'to_send', 0, 'excluded', '{}'::jsonb), 'cost_micros', 0, 'currency', 'USD',
        'sms_segments', null, 'warnings', '[]'::jsonb) where tenant_id = :tenant""",
    "messaging.campaign_pause": _UNDER_WAY.format("sending"),
    "messaging.campaign_resume": _UNDER_WAY.format("paused"),
    "messaging.email_message_retry": "update email_messages set status = 'failed' where tenant_id = :tenant",
    # The one that the event names.
    "messaging.send_campaign": """with campaign as (
        insert into campaigns (tenant_id, id, name, channel, status, segment, subject, body_text, quiet_hours)
        values (:tenant, '019abf00-0000-7000-8000-000000000003', 'Sample', 'email', 'sending', '{}', 'x', 'x', false) returning id),
      chunk as (insert into campaign_chunks (tenant_id, campaign_id, chunk, state, queued_at)
        select :tenant, id, 0, 'queued', '2026-11-21T14:00:00Z' from campaign)
      insert into campaign_sends (tenant_id, campaign_id, contact_id, channel, chunk)
      select :tenant, m.id, c.id, 'email', 0 from campaign m cross join contacts c where c.tenant_id = :tenant""",
    "messaging.send_message": """update email_messages set id = '019abf00-0000-7000-8000-000000000003', status = 'pending'
      where tenant_id = :tenant""",
    "lifecycle.organization_restore": "update organizations set deleted_at = now() where tenant_id = :tenant",
    "operations.relay_outbox": _RIPE,
    "work.materialize_series": "update job_series set next_local = starts_local, materialized_until = now() where tenant_id = :tenant",
}
# What an event has done, besides its answer: a question whose answer is true afterwards.
DONE = {
    "integrations.run_import": "select status = 'previewed' and (preview ->> 'created')::int = 1 from imports where tenant_id = :tenant",
    "messaging.send_campaign": """select bool_or(s.state = 'sent') and bool_and(c.status = 'finished')
      from campaign_sends s join campaigns c on c.id = s.campaign_id
     where s.tenant_id = :tenant and c.id = '019abf00-0000-7000-8000-000000000003'""",
    "messaging.send_message": "select status = 'sent' and provider_message_id is not null from email_messages where tenant_id = :tenant",
    "operations.relay_outbox": "select bool_and(sent_at is not null) from outbox where tenant_id = :tenant and topic = 'mail'",
    "billing.issue_recurring": "select bool_and(issued_count = 1) from recurring_invoices where tenant_id = :tenant",
    "work.materialize_series": "select count(*) > 1 from jobs where tenant_id = :tenant and series_id is not null",
    "lifecycle.recalculate_health": "select health_computed_at is not null from client_accounts where tenant_id = :tenant",
}


@dataclass(frozen=True)
class Sample:
    """A function's event, and what it is about."""

    function: str
    event: dict[str, Any]
    rows: Rows

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again and finds what it found before."""
        return self.event.get("requestContext", {}).get("http", {}).get("method") == "GET"


WHOLE = os.environ.get("CLIENTWAY_SMOKE") == "whole"
"""`make smoke` runs every function; `make test` those of queues and schedules and a few of the API, which are all made alike."""
_A_FEW = 8


def every_name() -> list[str]:
    """The functions that have an event, as modules."""
    return sorted(str(file.relative_to(ROOT / "events").with_suffix("")).replace("/", ".") for file in (ROOT / "events").rglob("*.json"))


def names() -> list[str]:
    """Those of them that are run."""
    found = every_name()
    return [name for number, name in enumerate(found) if WHOLE or name in {*ARRANGED, *DONE} or not _is_api(name) or number % _A_FEW == 0]


def _is_api(name: str) -> bool:
    return "routeKey" in json.loads((ROOT / "events" / f"{name.replace('.', '/')}.json").read_text())


def samples(engine: Engine, template: Template, stripe: Secrets) -> Iterator[Sample]:
    """Every event, each with a tenant of its own; `stripe` is kept for the endpoint that the events name."""
    routes = {f"{route.method} {route.path}": route for route in template.routes}
    deployed = {function.handler.removesuffix(".handler") for function in template.functions}
    for name in filter(deployed.__contains__, names()):
        event = json.loads((ROOT / "events" / f"{name.replace('.', '/')}.json").read_text())
        rows = make_rows(engine, make_tenant(engine))
        if name in ARRANGED:
            _arrange(engine, ARRANGED[name], event, rows)
        if "routeKey" in event:
            _fill_request(event, routes[event["routeKey"]], rows)
            _fill_stripe(event, rows, stripe)
        for record in event.get("Records", ()):
            ours = {"tenant_id": rows.tenant.id, "import_id": rows.ids["imports"]}
            body = json.loads(record["body"])
            record["body"] = json.dumps({**body, **{field: str(value) for field, value in ours.items() if field in body}})
        yield Sample(name, event, rows)


def _arrange(engine: Engine, statement: str, event: dict[str, Any], rows: Rows) -> None:
    given: dict[str, Any] = {"tenant": rows.tenant.id, "contact": rows.ids["contacts"]}
    if "cookies" in event:
        nonce = event["cookies"][0].partition("=")[2]
        given |= {"nonce_hash": tokens.digest(nonce), "code_hash": secrets.code_hash(nonce, json.loads(event["body"])["code"])}
    with engine.connect() as connection:
        connection.execute(text(statement), {name: value for name, value in given.items() if f":{name}" in statement})


def _fill_request(event: dict[str, Any], route: Route, rows: Rows) -> None:
    path = unquote(rows.target(route))
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    if event.get("pathParameters"):
        event["pathParameters"] = {name: rows.value(name, table) for name, table in parameters(route).items()}
    if route.method in {"PATCH", "PUT", "DELETE"}:
        event["headers"].setdefault("if-match", '"1"')
    if event["headers"].get("authorization") == "Bearer {token}":
        # Only a session can be ended.
        token = rows.session if route.path == "/api/sign-out" else rows.token(route)
        event["headers"]["authorization"] = f"Bearer {token}"
    portal = (route.path or "").startswith("/api/portal/")
    people = {"email": "ana@bistro.example" if portal else f"{rows.tenant.slug}@staff.example", "tenant": rows.tenant.slug}
    if event.get("body"):
        body = json.loads(event["body"].replace("{staff}", people["email"]))
        event["body"] = json.dumps({**body, **{field: value for field, value in people.items() if field in body}, **_named(body, rows)})
    claims = event["requestContext"].get("authorizer", {}).get("jwt", {}).get("claims")
    if claims:
        claims["email"] = people["email"]


def _named(body: dict[str, Any], rows: Rows) -> dict[str, Any]:
    """The fields of a body that name a row, with the ids of ours."""
    tables = {field: table for field in body if field.endswith(("_id", "_ids")) and (table := table_named(field))}
    return {field: [str(rows.ids[table])] if field.endswith("_ids") else str(rows.ids[table]) for field, table in tables.items()}


def _fill_stripe(event: dict[str, Any], rows: Rows, stripe: Secrets) -> None:
    """What only who holds the secrets can put into an event: a ticket, a key that Stripe knows, a signature."""
    if event["headers"].get("stripe-signature") == "{signature}":
        # The path was filled like any other's; this endpoint is the one that has a secret.
        path = f"/api/webhooks/stripe/{STRIPE_ENDPOINT}"
        event["rawPath"] = event["requestContext"]["http"]["path"] = path
        event["pathParameters"] = {"endpoint": STRIPE_ENDPOINT}
        event["headers"]["stripe-signature"] = signature(str(stripe.webhook_secret), event["body"].encode(), int(time.time()))
    if "ticket" in (event.get("body") or ""):
        ticket = tickets.Ticket(str(rows.tenant.id), str(uuid4()), None, int(time.time()) + 600)
        signed = tickets.issue(ticket, os.environ["STRIPE_TICKET_KEY"].encode())
        event["body"] = json.dumps({"ticket": signed, "restricted_key": stripe.key})
