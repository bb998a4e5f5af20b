"""The list of addresses that nothing is sent to."""

import pytest
from sqlalchemy import text

from clientway import db
from clientway.messaging.suppressions import service
from clientway.messaging.suppressions.schemas import Suppression


def add(invoke, address="ana@bistro.example", channel="email", **given):
    return invoke("messaging/suppressions", method="POST", body={"channel": channel, "address": address, **given.pop("body", {})}, **given)


def lift(invoke, one, reason="They asked us to", **given):
    return invoke("messaging/suppression_lift", path={"suppression_id": one}, body={"reason": reason}, **given)


def found(invoke, **query):
    answer = invoke("messaging/suppressions", query=query)
    assert answer.status == 200, answer.body
    return answer.json["data"]


def told(tenant, channel, address, reason, **given):
    with db.job_transaction(tenant.id) as tx:
        return service.suppress(tx, channel, address, reason, **given)


def audited(admin_engine, tenant):
    with admin_engine.connect() as connection:
        return list(
            connection.execute(text("select action, changes from audit_log where tenant_id = :t order by at, id"), {"t": tenant.id})
        )


def test_one_is_added_read_and_lifted(invoke, tenant, admin_engine):
    answer = add(invoke, "  Ana@BISTRO.example ", body={"detail": "She rang"}, token=tenant.editor)
    one = Suppression.model_validate_json(answer.body)

    assert (answer.status, one.address, one.reason, one.detail, one.lifted_at) == (201, "ana@bistro.example", "manual", "She rang", None)
    assert invoke("messaging/suppression", path={"suppression_id": one.id}).json == answer.json
    again = add(invoke, "ana@bistro.example")
    assert (again.status, again.json["id"]) == (200, str(one.id))

    lifted = lift(invoke, one.id, token=tenant.editor)
    assert (lifted.status, lifted.json["lift_reason"], lifted.json["version"]) == (200, "They asked us to", 2)
    assert lifted.json["lifted_at"] is not None
    refused = lift(invoke, one.id)
    assert (refused.status, refused.json["code"]) == (409, "already_lifted")
    new = add(invoke)
    assert (new.status, new.json["id"] == str(one.id)) == (201, False)
    assert [action for action, _ in audited(admin_engine, tenant)] == ["suppression.created", "suppression.lifted", "suppression.created"]
    assert "bistro" not in str(audited(admin_engine, tenant))


def test_numbers_are_read_in_the_tenants_region(invoke):
    assert add(invoke, "(305) 555-0199", "sms").json["address"] == "+13055550199"
    assert [one["address"] for one in found(invoke, address="305.555.0199")] == ["+13055550199"]
    assert [one["address"] for one in found(invoke, address="+1 305 555 0199", channel="sms")] == ["+13055550199"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"address": "nobody"}, "#/address"),
        ({"channel": "sms", "address": "12"}, "#/address"),
        ({"channel": "fax"}, "#/channel"),
        ({"address": "   "}, "#/address"),
        ({"detail": "x" * 501}, "#/detail"),
        ({"reason": "stop"}, "#/reason"),
    ],
)
def test_what_is_no_suppression(invoke, body, pointer):
    answer = invoke("messaging/suppressions", method="POST", body={"channel": "email", "address": "a@b.example", **body})

    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, pointer)
    assert found(invoke) == []


def test_a_filter_that_is_no_address(invoke):
    for query, code in (
        ({"address": "x@"}, "invalid_email"),
        ({"address": "12"}, "invalid_phone"),
        ({"address": "a", "channel": "email"}, "invalid_email"),
    ):
        answer = invoke("messaging/suppressions", query=query)
        assert (answer.status, answer.json["errors"][0]["code"], answer.json["errors"][0]["pointer"]) == (400, code, "#/query/address")


def test_the_list_is_filtered_and_paged(invoke, tenant):
    for n in range(5):
        told(tenant, "email", f"p{n}@bistro.example", "hard_bounce" if n % 2 else "complaint")
    told(tenant, "sms", "+13055550199", "stop")
    lift(invoke, found(invoke, address="p0@bistro.example")[0]["id"])

    assert {one["address"] for one in found(invoke, reason="hard_bounce")} == {"p1@bistro.example", "p3@bistro.example"}
    assert [one["reason"] for one in found(invoke, channel="sms")] == ["stop"]
    assert found(invoke, address="p0@bistro.example") == []
    assert len(found(invoke, address="p0@bistro.example", include_lifted="true")) == 1
    seen, cursor = [], {}
    while True:
        page = invoke("messaging/suppressions", query={"limit": 2, "sort": "created_at", **cursor}).json
        seen += [one["address"] for one in page["data"]]
        if not page["has_more"]:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == [f"p{n}@bistro.example" for n in range(1, 5)] + ["+13055550199"]


@pytest.mark.parametrize("reason", ["complaint", "stop"])
def test_what_a_recipient_said_only_an_admin_lifts(invoke, tenant, reason):
    one = told(tenant, "email", "ana@bistro.example", reason).id
    refused = lift(invoke, one, token=tenant.editor)

    assert refused.status == 403
    assert len(found(invoke)) == 1
    assert lift(invoke, one, token=tenant.admin).status == 200


def test_each_reason_stands_by_itself(invoke, tenant, admin_engine):
    by_hand = add(invoke).json["id"]
    same = told(tenant, "email", "ANA@bistro.example", "manual", detail="again")
    other = told(tenant, "email", "ana@bistro.example", "complaint", detail="abuse")
    again = told(tenant, "email", "ana@bistro.example", "complaint")

    assert (str(same.id), same.changed) == (by_hand, False)
    assert (other.changed, again.id, again.changed) == (True, other.id, False)
    assert {one["reason"] for one in found(invoke, address="ana@bistro.example")} == {"manual", "complaint"}
    assert len(audited(admin_engine, tenant)) == 2
    assert lift(invoke, by_hand, token=tenant.editor).status == 200
    assert [one["reason"] for one in found(invoke)] == ["complaint"]


def test_start_lifts_what_stop_put_there_and_nothing_else(tenant, invoke):
    told(tenant, "sms", "+13055550199", "stop")
    told(tenant, "sms", "+13055550199", "manual")
    told(tenant, "sms", "+13055550188", "hard_bounce")
    with db.job_transaction(tenant.id) as tx:
        said = [
            service.lift(tx, "sms", number, reason="stop", why="START") for number in ("+13055550199", "+13055550188", "+13055550177", "x")
        ]

    assert said == [True, False, False, False]
    assert {(one["address"], one["reason"]) for one in found(invoke)} == {("+13055550188", "hard_bounce"), ("+13055550199", "manual")}


def test_what_is_no_address_is_nothing_to_suppress(tenant):
    assert told(tenant, "email", "undisclosed-recipients:;", "hard_bounce") is None


def test_viewers_read_and_strangers_see_nothing(invoke, tenant, other_tenant):
    one = add(invoke).json["id"]

    assert invoke("messaging/suppressions", token=tenant.viewer).json["data"][0]["id"] == one
    assert add(invoke, "b@bistro.example", token=tenant.viewer).status == 403
    assert lift(invoke, one, token=tenant.viewer).status == 403
    assert invoke("messaging/suppressions", token=other_tenant.admin).json["data"] == []
    assert invoke("messaging/suppressions", query={"address": "ana@bistro.example"}, token=other_tenant.admin).json["data"] == []
    assert invoke("messaging/suppression", path={"suppression_id": one}, token=other_tenant.admin).status == 404
    assert lift(invoke, one, token=other_tenant.admin).status == 404
    assert lift(invoke, one, reason=" ").status == 422
    assert found(invoke)[0]["lifted_at"] is None


def test_a_repeated_request_is_answered_as_before(invoke, tenant):
    first, second = (add(invoke, headers={"Idempotency-Key": "k1"}) for _ in range(2))

    assert (first.status, second.status, second.headers["Idempotent-Replayed"]) == (201, 201, "true")
    assert first.body == second.body
    assert add(invoke, "c@bistro.example", headers={"Idempotency-Key": "k1"}).status == 422


def test_the_hash_is_another_in_another_tenant(tenant, other_tenant, admin_engine):
    for one in (tenant, other_tenant):
        told(one, "email", "ana@bistro.example", "manual")
    with admin_engine.connect() as connection:
        statement = text("select count(distinct address_hash) from suppressions where tenant_id = any(:t)")
        assert connection.execute(statement, {"t": [tenant.id, other_tenant.id]}).scalar() == 2
