"""Random definitions, compiled and run, against a model in Python that looks at each contact in turn."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from clientway import access, db, tokens
from clientway.errors import Unprocessable
from clientway.ids import uuid7
from clientway.messaging.segments import service
from clientway.messaging.segments.definition import MOST_DEPTH
from tests.fixtures import make_tenant

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
NAMES = ["Ana", "An", "ana", "Bo", "", None]
TAGS = ["vip", "pizza", "a'b"]
CITIES = ["Rome", "Oslo", None]
STAGES = ["lead", "client"]
TIERS = ["gold", "silver", None]
SIZES = ["s", "l", None]
COUNTS = [0, 1, 2, 5]
AGES = [None, 0, 1, 5, 29, 31, 400]
"""Days back."""


def _pick(options, n, step):
    return options[(n // step) % len(options)]


def _person(n):
    """Contact number n: its values run through their options at different speeds, so that every pair meets."""
    return {
        "id": uuid7(),
        "first_name": _pick(NAMES, n, 1),
        "pricing_tier": _pick(TIERS, n, 2),
        "status": _pick(["lead", "active", "inactive"], n, 5),
        "is_primary": n % 7 == 0,
        "ltv_cents": _pick([0, 100, 250, 250_000], n, 3),
        "birth_date": _pick([None, "1990-01-01", "2026-06-01"], n, 4),
        "last_contacted": _pick(AGES, n, 1),
        "tags": {tag for place, tag in enumerate(TAGS) if n >> place & 1},
        "city": _pick(CITIES, n, 7),
        "stage": _pick([*STAGES, None], n, 3),
        "size": _pick(SIZES, n, 2),
        "weight": _pick([None, 1.5, 80.0], n, 6),
        "jobs": [age for age in AGES[1:] if (n * 7 + age) % 3 == 0],
        "opens": [(age, machine) for age in (1, 31) for machine in (True, False) if (n * 5 + age + machine) % 3 == 0],
        "mails": [age for age in (0, 5, 29, 31) if (n + age) % 4 == 0],
        "hand": n % 4 == 1,
    }


@pytest.fixture(scope="module")
def population(admin_engine, database_url):
    """A tenant with 48 contacts that differ in everything, another with one that has everything."""
    tenant, other = make_tenant(admin_engine), make_tenant(admin_engine)
    people = [_person(n) for n in range(48)]
    segment, size, weight = uuid7(), uuid7(), uuid7()
    organizations = {stage: uuid7() for stage in STAGES}
    with admin_engine.connect() as connection:

        def put(table, rows, of=tenant):
            """As one statement: the tests wait for it."""
            columns = ", ".join(rows[0])
            document = json.dumps([{"tenant_id": str(of.id), **row} for row in rows], default=str)
            insert = f"insert into {table} (tenant_id, {columns}) select tenant_id, {columns} from jsonb_populate_recordset(null::{table}, cast(:d as jsonb))"
            connection.execute(text(insert), {"d": document})

        def back(age):
            return None if age is None else (NOW - timedelta(days=age, hours=1)).isoformat()

        for one in (tenant, other):
            stages = [
                {
                    "id": organizations[stage] if one is tenant else uuid7(),
                    "legal_name": "x",
                    "slug": stage,
                    "lifecycle_stage": stage,
                    "name_norm": "",
                    "search_text": "",
                }
                for stage in STAGES
            ]
            put("organizations", stages, one)
        names = ("id", "first_name", "pricing_tier", "status", "ltv_cents", "birth_date")
        people_rows = [
            {name: p[name] for name in names}
            | {"slug": str(p["id"]), "name_norm": "", "search_text": "", "organization_id": organizations.get(p["stage"]), "is_decision_maker": p["is_primary"],
               "is_primary": False, "portal_enabled": False, "do_not_contact": False, "total_emails_received": 0, "total_emails_opened": 0, "version": 1,
               "last_contacted_at": back(p["last_contacted"]), "created_at": NOW, "updated_at": NOW}
            for p in people
        ]  # fmt: skip
        put("contacts", people_rows)
        put("contact_tags", [{"contact_id": p["id"], "tag": tag} for p in people for tag in sorted(p["tags"])])
        addresses = [(p, uuid7()) for p in people if p["city"]]
        put(
            "contact_addresses",
            [
                {
                    "id": i,
                    "contact_id": p["id"],
                    "address1": "x",
                    "city": p["city"],
                    "country": "US",
                    "version": 1,
                    "created_at": NOW,
                    "updated_at": NOW,
                }
                for p, i in addresses
            ],
        )
        connection.execute(
            text("update contacts c set default_address_id = a.id from contact_addresses a where a.contact_id = c.id and c.tenant_id = :t"),
            {"t": tenant.id},
        )
        fields = [
            {
                "id": size,
                "key": "size",
                "label": "x",
                "kind": "text",
                "required": False,
                "position": 0,
                "version": 1,
                "created_at": NOW,
                "updated_at": NOW,
            }
        ]
        put("custom_fields", [*fields, {**fields[0], "id": weight, "key": "weight", "kind": "number"}])
        put("contact_custom_values", [{"contact_id": p["id"], "field_id": size, "text_value": p["size"]} for p in people if p["size"]])
        put(
            "contact_custom_values",
            [{"contact_id": p["id"], "field_id": weight, "number_value": p["weight"]} for p in people if p["weight"]],
        )
        jobs = [
            {"id": uuid7(), "organization_id": organizations["lead"], "contact_id": p["id"], "title": "x", "status": "completed", "start_at": back(age), "end_at": NOW + timedelta(hours=1) if age == 0 else back(age - 0.5),
             "time_zone": "UTC", "price_cents": age, "currency": "USD", "completed_at": back(age), "detached": False, "overlap_forced": False, "version": 1, "created_at": NOW, "updated_at": NOW}
            for p in people for age in p["jobs"]
        ]  # fmt: skip
        put("jobs", jobs)
        lines = [(p["id"], "email_sent", age, False) for p in people for age in p["mails"]] + [
            (p["id"], "email_opened", *one) for p in people for one in p["opens"]
        ]
        put(
            "activities",
            [
                {
                    "id": uuid7(),
                    "contact_id": i,
                    "activity_type": kind,
                    "title": "x",
                    "metadata": {},
                    "machine": machine,
                    "client_visible": False,
                    "performed_by_type": "job",
                    "occurred_at": back(age),
                    "created_at": NOW,
                }
                for i, kind, age, machine in lines
            ],
        )
        put("segments", [{"id": segment, "name": "By hand", "kind": "manual", "version": 1, "created_at": NOW, "updated_at": NOW}])
        put("segment_members", [{"segment_id": segment, "contact_id": p["id"], "created_at": NOW} for p in people if p["hand"]])
        put("contacts", [{**people_rows[1], "id": uuid7(), "organization_id": None}], other)
    return tenant, people, segment


HAND = str(UUID(int=0))  # Stands for the segment, which is made later.
WORDS = st.sampled_from([*[name for name in NAMES if name is not None], "a'b", ":seg_0"])
NUMBERS = st.sampled_from([-1, 0, 1, 100, 250, 300_000])
DAYS = st.sampled_from([1, 5, 30, 1000])
UNKNOWN = st.booleans()


def _leaf(name, ops, value):
    return st.builds(
        lambda op, one, unknown: {"field": name, "op": op, "value": one, "include_unknown": unknown}, st.sampled_from(ops), value, UNKNOWN
    )


def _text(name, words):
    return st.one_of(
        _leaf(name, ["eq", "ne", "starts_with"], words),
        _leaf(name, ["in", "not_in"], st.lists(words, min_size=1, max_size=3)),
        st.sampled_from(["is_known", "is_unknown"]).map(lambda op: {"field": name, "op": op}),
    )


LEAVES = st.one_of(
    _text("first_name", WORDS),
    _text("pricing_tier", st.sampled_from(["gold", "silver", "tin"])),
    _text("address.city", st.sampled_from(["Rome", "Oslo", "Ro"])),
    _text("custom.size", st.sampled_from(["s", "l", "x"])),
    _leaf("status", ["eq", "ne"], st.sampled_from(["lead", "active"])),
    _leaf("organization.lifecycle_stage", ["eq", "ne"], st.sampled_from([*STAGES, "sql"])),
    _leaf("ltv_cents", ["eq", "ne", "lt", "lte", "gt", "gte"], NUMBERS),
    _leaf("ltv_cents", ["between"], st.lists(NUMBERS, min_size=2, max_size=2).map(sorted)),
    _leaf("custom.weight", ["eq", "lt", "gte"], st.sampled_from([1.5, 2, 80])),
    _leaf("is_decision_maker", ["is"], st.booleans()),
    _leaf("tags", ["has", "has_not"], st.sampled_from([*TAGS, "none"])),
    _leaf("tags", ["has_any", "has_all"], st.lists(st.sampled_from(TAGS), min_size=1, max_size=3)),
    st.sampled_from(["is_known", "is_unknown"]).map(lambda op: {"field": "tags", "op": op}),
    _leaf("last_contacted_at", ["within_last_days", "older_than_days"], DAYS),
    _leaf("birth_date", ["before", "after", "on"], st.sampled_from(["1990-01-01", "2026-06-01", "2000-01-01"])),
    _leaf("jobs.completed_count", ["eq", "gte", "lt"], st.integers(0, 3)),
    st.builds(
        lambda event, days, op, n: {"event": event, **({"within_days": days} if days else {}), "count": {"op": op, "n": n}},
        st.sampled_from(["email_sent", "email_opened", "job_completed"]), st.none() | DAYS, st.sampled_from(["gte", "eq", "lte"]), st.integers(0, 3),
    ),
    st.builds(lambda n: {"event": "email_opened", "count": {"op": "gte", "n": n}, "where": {"machine": True}}, st.integers(0, 3)),
    st.builds(lambda cents: {"event": "job_completed", "where": {"min_amount_cents": cents}}, st.integers(0, 40)),
    st.just({"segment": HAND}),
)  # fmt: skip


def _deeper(inner):
    return st.one_of(
        st.lists(inner, max_size=4).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=4).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    )


DEFINITIONS = st.recursive(LEAVES, _deeper, max_leaves=14)
_OF = {
    "address.city": "city",
    "custom.size": "size",
    "custom.weight": "weight",
    "organization.lifecycle_stage": "stage",
    "is_decision_maker": "is_primary",
}


def fits(node, person) -> bool:
    """The model: what a definition means for one contact, in as few words as it takes."""
    if "all" in node:
        return all(fits(part, person) for part in node["all"])
    if "any" in node:
        return any(fits(part, person) for part in node["any"])
    if "not" in node:
        return not fits(node["not"], person)
    if "segment" in node:
        return person["hand"]
    return _happened(node, person) if "event" in node else _asked(node, person)


def _happened(node, person) -> bool:
    where, days = node.get("where", {}), node.get("within_days", 10_000)
    ages = {
        "email_sent": person["mails"],
        "email_opened": [age for age, machine in person["opens"] if where.get("machine") or not machine],
        "job_completed": [age for age in person["jobs"] if age >= where.get("min_amount_cents", 0)],
    }[node["event"]]
    number, count = sum(age < days for age in ages), node.get("count", {"op": "gte", "n": 1})
    return {"gte": number >= count["n"], "lte": number <= count["n"], "eq": number == count["n"]}[count["op"]]


def _asked(node, person) -> bool:
    name, op, value = node["field"], node["op"], node.get("value")
    if name == "tags":
        has = person["tags"]
        return {
            "has": lambda: value in has, "has_not": lambda: value not in has, "has_any": lambda: bool(has & set(value)),
            "has_all": lambda: has >= set(value), "is_known": lambda: bool(has), "is_unknown": lambda: not has,
        }[op]()  # fmt: skip
    if name == "jobs.completed_count":
        is_ = len(person["jobs"])
    elif name == "last_contacted_at":
        is_ = person["last_contacted"]
    else:
        is_ = person[_OF.get(name, name)]
    if op in ("is_known", "is_unknown"):
        return (is_ is not None) == (op == "is_known")
    if is_ is None:
        return node.get("include_unknown", False)
    return {
        "eq": lambda: is_ == value, "ne": lambda: is_ != value, "in": lambda: is_ in value, "not_in": lambda: is_ not in value,
        "starts_with": lambda: is_.startswith(value), "lt": lambda: is_ < value, "lte": lambda: is_ <= value, "gt": lambda: is_ > value,
        "gte": lambda: is_ >= value, "between": lambda: value[0] <= is_ <= value[1], "is": lambda: is_ == value,
        "before": lambda: is_ < value, "after": lambda: is_ > value, "on": lambda: is_ == value,
        "within_last_days": lambda: is_ < value, "older_than_days": lambda: is_ >= value,
    }[op]()  # fmt: skip


def depth(node) -> int:
    inner = node.get("all") or node.get("any") or ([node["not"]] if "not" in node else [])
    return 1 + max(map(depth, inner)) if inner else 0


@pytest.fixture(scope="module")
def running(population):
    transaction = db.begin(db.Credential(tokens.digest(population[0].admin), access.VIEWERS), now=NOW)
    yield transaction
    db.rollback(transaction)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(definition=DEFINITIONS)
def test_the_database_finds_whom_the_model_finds(population, running, definition):
    _, people, segment = population
    definition = json.loads(json.dumps(definition).replace(HAND, str(segment)))
    if depth(definition) > MOST_DEPTH:
        with pytest.raises(Unprocessable):
            service.where(running, definition=definition)
        return
    found = service.where(running, definition=definition)
    sql = f"select c.id from contacts c where c.tenant_id = app.tenant() and c.deleted_at is null and ({found.sql})"
    got = set(running.execute(text(sql), found.parameters).scalars())

    assert got == {person["id"] for person in people if fits(definition, person)}
    assert len(sql) < 16_000
    assert found.english.startswith(("Contacts ", "All contacts."))
