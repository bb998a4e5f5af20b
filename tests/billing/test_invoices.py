"""Invoices through their handlers: drafted, changed, opened, taken back."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from clientway.billing.invoices import service as service_of_invoices
from clientway.billing.invoices.schemas import Invoice, InvoiceCreate, InvoiceWithLines
from clientway.ids import uuid7
from clientway.schemas import Page
from tests.billing.invoicing import LINE, job, service
from tests.billing.invoicing import billed as _billed
from tests.billing.paying import as_admin, keyed, make_client, private_contact
from tests.billing.paying import client as _client

client, billed = _client, _billed


def test_a_draft_has_its_lines_priced_and_no_number(billed):
    draft = billed.draft(
        {"description": "Hours", "quantity": 1.5, "unit_price_cents": 3_333, "tax_rate_bps": 700},
        {"description": "Goodwill", "unit_price_cents": -1_000},
        discount_bps=1_000,
        notes="Thank you",
        terms_days=30,
    )

    InvoiceWithLines.model_validate_json(billed.invoke("billing/invoice", path={"invoice_id": draft["id"]}).body)
    assert billed.read(draft["id"]) == draft
    assert [(one["quantity"], one["amount_cents"], one["tax_cents"]) for one in draft["lines"]] == [(1.5, 5_000, 315), (1, -1_000, 0)]
    assert [draft[name] for name in ("subtotal_cents", "discount_cents", "tax_cents", "total_cents")] == [4_000, 400, 315, 3_915]
    assert (draft["status"], draft["number"], draft["payment_state"], draft["overdue"]) == ("draft", None, "unpaid", False)
    assert (draft["due_on"], draft["terms_days"], draft["currency"]) == (None, 30, "USD")
    assert draft["organization_id"] == str(billed.organization_id)
    assert draft["contact"]["first_name"] == "Ana"
    [audit] = billed.rows("select to_jsonb(a) from audit_log a where a.tenant_id = :t and a.action = 'invoice.created'")
    assert (audit["object_id"], audit["changes"]["total_cents"]) == (draft["id"], 3_915)
    assert billed.told("invoice_opened") == []


def test_what_a_line_leaves_open_comes_from_service_client_and_settings(billed):
    settings = billed.invoke("billing/billing_settings")
    billed.invoke("billing/billing_settings", method="PATCH", body={"tax_rate_bps": 500}, headers={"If-Match": settings.etag})
    taxed, plain = (service(billed.engine, billed.tenant, tax_rate_bps=rate) for rate in (2_000, None))

    def rates(**body):
        lines = [{"service_id": taxed}, {"service_id": plain, "quantity": 2}, LINE, {**LINE, "tax_rate_bps": 0}]
        return [(one["unit_price_cents"], one["tax_rate_bps"]) for one in billed.draft(*lines, **body)["lines"]]

    assert rates() == [(12_000, 2_000), (12_000, 500), (10_000, 500), (10_000, 0)]
    with billed.engine.connect() as connection:
        connection.execute(text("update contacts set tax_rate_bps = 0 where tenant_id = :t"), {"t": billed.tenant.id})
    assert rates() == [(12_000, 2_000), (12_000, 0), (10_000, 0), (10_000, 0)]


def test_a_job_is_billed_as_it_is_and_once(billed):
    job_id = job(billed.engine, billed.tenant, billed.organization_id, billed.contact_id)

    made = billed.invoke("billing/invoices", method="POST", body={"job_id": job_id, "open": True}, headers=keyed()).json

    assert [(one["description"], one["amount_cents"], one["job_id"]) for one in made["lines"]] == [("Spring clean", 8_500, str(job_id))]
    assert (made["job_id"], made["contact_id"], made["status"]) == (str(job_id), str(billed.contact_id), "open")
    again = billed.invoke("billing/invoices", method="POST", body={"job_id": job_id}, headers=keyed())
    assert (again.status, again.json["code"], again.json["invoice_id"]) == (409, "job_invoiced", made["id"])
    # Somebody who says what else there is to bill may.
    assert billed.draft(LINE, job_id=job_id)["job_id"] == str(job_id)
    assert billed.post("void", made["id"]).status == 200
    assert len(billed.rows("select id from invoices where tenant_id = :t")) == 2


def test_a_private_client_gets_an_organization_with_the_first_invoice(billed):
    contact_id = private_contact(billed.engine, billed.tenant)

    made = billed.draft(LINE, contact_id=contact_id)

    assert billed.row("contacts", contact_id)["organization_id"] == made["organization_id"]
    assert billed.row("organizations", made["organization_id"])["entity_type"] == "individual"


def test_opening_gives_a_number_a_due_date_and_tells_everybody(billed):
    billed.reachable()
    settings = billed.invoke("billing/billing_settings")
    changes = {"invoice_prefix": "2026/", "next_number": 41, "terms_days": 10}
    billed.invoke("billing/billing_settings", method="PATCH", body=changes, headers={"If-Match": settings.etag})
    draft = billed.draft(LINE)

    opened = billed.post("open", draft["id"])

    assert opened.status == 200, opened.body
    InvoiceWithLines.model_validate_json(opened.body)
    assert opened.json == billed.read(draft["id"])
    assert opened.etag == f'"{draft["version"] + 1}"'
    today = datetime.now(UTC).date()
    assert (opened.json["number"], opened.json["number_text"], opened.json["status"]) == (41, "2026/41", "open")
    assert (opened.json["issued_on"], opened.json["due_on"]) == (today.isoformat(), (today + timedelta(days=10)).isoformat())
    assert opened.json["payment_page_status"] == "none"
    [told] = billed.told("invoice_opened")
    assert told["title"] == "Invoice 2026/41: opened, 100.00 USD"
    assert (told["contact_id"], told["organization_id"], told["client_visible"]) == (
        str(billed.contact_id),
        str(billed.organization_id),
        True,
    )
    assert told["metadata"]["invoice_id"] == draft["id"]
    assert [one["number"] for one in billed.published("invoice.opened")] == ["2026/41"]
    assert [one["rule"] for one in billed.reminders(draft["id"])] == ["due_minus_2d", "due_day"]
    assert billed.published("stripe.page.create") == []


def test_made_and_opened_at_once(billed):
    billed.reachable()

    opened = billed.opened(2_500, due_on="2030-01-31")

    assert (opened["number_text"], opened["due_on"], opened["total_cents"]) == ("INV-1", "2030-01-31", 2_500)
    assert len(billed.reminders(opened["id"])) == 2
    assert len(billed.told("invoice_opened")) == 1
    assert billed.opened()["number"] == 2


def test_an_invoice_is_issued_on_the_tenants_day(billed):
    # The far ends of the world: at any moment their days differ.
    days = set()
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        with billed.engine.connect() as connection:
            connection.execute(text("update tenants set time_zone = :z where tenant_id = :t"), {"z": zone, "t": billed.tenant.id})
        days.add(date.fromisoformat(billed.opened()["issued_on"]))

    assert len(days) == 2


def test_overdue_is_by_the_tenants_day_and_only_while_something_is_owed(billed):
    today = datetime.now(UTC).date()
    late = billed.opened(due_on=(today - timedelta(days=2)).isoformat())
    later = billed.opened(due_on=(today + timedelta(days=2)).isoformat())

    def overdue(wanted):
        answer = billed.invoke("billing/invoices", query={"overdue": wanted})
        return {one["id"] for one in answer.json["data"]}

    assert (late["overdue"], later["overdue"]) == (True, False)
    assert (overdue("true"), overdue("false")) == ({late["id"]}, {later["id"]})
    billed.pay(10_000, invoice_id=late["id"])
    assert overdue("true") == set()
    assert billed.read(late["id"])["overdue"] is False


def test_a_zone_that_postgresql_does_not_know_is_taken_as_utc(billed):
    with billed.engine.connect() as connection:
        connection.execute(text("update tenants set time_zone = 'Mars/Olympus' where tenant_id = :t"), {"t": billed.tenant.id})

    draft = billed.draft(LINE)

    assert billed.invoke("billing/invoices").json["data"][0]["id"] == draft["id"]
    assert billed.post("open", draft["id"]).status == 200


def test_an_invoice_of_nothing_is_paid_at_once(billed):
    opened = billed.draft({**LINE, "discount_bps": 10_000}, open=True)

    assert (opened["status"], opened["payment_state"], opened["total_cents"], opened["number"]) == ("paid", "paid", 0, 1)
    assert opened["paid_at"] is not None
    assert len(billed.told("invoice_paid")) == 1
    assert billed.reminders(opened["id"]) == []


def test_a_draft_changes_as_a_whole(billed):
    draft = billed.draft(LINE, {**LINE, "description": "More"}, due_on="2030-01-01")
    ids = {one["id"] for one in draft["lines"]}

    changed = billed.patch(draft, {"lines": [{**LINE, "description": "Windows"}], "terms_days": 7, "notes": "x"})

    assert changed.status == 200, changed.body
    InvoiceWithLines.model_validate_json(changed.body)
    assert [one["description"] for one in changed.json["lines"]] == ["Windows"]
    assert not ids & {one["id"] for one in changed.json["lines"]}
    assert (changed.json["due_on"], changed.json["terms_days"], changed.json["total_cents"]) == (None, 7, 10_000)
    assert billed.read(draft["id"]) == changed.json
    discounted = billed.patch(draft, {"discount_bps": 2_500}).json
    assert (discounted["total_cents"], discounted["notes"], len(discounted["lines"])) == (7_500, "x", 1)
    assert billed.patch(draft, {"due_on": "2031-01-01"}).json["terms_days"] is None
    assert billed.patch(draft, {"lines": []}).json["total_cents"] == 0
    refused = billed.post("open", draft["id"])
    assert (refused.status, refused.json["code"]) == (409, "invoice_empty")


def test_of_an_open_invoice_only_due_date_and_notes_change(billed):
    billed.reachable()
    opened = billed.opened(due_on="2030-06-15")

    moved = billed.patch(opened, {"due_on": "2030-07-01", "notes": "later"})

    assert (moved.status, moved.json["due_on"], moved.json["notes"]) == (200, "2030-07-01", "later")
    states = [(one["rule"], one["state"]) for one in billed.reminders(opened["id"])]
    assert states == [("due_minus_2d", "canceled"), ("due_day", "canceled"), ("due_minus_2d", "scheduled"), ("due_day", "scheduled")]
    refused = billed.patch(opened, {"discount_bps": 100, "lines": [LINE]})
    assert (refused.status, refused.json["code"]) == (409, "invoice_sent")
    assert {one["pointer"] for one in refused.json["errors"]} == {"#/discount_bps", "#/lines"}
    without = billed.patch(opened, {"due_on": None})
    assert (without.status, without.json["errors"][0]["pointer"]) == (422, "#/due_on")
    billed.pay(10_000, invoice_id=opened["id"])
    over = billed.patch(opened, {"notes": "x"})
    assert (over.status, over.json["code"]) == (409, "invoice_not_open")


def test_a_draft_is_deleted_and_what_has_a_number_is_not(billed):
    draft, opened = billed.draft(LINE), billed.opened()

    def delete(one, **headers):
        return billed.invoke("billing/invoice", method="DELETE", path={"invoice_id": one["id"]}, headers=headers)

    assert delete(draft).status == 428
    assert delete(draft, **{"If-Match": '"9"'}).status == 412
    assert delete(draft, **{"If-Match": '"1"'}).status == 204
    assert billed.invoke("billing/invoice", path={"invoice_id": draft["id"]}).status == 404
    assert billed.rows("select id from invoice_lines where tenant_id = :t and invoice_id = :i", i=draft["id"]) == []
    refused = delete(opened, **{"If-Match": '"1"'})
    assert (refused.status, refused.json["code"]) == (409, "invoice_sent")


def test_the_database_deletes_no_invoice_that_has_a_number(billed, tx):
    opened = billed.opened()

    deleted = tx.execute(text("delete from invoices i where i.tenant_id = app.tenant() and i.id = :i"), {"i": opened["id"]})

    assert deleted.rowcount == 0


def test_a_void_invoice_keeps_its_number_and_owes_nothing(billed):
    billed.reachable()
    opened = billed.opened()

    void = billed.post("void", opened["id"])

    assert void.status == 200, void.body
    assert (void.json["status"], void.json["number"], void.json["balance_cents"]) == ("void", 1, 0)
    assert {one["state"] for one in billed.reminders(opened["id"])} == {"canceled"}
    assert [one["title"] for one in billed.told("invoice_voided")] == ["Invoice INV-1: void, 100.00 USD"]
    assert billed.opened()["number"] == 2
    again = billed.post("void", opened["id"])
    assert (again.status, again.json["code"], again.json["legal"]) == (409, "invoice_move_refused", [])


def test_what_money_pays_is_not_voided(billed):
    opened = billed.opened()
    billed.pay(100, invoice_id=opened["id"])

    refused = billed.post("void", opened["id"])

    assert (refused.status, refused.json["code"], refused.json["allocated_cents"]) == (409, "invoice_has_payments", 100)


def test_what_was_written_off_can_be_paid_all_the_same(billed):
    opened = billed.opened()

    written_off = billed.post("uncollectible", opened["id"]).json

    assert (written_off["status"], written_off["balance_cents"], written_off["overdue"]) == ("uncollectible", 10_000, False)
    billed.pay(4_000, invoice_id=opened["id"])
    assert billed.read(opened["id"])["status"] == "uncollectible"
    billed.pay(6_000, invoice_id=opened["id"])
    paid = billed.read(opened["id"])
    assert (paid["status"], paid["uncollectible_at"], paid["payment_state"]) == ("paid", None, "paid")


def test_money_moves_under_a_key_alone_and_once(billed):
    draft = billed.draft()
    path = {"invoice_id": draft["id"]}
    without = billed.invoke("billing/invoice_open", method="POST", path=path, headers={"Idempotency-Key": ""})
    assert without.status == 400
    body = {"contact_id": billed.contact_id, "lines": [LINE], "open": True}
    assert billed.invoke("billing/invoices", method="POST", body=body).status == 400

    key = keyed()
    first = billed.invoke("billing/invoices", method="POST", body=body, headers=key)
    second = billed.invoke("billing/invoices", method="POST", body=body, headers=key)
    opened = [billed.invoke("billing/invoice_open", method="POST", path=path, headers=key) for _ in range(2)]

    assert (first.status, second.body, second.headers["Idempotent-Replayed"]) == (201, first.body, "true")
    assert opened[0].body == opened[1].body
    assert [one.json["number"] for one in (first, opened[0])] == [1, 2]


def test_a_list_turns_its_pages_and_keeps_to_its_filters(billed, admin_engine, invoke):
    made = [billed.draft()["id"] for _ in range(5)]
    opened = billed.opened(due_on="2030-02-01")
    neighbour = make_client(admin_engine, billed.tenant, invoke)
    job_id = job(admin_engine, billed.tenant, neighbour.organization_id, neighbour.contact_id)
    other = billed.draft(contact_id=neighbour.contact_id, job_id=job_id)["id"]

    def ids(**query):
        found, cursor = [], None
        while True:
            answer = billed.invoke("billing/invoices", query={**query, "limit": 2, **({"cursor": cursor} if cursor else {})})
            Page[Invoice].model_validate_json(answer.body)
            found += [one["id"] for one in answer.json["data"]]
            cursor = answer.json["next_cursor"]
            if not cursor:
                return found

    assert ids(sort="created_at") == [*made, opened["id"], other]
    assert ids() == [other, opened["id"], *reversed(made)]
    assert ids(contact_id=neighbour.contact_id) == ids(organization_id=neighbour.organization_id) == ids(job_id=job_id) == [other]
    assert ids(status="open") == ids(due_before="2030-02-02") == ids(sort="due_on") == [opened["id"]]
    assert ids(due_before="2030-02-01") == []
    assert ids(updated_since=opened["updated_at"]) == [other, opened["id"]]
    assert billed.invoke("billing/invoices", query={"status": "late"}).status == 400
    assert billed.invoke("billing/invoices", query={"sort": "total_cents"}).status == 400


def test_a_recurring_invoice_is_made_once_for_a_day(billed):
    recurring_id = uuid7()
    with billed.engine.connect() as connection:
        connection.execute(
            text("""insert into recurring_invoices (tenant_id, id, organization_id, contact_id, name, lines, currency, rrule, starts_on, time_zone)
                    values (:t, :i, :o, :c, 'Plan', '[]', 'USD', 'FREQ=MONTHLY', '2026-01-01', 'UTC')"""),
            {"t": billed.tenant.id, "i": recurring_id, "o": billed.organization_id, "c": billed.contact_id},
        )
    wanted = InvoiceCreate.model_validate({"contact_id": billed.contact_id, "lines": [LINE], "open": True})

    def issue():
        with as_admin(billed.tenant) as tx:
            service_of_invoices.create(tx, wanted, recurrence=service_of_invoices.Recurrence(recurring_id, date(2026, 11, 1)))

    issue()
    with pytest.raises(service_of_invoices.AlreadyIssued):
        issue()
    assert billed.rows("select number from invoices where tenant_id = :t") == [1]
    assert billed.opened()["number"] == 2
