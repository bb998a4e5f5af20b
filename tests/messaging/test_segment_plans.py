"""Every question that a segment can ask is one that PostgreSQL answers, and what is asked often is found by its index."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from clientway import access, db, tokens
from clientway.messaging.segments import rules
from clientway.messaging.segments.compiling import compiled
from clientway.messaging.segments.fields import EVENTS, FIELDS, custom
from tests.plans import scanned, seed

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
FIELD = UUID(int=5)
CUSTOM = {
    f"a_{kind}": custom(f"a_{kind}", kind, FIELD, ["s", "l"] if kind == "select" else None)
    for kind in ("text", "select", "integer", "number", "boolean", "date")
}
VALUES = {
    "text": "x", "set": "x", "integer": 5, "money": 5, "number": 1.5, "date": "2026-01-02", "time": "2026-01-02", "boolean": True,
}  # fmt: skip

PEOPLE = """
insert into contacts (tenant_id, id, first_name, slug, name_norm, search_text)
select :t, md5(:s || n)::uuid, 'Ann', 'c-' || n, '', '' from generate_series(1, :rows) n;
insert into contact_tags (tenant_id, contact_id, tag)
select :t, md5(:s || n)::uuid, tag from generate_series(1, :rows) n, unnest(array['rare-' || mod(n, 500), 'area-' || mod(n, 3)]) tag;
insert into custom_fields (tenant_id, id, key, label, kind) values (:t, md5(:s || 'f')::uuid, 'size', 'Size', 'text');
insert into contact_custom_values (tenant_id, contact_id, field_id, text_value)
select :t, md5(:s || n)::uuid, md5(:s || 'f')::uuid, 'size ' || mod(n, 500) from generate_series(1, :rows) n;
insert into activities (tenant_id, id, contact_id, activity_type, title, performed_by_type, occurred_at)
select :t, gen_random_uuid(), md5(:s || n)::uuid, (array['email_sent', 'note_added'])[1 + mod(n, 2)], 'x', 'job', now()
  from generate_series(1, :rows) n
"""


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    """Two tenants with twelve hundred contacts each."""
    tables = ("contacts", "contact_tags", "contact_custom_values", "activities")
    seed(admin_engine, PEOPLE, rows=1200)
    tenant = seed(admin_engine, PEOPLE, rows=1200)
    with admin_engine.connect() as connection:
        for table in tables:
            connection.execute(text(f"analyze {table}"))
    return tenant


@pytest.fixture(scope="module")
def reading(crowd):
    transaction = db.begin(db.Credential(tokens.digest(crowd.admin), access.VIEWERS), now=NOW)
    yield transaction
    db.rollback(transaction)


def explained(tx, definition, known_custom=CUSTOM, how="format json"):
    resolved = rules.resolve(rules.read(definition, "#"), "#", custom=known_custom, known={})
    where = compiled(resolved, now=NOW, zone="America/New_York")
    sql = f"select count(*) from contacts c where c.tenant_id = app.tenant() and c.deleted_at is null and ({where.sql})"
    return tx.execute(text(f"explain ({how}) {sql}"), where.parameters).scalar_one()


def questions(field):
    value = field.values[0] if field.values else VALUES[field.kind]
    for op in field.ops:
        several = {"in": [value], "not_in": [value], "has_any": [value], "has_all": [value], "between": [value, value]}
        given = 30 if op.endswith("_days") else several.get(op, value)
        leaf = {"field": field.name, "op": op, **({} if op in ("is_known", "is_unknown") else {"value": given})}
        yield from (leaf, {**leaf, "include_unknown": True}, {"not": leaf})
        if field.kind == "time" and op in ("before", "after"):
            yield {**leaf, "value": "2026-01-02T03:04:05+02:00"}


def happenings(event):
    given = {"machine": True, "channel": "email", "campaign_id": str(uuid4()), "min_amount_cents": 5}
    where = {name: given[name] for name in event.filters or {}}
    for op in ("gte", "eq", "lte"):
        for n in (0, 1, 3):
            leaf = {"event": event.name, "count": {"op": op, "n": n}}
            yield from (leaf, {**leaf, "within_days": 30, "where": where})


@pytest.mark.parametrize("asked", [*FIELDS.values(), *CUSTOM.values()], ids=lambda field: field.name)
def test_the_database_understands_each_question_to_a_field(reading, asked):
    assert explained(reading, {"any": list(questions(asked))})


def test_the_database_understands_each_question_to_what_happened(reading):
    for event in EVENTS.values():
        assert explained(reading, {"any": list(happenings(event))})


def used(plan) -> set[str]:
    """The indexes in a plan."""
    found = {plan["Index Name"]} if "Index Name" in plan else set()
    return found.union(*map(used, plan.get("Plans", [])))


@pytest.mark.parametrize(
    ("definition", "index", "table"),
    [
        ({"field": "tags", "op": "has", "value": "rare-7"}, {"contact_tags_tag"}, "contact_tags"),
        ({"field": "tags", "op": "has_any", "value": ["rare-7", "rare-8"]}, {"contact_tags_tag"}, "contact_tags"),
        ({"field": "custom.size", "op": "eq", "value": "size 7"}, {"contact_custom_values_text"}, "contact_custom_values"),
        ({"field": "custom.size", "op": "in", "value": ["size 7", "size 8"]}, {"contact_custom_values_text"}, "contact_custom_values"),
        (
            {"all": [{"field": "tags", "op": "has", "value": "rare-7"}, {"event": "email_sent", "within_days": 30}]},
            {"contact_tags_tag", "activities_contact"},
            "activities",
        ),
        (
            {"all": [{"field": "tags", "op": "has", "value": "rare-7"}, {"event": "email_sent", "count": {"op": "eq", "n": 2}}]},
            {"contact_tags_tag", "activities_contact"},
            "activities",
        ),
    ],
)  # fmt: skip
def test_what_is_rare_is_found_by_its_index(reading, crowd, definition, index, table):
    field = reading.scalar(text("select f.id from custom_fields f where f.tenant_id = app.tenant() and f.key = 'size'"))
    [plan] = explained(reading, definition, {"size": custom("size", "text", field, None)})

    indexes = used(plan["Plan"])
    assert all(any(one.startswith(name) for one in indexes) for name in index), indexes
    assert table not in scanned(plan["Plan"])
