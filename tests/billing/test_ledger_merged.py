"""The ledger of two contacts that turned out to be one, and of one that turned out to be two again."""

from concurrent.futures import ThreadPoolExecutor
from time import sleep
from uuid import UUID

import pytest

from clientway import db
from clientway.billing.payments import provider
from clientway.billing.payments.provider import ProviderPayment
from clientway.lifecycle.merges import service as merges
from clientway.lifecycle.merges.schemas import MergeRequest
from tests.billing.paying import Client, as_admin, keyed, private_contact
from tests.billing.paying import client as _client

client = _client


@pytest.fixture
def second(client, invoke):
    """Another contact of the same organization."""
    path = {"organization_id": client.organization_id}
    made = invoke("lifecycle/organization_contacts", method="POST", path=path, body={"first_name": "Anna"}).json["id"]
    return Client(client.engine, client.tenant, invoke, client.organization_id, made)


def merge(client, second):
    answer = client.invoke(
        "lifecycle/contact_merge", method="POST", path={"contact_id": client.contact_id}, body={"merged_id": second.contact_id}
    )
    assert answer.status == 201, answer.body
    return answer.json["id"]


def undo(client, merge_id):
    answer = client.invoke("lifecycle/merge_undo", method="POST", path={"merge_id": merge_id}, headers=keyed())
    assert answer.status in {200, 201}, answer.body


def test_what_the_merged_were_worth_is_the_survivors(client, second):
    client.pay(1100, invoice_id=client.invoice(1100, 100))
    paid = second.pay(500, invoice_id=second.invoice(500))

    merge(client, second)
    assert client.worth() == 1500
    client.ask("refunds", paid["id"], {"amount_cents": 200})
    client.release(paid["id"], paid["allocations"][0]["id"])

    assert client.worth() == 1000


def test_who_was_merged_pays_under_another_id(client, second):
    merge(client, second)
    refused = client.invoke("billing/payments", method="POST", body={"contact_id": second.contact_id, "amount_cents": 1}, headers=keyed())
    assert (refused.status, refused.json["code"], refused.json["merged_into"]) == (409, "contact_merged", str(client.contact_id))


@pytest.mark.parametrize("whose", ["survivor's", "merged one's"])
def test_what_was_paid_in_between_goes_with_its_invoice(client, second, whose):
    """A payment of one may have paid an invoice of the other while they were one."""
    invoices = {"survivor's": client.invoice(700), "merged one's": second.invoice(700)}
    credit = {"survivor's": second.pay(400, contact_id=second.contact_id), "merged one's": client.pay(400, contact_id=client.contact_id)}
    merge_id = merge(client, second)
    client.ask("allocations", credit[whose]["id"], {"invoice_id": invoices[whose]})
    assert client.worth() == 400

    undo(client, merge_id)

    assert (client.worth(), second.worth()) == ((400, 0) if whose == "survivor's" else (0, 400))


def test_what_goes_back_and_forth_is_counted_where_it_is(client, second):
    """What was paid while they were one the first time is not given back a second time."""
    invoice_id = second.invoice(700)
    with db.job_transaction(client.tenant.id) as tx:
        there = ProviderPayment("stripe", "pi_1", "succeeded", "card", 50, "USD", tx.now, contact_id=second.contact_id)
        provider.apply_payment(tx, there)
    first = merge(client, second)
    client.pay(400, invoice_id=invoice_id)
    undo(client, first)
    again = merge(client, second)
    assert (client.worth(), second.worth()) == (450, 0)

    undo(client, again)

    assert (client.worth(), second.worth()) == (0, 450)


@pytest.fixture
def private(invoke, admin_engine, tenant):
    """Make a private client: the first money opens their account."""

    def make():
        contact_id = private_contact(admin_engine, tenant)
        paid = invoke("billing/payments", method="POST", body={"contact_id": contact_id, "amount_cents": 1}, headers=keyed()).json
        return Client(admin_engine, tenant, invoke, UUID(paid["organization_id"]), contact_id)

    return make


def test_money_that_waits_for_a_merge_finds_the_invoice_where_it_went(private):
    """Before, it was refused: the organization that it had waited for was the merged one's, and gone."""
    client, other = private(), private()
    invoice_id = other.invoice(500)
    with ThreadPoolExecutor(1) as threads:
        with as_admin(client.tenant) as tx:
            merges.merge(tx, client.contact_id, MergeRequest(merged_id=other.contact_id))
            paid = threads.submit(client.invoke, "billing/payments", method="POST", headers=keyed(),
                                  body={"invoice_id": invoice_id, "amount_cents": 500})  # fmt: skip
            sleep(0.3)
        answer = paid.result()

    assert (answer.status, answer.json.get("organization_id")) == (201, str(client.organization_id))
    assert client.worth() == 500


def test_what_was_paid_since_goes_back_with_the_invoices_that_it_pays_alone(private):
    client, other = private(), private()
    mine, theirs = client.invoice(700), other.invoice(500)
    merge_id = merge(client, other)
    paid = [client.pay(500, invoice_id=theirs), client.pay(700, invoice_id=mine)]
    assert client.ask("disputes", paid[0]["id"], {}).status == 201

    undo(client, merge_id)

    owners = [client.payment(one["id"]) for one in paid]
    assert [(one["organization_id"], one["contact_id"]) for one in owners] == [
        (str(holder.organization_id), str(holder.contact_id)) for holder in (other, client)
    ]
    assert client.rows("select organization_id from disputes where tenant_id = :t") == [other.organization_id]
    assert (client.worth(), other.worth()) == (700, 500)
