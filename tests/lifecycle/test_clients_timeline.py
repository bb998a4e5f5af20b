"""One client's timeline: every kind of line, page after page, under any id they ever had here."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from clientway import paging
from clientway.ids import uuid7
from clientway.lifecycle.clients import queries
from clientway.lifecycle.clients.rules import ACTIVITIES, LineType
from clientway.lifecycle.clients.schemas import TimelineLine
from clientway.schemas import Page
from tests import plans
from tests.lifecycle.test_organization_flights import counting_proxy, flights  # noqa: F401  (fixtures)
from tests.plans import request

TIMELINE = "lifecycle/client_timeline"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
EVERYTHING = {"kind": None, "since": None, "before": None}


@pytest.fixture
def client(tenant, admin_engine):
    """Call it to add a contact; it returns its id."""

    def add(*, owner=tenant, merged_into=None):
        contact_id = uuid7()
        with admin_engine.connect() as connection:
            connection.execute(
                text("""insert into contacts (tenant_id, id, slug, name_norm, search_text, merged_into, deleted_at)
                        values (:t, :i, cast(:i as text), '', '', :m, case when cast(:m as uuid) is null then null else now() end)"""),
                {"t": owner.id, "i": contact_id, "m": merged_into},
            )
        return contact_id

    return add


@pytest.fixture
def happened(tenant, admin_engine):
    """Call it to write a line on a contact's timeline, `ago` minutes before a fixed moment."""

    def write(contact_id, activity_type="note_added", *, ago=0, metadata=None):
        given = {"t": tenant.id, "i": uuid7(), "c": contact_id, "k": activity_type, "m": json.dumps(metadata or {})}
        with admin_engine.connect() as connection:
            connection.execute(
                text("""insert into activities (tenant_id, id, contact_id, activity_type, title, metadata, performed_by_type, occurred_at)
                        values (:t, :i, :c, :k, 'Happened', cast(:m as jsonb), 'job', :at)"""),
                {**given, "at": NOW - timedelta(minutes=ago)},
            )
        return str(given["i"])

    return write


def test_the_kinds_of_line_are_all_that_a_timeline_holds(admin_engine):
    with admin_engine.connect() as connection:
        rule = connection.scalar(
            text("select pg_get_constraintdef(oid) from pg_constraint where conname = 'activities_activity_type_check'")
        )
    known = [name for names in ACTIVITIES.values() for name in names]

    assert sorted(known) == sorted(part.split("'")[0] for part in rule.split("'")[1::2])
    assert set(ACTIVITIES) == set(LineType)


def test_a_line_says_what_happened_in_the_seeds_words(invoke, client, happened):
    one = client()
    line = happened(one, "invoice_paid", metadata={"invoice_id": "x", "total_cents": 5})
    answer = invoke(TIMELINE, path={"contact_id": one})

    Page[TimelineLine].model_validate_json(answer.body)
    assert answer.json["data"] == [
        {
            "id": line, "type": "invoice", "activity_type": "invoice_paid", "created_at": "2026-11-01T12:00:00+00:00", "title": "Happened",
            "description": None, "contact_id": str(one), "data": {"invoice_id": "x", "total_cents": 5},
        }
    ]  # fmt: skip


@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize("sort", ["-created_at", "created_at"])
def test_pages_hold_every_line_once_in_order(invoke, client, happened, limit, sort):
    survivor = client()
    merged = client(merged_into=survivor)
    # Several at one moment, of both records: ids decide.
    lines = [(ago, happened(one, ago=ago)) for ago in (0, 1, 1, 2) for one in (survivor, merged)]
    seen, cursor = [], None
    while True:
        query = {"limit": limit, "sort": sort, **({"cursor": cursor} if cursor else {})}
        answer = invoke(TIMELINE, path={"contact_id": survivor}, query=query).json
        seen += [line["id"] for line in answer["data"]]
        cursor = answer["next_cursor"]
        if not answer["has_more"]:
            break

    newest_first = [line for _, line in sorted(lines, key=lambda one: (-one[0], one[1]), reverse=True)]
    assert seen == (newest_first if sort.startswith("-") else newest_first[::-1])


def test_any_id_answers_for_all_that_were_merged(invoke, client, happened):
    survivor = client()
    middle = client(merged_into=survivor)
    first, other = client(merged_into=middle), client()
    lines = {happened(one) for one in (survivor, middle, first)}
    happened(other)

    for one in (survivor, middle, first):
        assert {line["id"] for line in invoke(TIMELINE, path={"contact_id": one}).json["data"]} == lines


def test_an_undone_merge_parts_the_timelines_again(invoke, client, happened, admin_engine):
    survivor = client()
    merged = client(merged_into=survivor)
    own, other = happened(survivor), happened(merged)
    with admin_engine.connect() as connection:
        connection.execute(text("update contacts set merged_into = null, deleted_at = null where id = :i"), {"i": merged})

    assert [line["id"] for line in invoke(TIMELINE, path={"contact_id": survivor}).json["data"]] == [own]
    assert [line["id"] for line in invoke(TIMELINE, path={"contact_id": merged}).json["data"]] == [other]


def test_filters(invoke, client, happened):
    one = client()
    note, job, paid = happened(one, ago=3), happened(one, "job_completed", ago=2), happened(one, "payment_received", ago=1)
    disputed = happened(one, "payment_disputed")

    def ids(**query):
        return [line["id"] for line in invoke(TIMELINE, path={"contact_id": one}, query=query).json["data"]]

    assert ids(type="payment") == [disputed, paid]
    assert ids(type="job") == [job]
    assert ids(type="invoice") == []
    assert ids(since=(NOW - timedelta(minutes=2)).isoformat()) == [disputed, paid, job]
    assert ids(before=(NOW - timedelta(minutes=2)).isoformat()) == [note]
    assert ids(type="note", since=(NOW - timedelta(minutes=2)).isoformat()) == []


@pytest.mark.parametrize("query", [{"type": "shoe"}, {"since": "yesterday"}, {"limit": 0}, {"cursor": "x"}, {"sort": "title"}, {"page": 2}])
def test_what_is_not_understood_is_refused(invoke, client, query):
    assert invoke(TIMELINE, path={"contact_id": client()}, query=query).status == 400


def test_a_cursor_is_bound_to_client_and_filter(invoke, client, happened):
    one, other = client(), client()
    happened(one), happened(one)
    cursor = invoke(TIMELINE, path={"contact_id": one}, query={"limit": 1}).json["next_cursor"]

    assert invoke(TIMELINE, path={"contact_id": other}, query={"cursor": cursor}).status == 400
    assert invoke(TIMELINE, path={"contact_id": one}, query={"cursor": cursor, "type": "note"}).status == 400


def test_absent_deleted_and_others_clients_are_not_found(invoke, client, other_tenant, admin_engine):
    deleted = client()
    with admin_engine.connect() as connection:
        connection.execute(text("update contacts set deleted_at = now() where id = :i"), {"i": deleted})

    answers = [invoke(TIMELINE, path={"contact_id": one}) for one in (uuid7(), deleted, client(owner=other_tenant))]
    assert [(one.status, one.json["code"]) for one in answers] == [(404, "not_found")] * 3
    assert invoke(TIMELINE, path={"contact_id": client()}).json["data"] == []


def test_a_page_is_one_question(flights, invoke, client, happened, tenant):  # noqa: F811
    one = client()
    happened(one)
    invoke(TIMELINE, path={"contact_id": one})

    count, answer = flights("client_timeline", path={"contact_id": str(one)}, token=tenant.viewer)
    assert (answer.status, count) == (200, 2)


# What a thousand clients went through: nine lines of ten are one client's, or of whom was merged into them.
SEED = """
insert into contacts (tenant_id, id, slug, name_norm, search_text, merged_into, deleted_at)
select :t, md5(:s || 'c' || n)::uuid, 'c-' || n, '', '', case when n = 1 then md5(:s || 'c0')::uuid end, case when n = 1 then now() end
  from generate_series(0, 1000) n;

insert into activities (tenant_id, id, contact_id, activity_type, title, performed_by_type, occurred_at)
select :t, md5(:s || 'a' || n)::uuid, md5(:s || 'c' || case when mod(n, 10) = 0 then 2 + mod(n / 10, 990) else mod(n, 2) end)::uuid,
       case when mod(n, 20000) = 1 then 'job_completed' else 'note_added' end, 'x', 'job', now() - n * interval '1 minute'
  from generate_series(1, :rows) n;
"""


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    return plans.seed(admin_engine, SEED, analyze=("contacts", "activities"))


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("sort", ["-created_at", "created_at"])
@pytest.mark.parametrize(
    "asked",
    [{}, {"kind": LineType.JOB}, {"kind": LineType.CONSENT}, {"since": NOW - timedelta(days=900)}, {"before": NOW, "kind": LineType.NOTE}],
    ids=str,
)
def test_a_timeline_reads_a_page_of_each_record(plan, crowd, admin_engine, monkeypatch, asked, sort, deep):
    with admin_engine.connect() as connection:
        busy = connection.execute(text("select md5(:s || 'c0')::uuid"), {"s": crowd.slug}).scalar_one()
    wanted = request(sort)
    if deep:
        # A page in the midst of it all, hundreds of pages on.
        wanted = replace(wanted, cursor="x")
        after = {"t": str(crowd.id), "v": datetime.now(UTC) - timedelta(minutes=plans.ROWS // 2), "i": str(uuid7())}
        monkeypatch.setattr(paging, "_decode", lambda _: after)

    plans.check(plan(lambda tx: queries.timeline(tx, busy, wanted, **{**EVERYTHING, **asked})), {"activities", "contacts"}, most=600)
