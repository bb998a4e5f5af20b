"""Clients are found by any part of a name, of any of their e-mails, and by any of their numbers however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from clientway.ids import uuid7
from clientway.lifecycle.clients import queries
from clientway.lifecycle.clients.rules import search_term
from clientway.lifecycle.clients.schemas import FoundClient
from clientway.schemas import Page
from tests import plans
from tests.lifecycle.test_organization_flights import counting_proxy, flights  # noqa: F401  (fixtures)
from tests.plans import request

SEARCH = "lifecycle/client_search"


@pytest.fixture
def organization_id(invoke):
    return invoke("lifecycle/organizations", method="POST", body={"legal_name": "Blue Bistro"}).json["id"]


@pytest.fixture
def ana(invoke, organization_id):
    body = {"first_name": "Ana", "last_name": "Ruíz", "email": "Ana@Bistro.example", "phone": "(305) 555-0123"}
    return invoke("lifecycle/organization_contacts", method="POST", path={"organization_id": organization_id}, body=body).json


def found(invoke, q, **query):
    answer = invoke(SEARCH, query={"q": q, **query})
    assert answer.status == 200, answer.body
    Page[FoundClient].model_validate_json(answer.body)
    return [one["org_client_id"] for one in answer.json["data"]]


def further(engine, tenant, contact_id, *, email=None, number=None):
    with engine.connect() as connection:
        if email:
            statement = "insert into contact_emails (tenant_id, contact_id, email, email_norm) values (:t, :c, :v, :v)"
            connection.execute(text(statement), {"t": tenant.id, "c": contact_id, "v": email})
        if number:
            statement = "insert into contact_phones (tenant_id, contact_id, phone, phone_e164) values (:t, :c, :v, :v)"
            connection.execute(text(statement), {"t": tenant.id, "c": contact_id, "v": number})


def test_the_answer_has_the_seeds_fields(invoke, ana, tenant, admin_engine):
    with admin_engine.connect() as connection:
        for tag in ("vip", "garden"):
            connection.execute(
                text("insert into contact_tags (tenant_id, contact_id, tag) values (:t, :c, :g)"),
                {"t": tenant.id, "c": ana["id"], "g": tag},
            )
    [one] = invoke(SEARCH, query={"q": "ruiz"}).json["data"]

    assert one == {
        "org_client_id": ana["id"], "person_id": ana["id"], "first_name": "Ana", "last_name": "Ruíz", "primary_email": "Ana@Bistro.example",
        "primary_phone_e164": "+13055550123", "status": "active", "ltv_cents": 0, "tags": ["garden", "vip"], "created_at": ana["created_at"],
    }  # fmt: skip


@pytest.mark.parametrize("q", ["ana", "An", "a", "RUIZ", "ruí", "ana@bistro", "BISTRO.EXAMPLE", "(305) 555-0123", "305.555.0123", "+1 305 555 0123",
                               "0013055550123", "555-0123", "13055550123", "305-555-0123 ext. 12", "305 555 0123 x9"])  # fmt: skip
def test_found_by(invoke, ana, q):
    assert found(invoke, q) == [ana["id"]]


@pytest.mark.parametrize("q", ["anabel", "uiz ana", "305-555-0124", "%", "_na", "ana@bistro.example.org"])
def test_not_found_by(invoke, ana, q):
    assert found(invoke, q) == []


@pytest.mark.parametrize(
    "q", ["ana.private@home", "HOME.example", "020 7946 0958", "+44 (0)20 7946 0958", "0044 20 7946 0958", "7946 0958"]
)
def test_found_by_a_further_address(invoke, ana, tenant, admin_engine, q):
    further(admin_engine, tenant, ana["id"], email="ana.private@home.example", number="+442079460958")

    assert found(invoke, q) == [ana["id"]]


def test_deleted_clients_and_others_are_not_found(invoke, ana, tenant, other_tenant, admin_engine):
    further(admin_engine, tenant, ana["id"], email="ana.private@home.example")
    assert invoke(SEARCH, query={"q": "ana"}, token=other_tenant.admin).json["data"] == []
    assert invoke(SEARCH, query={"q": "home.example"}, token=other_tenant.admin).json["data"] == []
    answer = invoke("lifecycle/contact", method="DELETE", path={"contact_id": ana["id"]}, headers={"If-Match": f'"{ana["version"]}"'})
    assert answer.status == 204

    assert found(invoke, "ana") == found(invoke, "home.example") == found(invoke, "a") == []


@pytest.mark.parametrize("sort", ["name", "-name", "created_at", "-updated_at"])
def test_pages_hold_everybody_once(invoke, organization_id, sort):
    names = ["Cora", "Abel", "Bert", "Abel", "Dora"]
    path = {"organization_id": organization_id}
    for name in names:
        body = {"first_name": name, "last_name": "Miller"}
        assert invoke("lifecycle/organization_contacts", method="POST", path=path, body=body).status == 201
    seen, cursor = [], None
    while True:
        query = {"q": "miller", "limit": 2, "sort": sort, **({"cursor": cursor} if cursor else {})}
        answer = invoke(SEARCH, query=query).json
        seen += [one["first_name"] for one in answer["data"]]
        cursor = answer["next_cursor"]
        if not answer["has_more"]:
            break

    expected = {"name": sorted(names), "-name": sorted(names, reverse=True), "created_at": names, "-updated_at": names[::-1]}
    if sort == "-updated_at":
        # The first of them gave up being primary to nobody: the order is that of the last change, which nobody but they know.
        assert sorted(seen) == sorted(names)
    else:
        assert seen == expected[sort]


@pytest.mark.parametrize("query", [{"q": ""}, {"q": "x" * 201}, {"q": "a", "sort": "ltv"}, {"q": "a", "limit": 101}, {"q": "a\x00"}])
def test_what_is_not_understood_is_refused(invoke, query):
    assert invoke(SEARCH, query=query).status == 400


def test_a_search_is_one_question(flights, ana, tenant):  # noqa: F811
    count, answer = flights("client_search", query={"q": "ruiz"}, token=tenant.viewer)

    assert (len(answer.json["data"]), count) == (1, 2)


@given(st.from_regex(r"\A[1-9][0-9]{9}\Z"), st.data())
def test_a_number_is_found_however_it_is_written(number, data):
    between = data.draw(st.lists(st.sampled_from(["", " ", "-", ".", " - ", "/"]), min_size=9, max_size=9))
    spread = "".join(digit + gap for digit, gap in zip(number, [*between, ""], strict=True))
    prefix = data.draw(st.sampled_from(["", "+44 ", "0044 ", "0", "+44 (0)", "(0)"]))
    suffix = data.draw(st.sampled_from(["", " ext 12", " x3", "#4"]))

    term = search_term(f"{prefix}{spread}{suffix}")

    assert term.pattern is not None
    assert term.pattern.strip("%") in f"+44{number}"


@given(st.text(min_size=1, max_size=50))
def test_any_term_is_read(q):
    term = search_term(q)

    assert (term.pattern is None) != (term.prefix is None)


SEED = """
insert into contacts (tenant_id, id, first_name, slug, name_norm, search_text, email_norm, created_at, updated_at)
select :t, md5(:s || n)::uuid, 'N' || n, 'c-' || n, md5(n::text), md5(n::text) || chr(10) || n || '@x.example', n || '@x.example',
       now() - n * interval '1 minute', now() - n * interval '1 minute'
  from generate_series(1, :rows) n;

insert into contact_emails (tenant_id, contact_id, email, email_norm)
select :t, md5(:s || n)::uuid, md5('e' || n) || '@y.example', md5('e' || n) || '@y.example' from generate_series(1, :rows) n
"""


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    return plans.seed(admin_engine, SEED, analyze=("contacts", "contact_emails"))


@pytest.mark.parametrize("sort", ["name", "-created_at", "updated_at"])
@pytest.mark.parametrize("q", ["4711@x.example", "c4ca4238a0b923820dcc", "a"])
def test_a_search_goes_through_an_index(plan, q, sort):
    plans.check(plan(lambda tx: queries.search(tx, search_term(q), request(sort))), {"contacts", "contact_emails", "contact_phones"})


def test_a_further_address_is_looked_up_through_an_index(crowd, admin_engine):
    with admin_engine.connect() as connection:
        plan = connection.execute(
            text("""explain (analyze, format json) select contact_id from contact_emails e
                     where e.tenant_id = :t and e.email_norm like '%c81e728d9d4c2f63%' and e.live and not e.is_primary"""),
            {"t": crowd.id},
        ).scalar_one()[0]

    plans.check(plan, {"contact_emails"}, most=100)
    # Far from what reading all of a tenant's would cost, also right after they were written.
    assert plan["Plan"]["Total Cost"] < 800


def test_without_a_term_they_are_all(invoke, ana):
    answer = invoke(SEARCH, query={})
    assert [one["org_client_id"] for one in answer.json["data"]] == [ana["id"]]


def test_an_unknown_id_is_no_hit(invoke):
    assert found(invoke, str(uuid7())) == []
