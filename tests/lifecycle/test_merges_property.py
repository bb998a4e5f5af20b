"""A merge, undone, leaves every table as it was, whatever the two contacts had."""

import random

import pytest

from clientway.ids import uuid7
from clientway.lifecycle.merges.schemas import MergePreview
from tests.lifecycle.merging import anything, client, drifted, organization, run, snapshot  # noqa: F401  (fixtures)


@pytest.fixture
def shared(run):  # noqa: F811
    ids = {"field": uuid7(), "second_field": uuid7(), "household": uuid7()}
    for name in ("field", "second_field"):
        run("insert into custom_fields (tenant_id, id, key, label, kind) values (:t, :id, :k, 'x', 'text')", id=ids[name], k=name)
    run("insert into households (tenant_id, id, name) values (:t, :id, 'Ruiz')", id=ids["household"])
    return ids


@pytest.mark.parametrize("seed", range(40))
def test_a_merge_undone_leaves_everything_as_it_was(seed, run, client, shared, invoke):  # noqa: F811
    dice = random.Random(seed)
    company = organization(run, stage=dice.choice(["lead", "client"]))
    sides = []
    for n in range(2):
        kind = dice.choice(["own", "own", "company", "none"])
        columns = {name: value for name, value in _columns(n).items() if dice.random() < 0.6}
        columns |= {"do_not_contact": dice.random() < 0.3, "total_emails_received": dice.randrange(5)}
        if kind == "company":
            columns |= {"organization_id": company, "is_primary": n == 0 and dice.random() < 0.5}
        sides.append(client(own=kind == "own", stage=dice.choice(["lead", "prospect", "client"]), **columns))
        [(organization_id,)] = run("select organization_id from contacts where id = :c", c=sides[-1])
        anything(run, dice, sides[-1], organization_id, shared)
    before = snapshot(run)
    survivor, merged = sides
    choices = {name: dice.choice(["survivor", "merged"]) for name in ("first_name", "email", "phone", "title") if dice.random() < 0.4}
    choices["hubspot_contact_id"] = dice.choice(["survivor", "merged"])
    body = {"merged_id": str(merged), "choices": choices}
    preview = invoke("lifecycle/contact_merge_preview", method="POST", path={"contact_id": survivor}, body=body)
    assert snapshot(run) == before
    if any(conflict.blocks for conflict in MergePreview.model_validate_json(preview.body).conflicts):
        refused = invoke("lifecycle/contact_merge", method="POST", path={"contact_id": survivor}, body=body)
        assert (refused.status, refused.json["code"]) == (409, "merge_conflict")
        assert snapshot(run) == before
        return

    done = invoke("lifecycle/contact_merge", method="POST", path={"contact_id": survivor}, body=body)

    assert done.status == 201, done.body
    assert done.json["moved"] == preview.json["moves"]
    assert drifted(run) == []
    worth = dict(run("select id, ltv_cents from contacts where tenant_id = :t"))
    assert worth[merged] == 0
    for table in ("jobs", "invoices", "payments", "deals", "contact_emails", "contact_addresses"):
        assert run(f"select 1 from {table} where contact_id = :c", c=merged) == [], table
    assert snapshot(run) != before

    undone = invoke("lifecycle/merge_undo", method="POST", path={"merge_id": done.json["id"]})

    assert undone.status == 200, undone.body
    assert (undone.json["kept"], undone.json["kept_fields"], undone.json["lost_fields"]) == ({}, [], [])
    after = snapshot(run)
    assert {table: sorted({*rows} ^ {*before[table]}) for table, rows in after.items() if rows != before[table]} == {}
    assert drifted(run) == []


def _columns(n):
    return {
        "first_name": ["Ana", "Anna"][n], "last_name": "Ruiz", "email": f"ana{n}@x.example", "phone": f"+1305555018{n}", "title": f"Chef {n}",
        "hubspot_contact_id": f"h{n}", "birth_date": f"198{n}-03-12", "time_zone": "UTC", "pricing_tier": f"tier {n}", "tax_rate_bps": n,
        "status": ["lead", "inactive"][n], "unsubscribed_at": f"2026-0{n + 1}-01T00:00:00Z", "last_contacted_at": f"2026-0{n + 1}-01T00:00:00Z",
    }  # fmt: skip
