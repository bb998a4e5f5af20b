"""One contact becomes two again: what was changed since stays, and who is refused."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from clientway.ids import uuid7
from clientway.lifecycle.merges import undoing
from clientway.lifecycle.merges.schemas import ContactMerge, MergeUndone
from tests.lifecycle.merging import at_once, client, code, contact, merge, run, undo  # noqa: F401  (fixtures)

pytestmark = pytest.mark.usefixtures("run")


def test_what_was_changed_since_stays_and_is_named(merge, client, contact, invoke, undo, run):  # noqa: F811
    survivor, merged = client(first_name="Ana"), client(title="Chef", email="chef@x.example", phone="+13055550123")
    of = contact(merged)["organization_id"]
    run("insert into contact_notes (tenant_id, id, contact_id, body) values (:t, gen_random_uuid(), :c, 'x')", c=merged)
    run("insert into contact_tags (tenant_id, contact_id, tag) values (:t, :c, 'vip')", c=merged)
    run("insert into nps_answers (tenant_id, id, organization_id, contact_id, score, answered_at) values (:t, gen_random_uuid(), :o, :c, 9, now())",
        c=merged, o=of)  # fmt: skip
    done = merge(survivor, merged).json
    read = invoke("lifecycle/contact", path={"contact_id": survivor})
    sent = {"title": "Owner", "first_name": "Anita", "email": "new@x.example"}
    assert (
        invoke("lifecycle/contact", method="PATCH", path={"contact_id": survivor}, body=sent, headers={"If-Match": read.etag}).status == 200
    )
    run("delete from contact_tags where contact_id = :c", c=survivor)

    told = MergeUndone.model_validate_json(undo(done["id"]).body)

    assert told.kept_fields == ["email", "email_norm", "title"]
    assert told.kept == {"contact_tags": 1, "contact_emails": 1}
    assert told.given_back == {"contact_notes": 1, "nps_answers": 1, "contact_phones": 1}
    now = contact(survivor)
    assert (now["first_name"], now["title"], now["email"], now["phone"]) == ("Anita", "Owner", "new@x.example", None)
    assert (contact(merged)["title"], contact(merged)["email"], contact(merged)["phone"]) == ("Chef", "chef@x.example", "+13055550123")


def test_what_somebody_took_since_is_lost_and_named(merge, client, contact, undo, run):  # noqa: F811
    survivor = client(email="a@x.example", hubspot_contact_id="1")
    merged = client(email="b@x.example", hubspot_contact_id="2")
    done = merge(survivor, merged, choices={"hubspot_contact_id": "survivor"}).json
    run("delete from contact_emails where contact_id = :c and email_norm = 'b@x.example'", c=survivor)
    client(email="b@x.example", hubspot_contact_id="2")

    told = undo(done["id"])

    assert told.status == 200, told.body
    assert told.json["lost_fields"] == ["email", "hubspot_contact_id"]
    assert (contact(merged)["email"], contact(merged)["hubspot_contact_id"], contact(merged)["deleted_at"]) == (None, None, None)


def test_an_email_that_became_the_survivors_own_stays_there(merge, client, contact, invoke, undo):  # noqa: F811
    survivor, merged = client(email="a@x.example"), client(email="b@x.example")
    done = merge(survivor, merged).json
    read = invoke("lifecycle/contact", path={"contact_id": survivor})
    changed = invoke(
        "lifecycle/contact", method="PATCH", path={"contact_id": survivor}, body={"email": "b@x.example"}, headers={"If-Match": read.etag}
    )
    assert changed.status == 200, changed.body

    told = undo(done["id"])

    assert told.json["lost_fields"] == ["email"]
    assert (contact(survivor)["email"], contact(merged)["email"]) == ("b@x.example", None)


def test_money_that_came_or_went_since_follows_its_invoice(merge, client, contact, undo, run):  # noqa: F811
    survivor, merged = client(), client()
    of, invoice = contact(merged)["organization_id"], uuid7()
    run(
        "insert into invoices (tenant_id, id, organization_id, contact_id, currency) values (:t, :i, cast(:o as uuid), :c, 'USD')",
        i=invoice, o=of, c=merged,
    )  # fmt: skip
    entry = (
        "insert into ledger_entries (tenant_id, id, organization_id, contact_id, kind, amount_cents, currency, invoice_id, source_key, occurred_at)"
        " select tenant_id, gen_random_uuid(), organization_id, contact_id, :kind, :cents, 'USD', id, :kind, now() from invoices where id = :i"
    )
    run(entry, i=invoice, kind="payment", cents=1000)
    done = merge(survivor, merged).json
    assert (contact(survivor)["ltv_cents"], contact(merged)["ltv_cents"]) == (1000, 0)
    run(entry, i=invoice, kind="refund", cents=-300)
    assert contact(survivor)["ltv_cents"] == 700

    undo(done["id"])

    assert (contact(survivor)["ltv_cents"], contact(merged)["ltv_cents"]) == (0, 700)


def test_the_newer_merge_is_undone_first(merge, client, undo, contact):  # noqa: F811
    first, second, third = client(), client(), client()
    older = merge(first, second).json
    newer = merge(third, first).json
    assert contact(second)["merged_into"] == str(third)

    refused = undo(older["id"])

    assert (*code(refused), refused.json["merge_id"]) == (409, "undo_newer_first", newer["id"])
    assert undo(newer["id"]).status == 200
    assert contact(second)["merged_into"] == str(first)
    assert undo(older["id"]).status == 200
    assert contact(second)["merged_into"] is None


def test_a_merge_is_undone_once(merge, client, undo):  # noqa: F811
    done = merge(client(), client()).json
    assert undo(done["id"]).status == 200

    assert code(undo(done["id"])) == (409, "merge_undone")


def test_of_two_undoings_at_once_one_is_refused(merge, client, at_once):  # noqa: F811
    done = merge(client(), client()).json

    assert at_once(*[partial(undoing.undo, merge_id=done["id"])] * 2) == {None, "merge_undone"}


def test_after_90_days_it_is_too_late(merge, client, undo, run, contact):  # noqa: F811
    survivor, merged = client(), client()
    done = merge(survivor, merged)
    until = ContactMerge.model_validate_json(done.body).undo_until
    assert until > datetime.now(UTC) + timedelta(days=89)
    run("update contact_merges set undo_until = now() - interval '1 second' where tenant_id = :t")

    assert code(undo(done.json["id"])) == (409, "undo_expired")
    assert contact(merged)["merged_into"] == str(survivor)


def test_a_deleted_survivor_is_restored_first(merge, client, undo, invoke):  # noqa: F811
    survivor = client()
    done = merge(survivor, client()).json
    read = invoke("lifecycle/contact", path={"contact_id": survivor})
    assert invoke("lifecycle/contact", method="DELETE", path={"contact_id": survivor}, headers={"If-Match": read.etag}).status == 204

    assert code(undo(done["id"])) == (409, "survivor_deleted")
    invoke("lifecycle/contact_restore", method="POST", path={"contact_id": survivor})
    assert undo(done["id"]).status == 200


def test_restoring_an_emptied_organization_does_not_unmerge(merge, client, undo, invoke, contact):  # noqa: F811
    survivor, merged = client(), client(email="a@x.example")
    done = merge(survivor, merged).json
    path = {"organization_id": contact(merged)["organization_id"]}

    answer = invoke("lifecycle/organization_restore", method="POST", path=path)

    assert (answer.status, contact(merged)["merged_into"]) == (200, str(survivor))
    assert undo(done["id"]).status == 200
    assert contact(merged)["deleted_at"] is None


def test_undoing_is_refused_to_others(merge, client, undo, tenant, other_tenant, contact):  # noqa: F811
    survivor, merged = client(), client()
    done = merge(survivor, merged).json

    assert undo(done["id"], token=tenant.viewer).status == 403
    assert undo(done["id"], token=other_tenant.admin).status == 404
    assert undo(uuid7()).status == 404
    assert contact(merged)["merged_into"] == str(survivor)
