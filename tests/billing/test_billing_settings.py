"""How a tenant bills."""

from concurrent.futures import ThreadPoolExecutor
from time import sleep
from uuid import UUID

import pytest

from clientway.billing.invoices import service
from clientway.billing.settings.schemas import BillingSettings
from tests.billing.invoicing import billed as _billed
from tests.billing.paying import as_admin
from tests.billing.paying import client as _client

client, billed = _client, _billed


def test_before_anybody_says_so_there_are_defaults(invoke):
    answer = invoke("billing/billing_settings")

    BillingSettings.model_validate_json(answer.body)
    assert answer.json == {
        "invoice_prefix": "INV-", "next_number": 1, "terms_days": 14, "tax_rate_bps": 0, "tax_label": "Tax", "footer": None, "version": 1
    }  # fmt: skip
    assert answer.etag == '"1"'


def test_settings_change_and_are_read_back(invoke, tenant):
    body = {"invoice_prefix": "", "next_number": 1_042, "terms_days": 0, "tax_rate_bps": 825, "tax_label": "Sales tax", "footer": "Thanks"}

    changed = invoke("billing/billing_settings", method="PATCH", body=body, headers={"If-Match": '"1"'})

    assert changed.status == 200, changed.body
    assert changed.json == {**body, "version": 2} == invoke("billing/billing_settings").json
    assert invoke("billing/billing_settings", method="PATCH", body={}, headers={"If-Match": '"1"'}).status == 412
    assert invoke("billing/billing_settings", method="PATCH", body={}).status == 428
    again = invoke("billing/billing_settings", method="PATCH", body={"footer": None}, headers={"If-Match": '"2"'})
    assert (again.json["footer"], again.json["terms_days"], again.json["version"]) == (None, 0, 3)
    assert invoke("billing/billing_settings", token=tenant.viewer).status == 200


def test_once_an_invoice_has_a_number_the_next_follows_it(billed):
    opened = billed.opened()

    now = billed.invoke("billing/billing_settings")
    refused = billed.invoke("billing/billing_settings", method="PATCH", body={"next_number": 500}, headers={"If-Match": now.etag})

    assert (opened["number"], now.json["next_number"]) == (1, 2)
    assert (refused.status, refused.json["code"]) == (409, "numbers_given")
    renamed = billed.invoke("billing/billing_settings", method="PATCH", body={"invoice_prefix": "A/"}, headers={"If-Match": now.etag})
    assert renamed.status == 200
    assert [billed.opened()["number_text"], billed.read(opened["id"])["number_text"]] == ["A/2", "INV-1"]


@pytest.mark.parametrize(("set_before", "status"), [(False, 412), (True, 409)])
def test_numbers_do_not_begin_anew_behind_the_back_of_who_opens_the_first(billed, set_before, status):
    """Given out a second time they would be refused by the database, and no invoice could be opened any more."""
    if set_before:
        billed.invoke("billing/billing_settings", method="PATCH", body={"terms_days": 3}, headers={"If-Match": '"1"'})
    draft, tag = billed.draft(), f'"{2 if set_before else 1}"'

    def begin_anew():
        return billed.invoke("billing/billing_settings", method="PATCH", body={"next_number": 1}, headers={"If-Match": tag})

    with ThreadPoolExecutor(1) as threads:
        with as_admin(billed.tenant) as tx:
            service.open_(tx, UUID(draft["id"]))
            other = threads.submit(begin_anew)
            sleep(0.3)
        assert other.result().status == status

    assert billed.opened()["number"] == 2


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"invoice_prefix": "INV "}, "#/invoice_prefix"),
        ({"invoice_prefix": None}, "#/invoice_prefix"),
        ({"next_number": 0}, "#/next_number"),
        ({"terms_days": 366}, "#/terms_days"),
        ({"tax_rate_bps": 10_001}, "#/tax_rate_bps"),
        ({"tax_label": " "}, "#/tax_label"),
        ({"last_number": 5}, "#/last_number"),
    ],
)
def test_what_makes_no_sense_says_where(invoke, body, pointer):
    refused = invoke("billing/billing_settings", method="PATCH", body=body, headers={"If-Match": '"1"'})

    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, pointer)


def test_settings_are_a_tenants_own(invoke, other_tenant):
    invoke("billing/billing_settings", method="PATCH", body={"terms_days": 3}, headers={"If-Match": '"1"'})

    assert invoke("billing/billing_settings", token=other_tenant.admin).json["terms_days"] == 14
