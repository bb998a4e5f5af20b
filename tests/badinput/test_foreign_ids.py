"""Another tenant's id in every position that a request has for one: as good as absent, and their rows as they were."""

import json
from uuid import uuid4

import pytest

from tests import routes

# Routes that do not look whose slug it is: a portal mail is asked for in the open, and the session says which portal is left.
OPEN_TO_ANY_SLUG = {"POST /api/portal/{slug}/sign-in", "POST /api/portal/{slug}/sign-in/verify", "POST /api/portal/{slug}/sign-out"}
# Nor one where a signature says it all, and a wrong one nothing.
OPEN_TO_ANY_SLUG |= {"POST /api/webhooks/stripe/{endpoint}"}


def with_parameters(route):
    return "{" in route.id


def feeds(route, rows):
    """That our own rows are taken at all, or a refusal of theirs would prove nothing."""
    answer = rows.ask(route)
    assert routes.accepted(route, answer), (
        f"tests/feeding.py does not know how to feed {routes.key(route)}: {answer.status} {answer.content.decode()}; give it a line in BODIES or ANSWERS"
    )


def without_instance(answer):
    return {name: value for name, value in answer.json.items() if name != "instance"}


@pytest.mark.parametrize("route", [one for one in routes.routes() if with_parameters(one)])
def test_in_the_path(route, rows, theirs, tenant, other_tenant, admin_engine):
    before, ours = routes.state(admin_engine, other_tenant), routes.state(admin_engine, tenant)
    for name, table in routes.parameters(route).items():
        foreign = rows.ask(route, target=rows.target(route, **{name: theirs.value(name, table)}))
        if routes.key(route) in OPEN_TO_ANY_SLUG:
            assert foreign.status in {202, 204, 400, 401}, foreign
            continue
        absent = rows.ask(route, target=rows.target(route, **{name: f"s-{uuid4().hex}" if name == "slug" else str(uuid4())}))

        assert (foreign.status, foreign.json["code"]) == (404, "not_found"), foreign
        assert without_instance(foreign) == without_instance(absent)
        assert routes.state(admin_engine, tenant) == ours

    assert routes.state(admin_engine, other_tenant) == before
    if routes.key(route) in OPEN_TO_ANY_SLUG:
        return
    feeds(route, rows)
    assert routes.state(admin_engine, other_tenant) == before


def body_places():
    for route in routes.routes("POST", "PATCH", "PUT"):
        yield pytest.param(*route.values, id=route.id)


@pytest.mark.parametrize("route", list(body_places()))
def test_in_the_body(route, rows, theirs, tenant, other_tenant, admin_engine):
    schema, version = routes.body_schema(route), '"1"'
    for place, name in routes.uuid_places(schema) if schema else ():
        table = routes.table_named(name)
        assert table, f"{routes.key(route)}: tests/feeding.py, NAMES or EXTERNAL does not say whose row the field {name} names"
        before, ours = routes.state(admin_engine, other_tenant), routes.state(admin_engine, tenant)

        matching = {"if-match": version} if route.method != "POST" else {}

        def naming(one, place=place):
            return routes.put(rows, schema, rows.body(route), place, str(one))

        foreign = rows.ask(route, naming(theirs.ids[table]), headers=matching)

        assert foreign.status in {404, 422}, (place, foreign)
        assert any(str(name) in one["pointer"] for one in foreign.json.get("errors", ())), (place, foreign)
        assert routes.state(admin_engine, tenant) == ours
        assert routes.state(admin_engine, other_tenant) == before
        absent = rows.ask(route, naming(uuid4()), headers=matching)
        assert without_instance(absent) == without_instance(foreign)
        answer = rows.ask(route, naming(rows.ids[table]), headers=matching)
        assert routes.accepted(route, answer), (
            f"tests/feeding.py does not know how to feed {name} of {routes.key(route)}: {answer.status} {answer.content!r}"
        )
        version = answer.headers.get("etag", version)
        assert routes.state(admin_engine, other_tenant) == before


@pytest.mark.parametrize("route", routes.routes("GET"))
def test_in_the_query(route, rows, theirs, other_tenant, admin_engine):
    before = routes.state(admin_engine, other_tenant)
    words = {name: schema for name, schema in routes.query(route).items() if schema.get("type") == "string" and "enum" not in schema}
    named = {name: routes.table_named(name) for name, schema in words.items() if schema.get("format") == "uuid" or routes.table_named(name)}
    for name, table in named.items():
        assert table, f"{routes.key(route)}: tests/feeding.py, NAMES does not say whose row the filter {name} names"
        values = [
            str(theirs.ids[table]),
            *([theirs.value("slug", table)] if table in {"reps", "organizations", "contacts", "locations"} else []),
        ]
        for value in values:
            answer = rows.ask(route, target=f"{rows.target(route)}?{name}={value}")
            assert answer.status in {400, 404} or (answer.status == 200 and answer.json["data"] == []), (name, answer)
        assert rows.ask(route, target=f"{rows.target(route)}?{name}={rows.ids[table]}").status == 200
    assert routes.state(admin_engine, other_tenant) == before


@pytest.mark.parametrize("route", routes.routes("GET"))
def test_nothing_of_theirs_in_any_answer(route, rows, theirs):
    """Whatever is read with our credential, no id of theirs is in it."""
    answer = rows.ask(route)
    assert answer.status in {200, 404, 409}, answer
    found = answer.content.decode()

    assert not [table for table, one in theirs.ids.items() if str(one) in found]


@pytest.mark.parametrize("route", [one for one in routes.routes("GET") if not with_parameters(one)])
def test_their_cursor_is_not_ours(route, rows, theirs, tenant, other_tenant):
    if "cursor" not in routes.query(route):
        return
    theirs_first = routes.send("GET", f"{route.path}?limit=1", token=theirs.token(route))
    if not theirs_first.json["has_more"]:
        return
    cursor = theirs_first.json["next_cursor"]

    assert routes.send("GET", f"{route.path}?limit=1&cursor={cursor}", token=theirs.token(route)).status == 200
    answer = routes.send("GET", f"{route.path}?limit=1&cursor={cursor}", token=rows.token(route))
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "#/query/cursor")


@pytest.mark.parametrize("route", routes.routes())
def test_a_client_of_the_portal_gets_nowhere_else(route, rows):
    if not routes.needs_a_credential(route):
        return
    portal = route.path.startswith("/api/portal/")
    answer = rows.ask(route, token=rows.tenant.admin if portal else rows.portal)

    # A person's own account takes no tenant's credential for one.
    refusal = (401, "unauthorized") if route.path.startswith("/api/person/") else (403, "forbidden")
    assert (answer.status, json.loads(answer.content)["code"]) == refusal, answer


def test_the_walk_finds_what_there_is():
    """So that an error in the walking would not pass for safety."""
    assert len([one for one in routes.routes() if with_parameters(one)]) > 40
    places = {
        (routes.key(route.values[0]), name)
        for route in body_places()
        if (schema := routes.body_schema(route.values[0]))
        for _, name in routes.uuid_places(schema)
    }
    assert {
        ("POST /api/organizations", "assigned_rep_id"),
        ("PATCH /api/contacts/{contact_id}", "location_id"),
        ("POST /api/imports", "mapping_id"),
    } <= places
