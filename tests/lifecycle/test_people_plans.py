"""The list of clients finds its first page through an index whatever it is asked for, in a tenant of many."""

from uuid import UUID

import pytest
from sqlalchemy import text

from clientway.lifecycle.addresses import queries as addresses
from clientway.lifecycle.consents import queries as consents
from clientway.lifecycle.contacts import queries as contacts
from clientway.lifecycle.contacts.schemas import CustomFilter, Filters
from clientway.lifecycle.notes import queries as notes
from clientway.lifecycle.reach import queries as reach
from tests import plans
from tests.plans import request

TABLES = ("contacts", "contact_emails", "contact_phones", "contact_tags", "contact_custom_values", "contact_notes", "consent_events")
NEVER_SCANNED = {*TABLES, "contact_addresses", "contact_consents"}
ROWS = 40_000
SEED = """
insert into contacts (tenant_id, id, first_name, email, email_norm, phone, phone_e164, slug, pricing_tier, status, name_norm, search_text,
                      updated_at, created_at)
select :t, md5(:s || 'c' || n)::uuid, 'Ann ' || n, n || '@x.example', n || '@x.example', n::text, '+1305' || mod(n, 20000), 'ann-' || n,
       'tier-' || mod(n, 40), (array['lead', 'active', 'inactive'])[1 + mod(n, 3)], md5('c' || n), 'ann ' || n,
       now() - n * interval '1 minute', now() - n * interval '1 minute'
  from generate_series(1, :rows) n;

insert into contact_tags (tenant_id, contact_id, tag) select :t, md5(:s || 'c' || n)::uuid, 'tag-' || mod(n, 50) from generate_series(1, :rows) n;

insert into custom_fields (tenant_id, id, key, label, kind) values (:t, md5(:s || 'size')::uuid, 'size', 'Size', 'integer');

insert into custom_fields (tenant_id, id, key, label, kind) values (:t, md5(:s || 'city')::uuid, 'city', 'City', 'text');

insert into contact_custom_values (tenant_id, contact_id, field_id, integer_value)
select :t, md5(:s || 'c' || n)::uuid, md5(:s || 'size')::uuid, n from generate_series(1, :rows) n;

insert into contact_custom_values (tenant_id, contact_id, field_id, text_value)
select :t, md5(:s || 'c' || n)::uuid, md5(:s || 'city')::uuid, 'City ' || mod(n, 100) from generate_series(1, :rows) n;

insert into contact_notes (tenant_id, id, contact_id, body, created_at)
select :t, gen_random_uuid(), md5(:s || 'c' || mod(n, 4))::uuid, 'x', now() - n * interval '1 minute' from generate_series(4, :rows) n
 where mod(n, 4) > 0;

insert into consent_events (tenant_id, id, contact_id, channel, purpose, state, source, actor_type, occurred_at)
select :t, gen_random_uuid(), md5(:s || 'c' || mod(n, 4))::uuid, 'sms', 'marketing', 'granted', 'x', 'user', now() - n * interval '1 minute'
  from generate_series(4, :rows) n where mod(n, 4) > 0
"""


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    """A tenant of many clients, each with an e-mail, a phone, a tag and two values; three of them with many notes and consents."""
    return plans.seed(admin_engine, SEED, rows=ROWS, analyze=TABLES)


def field(crowd, key):
    return text(f"select md5('{crowd.slug}{key}')::uuid")


@pytest.mark.parametrize("sort", ["-updated_at", "created_at", "name"])
@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"status": "lead"},
        {"tag": "tag-7"},
        {"pricing_tier": "tier-7"},
        {"email_norm": "77@x.example"},
        {"status": "lead", "tag": "tag-7"},
    ],
    ids=str,
)
def test_clients_are_found_through_an_index(plan, asked, sort):
    plans.check(plan(lambda tx: contacts.find(tx, request(sort), Filters(**asked))), NEVER_SCANNED)


@pytest.mark.parametrize(
    ("key", "column", "operator", "value"),
    [
        ("size", "integer_value", "=", 77), ("size", "integer_value", ">=", ROWS - 5), ("size", "integer_value", ">=", 0),
        ("city", "text_value", "=", "City 7"), ("city", "text_value", "=", "City nobody lives in"),
    ],
)  # fmt: skip
def test_and_so_are_those_with_a_value_of_their_own(plan, crowd, admin_engine, key, column, operator, value):
    with admin_engine.connect() as connection:
        found = connection.execute(field(crowd, key)).scalar_one()
    asked = Filters(custom=(CustomFilter(UUID(str(found)), column, operator, value),))
    plans.check(plan(lambda tx: contacts.find(tx, request("-updated_at"), asked)), NEVER_SCANNED)


@pytest.mark.parametrize(
    "find",
    [
        lambda tx, one: notes.find(tx, one, request("-created_at"), pinned=None),
        lambda tx, one: consents.find(tx, one, request("-occurred_at"), channel=None, purpose=None, current=None),
        lambda tx, one: addresses.find(tx, one, request("created_at"), include_deleted=False),
        lambda tx, one: reach.find(tx, "email", one, request("created_at")),
        lambda tx, one: reach.find(tx, "phone", one, request("created_at")),
    ],
    ids=["notes", "consents", "addresses", "emails", "phones"],
)
def test_what_belongs_to_one_client_is_found_through_an_index(plan, crowd, admin_engine, find):
    with admin_engine.connect() as connection:
        one = connection.execute(field(crowd, "c2")).scalar_one()
    plans.check(plan(lambda tx: find(tx, one)), NEVER_SCANNED)
