"""What is offered, how long it takes and what it costs."""

import pytest

from clientway.work.services.schemas import Service


@pytest.fixture
def offer(invoke):
    def call(name="Deep clean", **body):
        answer = invoke("work/services", method="POST", body={"name": name, **body})
        assert answer.status == 201, answer.body
        return answer.json

    return call


def change(invoke, service, body, *, method="PATCH", **more):
    headers = {"If-Match": f'"{service["version"]}"'}
    return invoke("work/service", method=method, path={"service_id": service["id"]}, body=body, headers=headers, **more)


def test_a_service_is_offered_in_the_tenants_currency(invoke):
    answer = invoke("work/services", method="POST", body={"name": "  Deep clean ", "duration_minutes": 90, "price_cents": 12000})

    service = Service.model_validate_json(answer.body)
    assert (service.name, service.currency, service.duration_minutes, service.active) == ("Deep clean", "USD", 90, True)
    assert answer.etag == '"1"'
    assert invoke("work/service", path={"service_id": service.id}).body == answer.body


def test_a_name_is_offered_once(invoke, offer):
    first = offer("Deep clean")
    again = invoke("work/services", method="POST", body={"name": "Deep clean"})
    assert (again.status, again.json["code"], again.json["service_id"]) == (409, "service_exists", first["id"])
    other = offer("Windows")

    renamed = change(invoke, other, {"name": "Deep clean"})
    assert (renamed.status, renamed.json["code"], renamed.json["service_id"]) == (409, "service_exists", first["id"])
    assert change(invoke, first, None, method="DELETE").status == 204
    assert change(invoke, other, {"name": "Deep clean"}).status == 200
    # The first would come back under a name that is taken by now, unless it gets another.
    first["version"] = 2
    assert change(invoke, first, {"active": True}).json["service_id"] == other["id"]
    assert change(invoke, first, {"active": True, "name": "Deeper clean"}).json["active"] is True


def test_what_is_sent_is_replaced_and_null_clears(invoke, offer):
    service = offer(description="All rooms", tax_rate_bps=700)
    answer = change(invoke, service, {"description": None, "price_cents": 5})

    assert {name: answer.json[name] for name in ("description", "price_cents", "tax_rate_bps", "version")} == {
        "description": None,
        "price_cents": 5,
        "tax_rate_bps": 700,
        "version": 2,
    }
    assert change(invoke, service, {"price_cents": 6}).status == 412
    assert invoke("work/service", method="PATCH", path={"service_id": service["id"]}, body={"price_cents": 6}).status == 428


def test_withdrawing_twice_changes_nothing_more(invoke, offer):
    service = offer()
    assert change(invoke, service, None, method="DELETE").status == 204
    assert change(invoke, service, None, method="DELETE").status == 412
    assert change(invoke, {**service, "version": 2}, None, method="DELETE").status == 204
    read = invoke("work/service", path={"service_id": service["id"]}).json
    assert (read["active"], read["version"]) == (False, 2)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/name"),
        ({"name": " "}, "#/name"),
        ({"name": "x", "duration_minutes": 0}, "#/duration_minutes"),
        ({"name": "x", "price_cents": -1}, "#/price_cents"),
        ({"name": "x", "currency": "usd"}, "#/currency"),
        ({"name": "x", "tax_rate_bps": 10_001}, "#/tax_rate_bps"),
        ({"name": "x", "colour": "red"}, "#/colour"),
    ],
)
def test_a_body_that_breaks_a_rule_says_where(invoke, body, pointer):
    answer = invoke("work/services", method="POST", body=body)

    assert (answer.status, [one["pointer"] for one in answer.json["errors"]]) == (422, [pointer])


def test_a_list_is_paged_in_the_order_of_creation(invoke, offer):
    names = [f"Service {n}" for n in range(5)]
    made = [offer(name) for name in names]
    change(invoke, made[2], None, method="DELETE")
    found, cursor = [], None
    while True:
        query = {"limit": 2, "active": "true", **({"cursor": cursor} if cursor else {})}
        page = invoke("work/services", query=query).json
        found += [one["name"] for one in page["data"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break

    assert found == [name for name in names if name != "Service 2"]
    assert [one["name"] for one in invoke("work/services", query={"active": "false"}).json["data"]] == ["Service 2"]


def test_a_viewer_reads_and_another_tenant_finds_nothing(invoke, offer, tenant, other_tenant):
    service = offer()
    assert invoke("work/services", token=tenant.viewer).json["data"] == [service]
    assert invoke("work/services", method="POST", body={"name": "x"}, token=tenant.viewer).status == 403
    assert change(invoke, service, {"price_cents": 1}, token=tenant.viewer).status == 403
    assert change(invoke, service, {"price_cents": 1}, token=other_tenant.admin).status == 404
    assert change(invoke, service, None, method="DELETE", token=other_tenant.admin).status == 404
    assert invoke("work/service", path={"service_id": service["id"]}, token=other_tenant.admin).status == 404
    assert invoke("work/service", path={"service_id": service["id"]}).json == service


def test_a_repeated_request_offers_once(invoke):
    headers = {"Idempotency-Key": "one"}
    first = invoke("work/services", method="POST", body={"name": "Deep clean"}, headers=headers)
    again = invoke("work/services", method="POST", body={"name": "Deep clean"}, headers=headers)

    assert (again.status, again.body, again.headers["Idempotent-Replayed"]) == (201, first.body, "true")


def test_a_name_that_is_taken_between_the_look_and_the_write_is_refused_all_the_same(invoke, offer, tenant, admin_engine, monkeypatch):
    from sqlalchemy import text

    from clientway.ids import uuid7
    from clientway.work.services import service

    other, look = offer("Windows"), service._lock

    def and_then_somebody_takes_it(*args, **given):
        found = look(*args, **given)
        with admin_engine.connect() as connection:
            connection.execute(
                text("insert into services (tenant_id, id, name, currency) values (:t, :i, 'Deep clean', 'USD')"),
                {"t": tenant.id, "i": uuid7()},
            )
        return found

    monkeypatch.setattr(service, "_lock", and_then_somebody_takes_it)
    renamed = change(invoke, other, {"name": "Deep clean"})
    assert (renamed.status, renamed.json["code"]) == (409, "service_exists")
