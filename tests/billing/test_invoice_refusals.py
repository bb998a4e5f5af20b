"""Invoices that are refused, and who may do what to them."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from tests.billing.invoicing import LINE, job, service
from tests.billing.invoicing import billed as _billed
from tests.billing.paying import client as _client
from tests.billing.paying import keyed, make_client, private_contact
from tests.fixtures import make_tenant

client, billed = _client, _billed


@pytest.mark.parametrize("what", ["open", "void", "uncollectible"])
def test_moves_of_what_is_elsewhere(billed, what):
    opened = billed.opened()
    if what != "open":
        billed.pay(10_000, invoice_id=opened["id"])

    refused = billed.post(what, opened["id"])

    assert (refused.status, refused.json["code"]) == (409, "invoice_move_refused")
    assert billed.post(what, str(uuid4())).status == 404


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"contact_id": None}, "#/contact_id", "missing"),
        ({"contact_id": uuid4()}, "#/contact_id", "unknown_contact"),
        ({"job_id": uuid4()}, "#/job_id", "unknown_job"),
        ({"lines": [], "open": True}, "#/lines", "missing"),
        ({"lines": [{"unit_price_cents": 1}]}, "#/lines/0/description", "missing"),
        ({"lines": [LINE, {"description": "x"}]}, "#/lines/1/unit_price_cents", "missing"),
        ({"lines": [{**LINE, "service_id": uuid4()}]}, "#/lines/0/service_id", "unknown_service"),
        ({"lines": [{**LINE, "job_id": uuid4()}]}, "#/lines/0/job_id", "unknown_job"),
        ({"lines": [{**LINE, "unit_price_cents": -1}]}, "#/lines", "negative_total"),
        ({"lines": [{**LINE, "quantity": 0.0001}]}, "#/lines/0/quantity", "greater_than_equal"),
        ({"lines": [{**LINE, "quantity": 1.2345}]}, "#/lines/0/quantity", "value_error"),
        ({"lines": [{**LINE, "quantity": "1"}]}, "#/lines/0/quantity", "float_type"),
        ({"lines": [{**LINE, "tax_rate_bps": 10_001}]}, "#/lines/0/tax_rate_bps", "less_than_equal"),
        ({"lines": [{**LINE, "description": " "}]}, "#/lines/0/description", "string_too_short"),
        ({"due_on": "2030-01-01", "terms_days": 3}, "#/terms_days", "exclusive"),
        ({"due_on": "0001-01-01", "open": True}, "#/due_on", "too_far"),
        ({"due_on": "9999-12-31", "open": True}, "#/due_on", "too_far"),
        ({"total_cents": 5}, "#/total_cents", "extra_forbidden"),
        ({"currency": "usd"}, "#/currency", "string_pattern_mismatch"),
    ],
)
def test_what_cannot_be_billed_says_where(billed, body, pointer, code):
    refused = billed.draft(status=422, **body)

    assert (pointer, code) in {(one["pointer"], one["code"]) for one in refused["errors"]}
    assert billed.rows("select id from invoices where tenant_id = :t") == []


def test_a_service_in_another_currency_needs_a_price(billed):
    euros = service(billed.engine, billed.tenant, currency="EUR")

    refused = billed.draft({"service_id": euros}, status=422)

    assert refused["errors"][0]["code"] == "other_currency"
    assert billed.draft({"service_id": euros}, currency="EUR")["total_cents"] == 12_000
    assert billed.draft({"service_id": euros, "unit_price_cents": 5})["total_cents"] == 5


def test_nobody_bills_with_another_clients_job_or_anothers_rows(billed, admin_engine, invoke):
    neighbour = make_client(admin_engine, billed.tenant, invoke)
    elsewhere = job(admin_engine, billed.tenant, neighbour.organization_id, neighbour.contact_id)
    for body in ({"job_id": elsewhere}, {"lines": [{**LINE, "job_id": elsewhere}]}):
        assert billed.draft(status=422, **body)["errors"][0]["code"] == "unknown_job"
    draft = billed.draft()
    assert billed.patch(draft, {"lines": [{**LINE, "job_id": str(elsewhere)}]}).status == 422
    stranger = make_tenant(admin_engine)
    opened = billed.opened()
    for function in ("invoice", "invoice_credit_notes"):
        assert billed.invoke(f"billing/{function}", path={"invoice_id": opened["id"]}, token=stranger.admin).status == 404
    for what, body in (("open", None), ("void", None), ("uncollectible", None), ("credit_notes", {"amount_cents": 1, "reason": "x"})):
        assert billed.post(what, opened["id"], body, token=stranger.admin).status == 404
    assert (
        billed.invoke(
            "billing/invoices",
            method="POST",
            body={"contact_id": billed.contact_id, "lines": [LINE]},
            headers=keyed(),
            token=stranger.admin,
        ).status
        == 422
    )
    assert billed.read(opened["id"]) == opened


def test_who_may_do_what(billed):
    draft, opened = billed.draft(), billed.opened()
    viewer, editor = billed.tenant.viewer, billed.tenant.editor

    assert billed.invoke("billing/invoice", path={"invoice_id": draft["id"]}, token=viewer).status == 200
    for what, role in (("open", viewer), ("void", viewer), ("uncollectible", editor)):
        assert billed.post(what, opened["id"], token=role).status == 403
    assert billed.post("credit_notes", opened["id"], {"amount_cents": 1, "reason": "x"}, token=editor).status == 403
    assert (
        billed.invoke("billing/invoices", method="POST", body={"contact_id": billed.contact_id}, headers=keyed(), token=viewer).status
        == 403
    )
    assert billed.patch(draft, {"notes": "x"}, token=viewer).status == 403
    headers = {"If-Match": '"1"'}
    assert billed.invoke("billing/billing_settings", method="PATCH", body={}, headers=headers, token=editor).status == 403
    assert billed.post("open", draft["id"], token=editor).status == 200


@pytest.mark.parametrize("how", [{}, {"open": True}])
def test_a_due_date_does_not_move_out_of_this_world(billed, how):
    invoice = billed.draft(LINE, **how)

    refused = billed.patch(invoice, {"due_on": "0001-01-01"})

    assert (refused.status, refused.json["errors"][0]["code"]) == (422, "too_far")


def test_stale_changes_are_refused(billed):
    draft = billed.draft()
    path = {"invoice_id": draft["id"]}

    assert billed.invoke("billing/invoice", method="PATCH", path=path, body={"notes": "x"}).status == 428
    stale = billed.invoke("billing/invoice", method="PATCH", path=path, body={"notes": "x"}, headers={"If-Match": '"7"'})
    assert (stale.status, stale.headers["ETag"]) == (412, '"1"')


@pytest.mark.parametrize(
    ("change", "code"),
    [("lifecycle_stage = 'blacklist'", "contact_blacklisted"), ("deleted_at = now()", "organization_deleted")],
)
def test_nobody_bills_who_is_blacklisted_or_gone(billed, change, code):
    draft = billed.draft()
    with billed.engine.connect() as connection:
        connection.execute(text(f"update organizations set {change} where tenant_id = :t"), {"t": billed.tenant.id})

    assert billed.draft(status=409)["code"] == code
    refused = billed.post("open", draft["id"])
    assert (refused.status, refused.json["code"]) == (409, code)
    assert billed.rows("select number from invoices where tenant_id = :t and number is not null") == []


def test_who_was_merged_is_billed_under_another_id(billed):
    into = private_contact(billed.engine, billed.tenant)
    with billed.engine.connect() as connection:
        statement = "update contacts set merged_into = :into, deleted_at = now() where tenant_id = :t and id = :c"
        connection.execute(text(statement), {"t": billed.tenant.id, "c": billed.contact_id, "into": into})

    refused = billed.draft(status=409)

    assert refused["merged_into"] == str(into)
