"""What the contract says of headers, credentials and sorts is what the handlers do."""

import pytest

from tests import routes

LISTS = [one for one in routes.routes("GET") if "sort" in routes.query(one.values[0])]


@pytest.fixture
def rows(admin_engine, tenant):
    return routes.make_rows(admin_engine, tenant)


@pytest.mark.parametrize("route", LISTS)
def test_every_sort_of_the_contract_sorts(route, rows):
    sorts = routes.query(route)["sort"]["enum"]

    assert len(sorts) >= 2
    for sort in sorts:
        answer = rows.ask(route, target=f"{rows.target(route)}?sort={sort}")
        assert answer.status == 200, (sort, answer)
    assert rows.ask(route, target=f"{rows.target(route)}?sort=shoe_size").json["errors"][0]["pointer"] == "#/query/sort"


@pytest.mark.parametrize("route", routes.routes("PATCH", "PUT", "DELETE"))
def test_the_contract_asks_for_a_version_where_one_is_needed(route, rows):
    said = any(one["name"] == "If-Match" for one in routes.operation(route).get("parameters", []))
    answer = routes.send(route.method, rows.target(route), rows.body(route), token=rows.token(route))

    assert (answer.status == 428) == said, answer
    assert ("428" in routes.operation(route)["responses"]) == said


@pytest.mark.parametrize("route", routes.routes())
def test_the_contract_asks_for_a_credential_where_one_is_needed(route, rows):
    said = routes.operation(route).get("security", routes.contract()["security"])

    assert (said != []) == (routes.needs_a_credential(route) or bool(route.authorizer))
    if said == [{"bearer": []}]:
        assert rows.ask(route, token=None).status == 401


@pytest.mark.parametrize("route", routes.routes())
def test_what_has_no_content_has_none_in_the_contract(route):
    responses = routes.operation(route)["responses"]

    assert "content" not in responses.get("204", {})
    assert ("415" in responses) == ("413" in responses) == ("requestBody" in routes.operation(route))


def paid(rows, raw, **headers):
    target = f"/api/organizations/{rows.ids['organizations']}/payments"
    return routes.send("POST", target, token=rows.tenant.admin, raw=raw, headers={"idempotency-key": "k", **headers})


@pytest.mark.parametrize("written", ["100", "100.0", "1e2", "1.00E+2"])
def test_a_number_without_a_fraction_is_an_integer(rows, written):
    answer = paid(rows, f'{{"amount_cents": {written}}}'.encode())

    assert (answer.status, answer.json["amount_cents"]) == (201, 100)


@pytest.mark.parametrize(
    ("written", "status"), [("100.5", 422), ("1e300", 422), ("1e400", 400), ("-1e999", 400), ("9007199254740993.0", 422)]
)
def test_a_number_with_one_is_none(rows, written, status):
    assert paid(rows, f'{{"amount_cents": {written}}}'.encode()).status == status


@pytest.mark.parametrize("key", ["é", " ", "k" * 256, "a\tb", "a\x7f"])
def test_a_key_is_printable_ascii(rows, key):
    answer = paid(rows, b'{"amount_cents": 1}', **{"idempotency-key": key})

    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "#/header/idempotency-key")


def test_a_path_that_no_rule_fits_is_not_there(rows):
    """A slug of other characters than Powertools' own: its query was looked at before it was missed."""
    answer = routes.send("GET", "/api/rep/%F0%9F%A6%94/clients?limit=21", token=rows.tenant.admin)

    assert (answer.status, answer.json["code"]) == (404, "not_found")
