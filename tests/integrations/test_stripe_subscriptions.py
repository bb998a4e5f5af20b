"""Subscriptions at Stripe drive plan, hours, revenue and stage; told in any order, and never backwards."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from clientway import db
from clientway.ids import uuid7
from clientway.integrations.stripe import applying, subscriptions

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def organization(admin_engine, tenant):
    """A customer of the tenant's at Stripe, and a price that a plan is named for."""
    given = {"t": tenant.id, "o": uuid7(), "p": uuid7(), "q": uuid7()}
    with admin_engine.connect() as connection:
        connection.execute(text("insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text, stripe_customer_id) values (:t, :o, 'Blue', 'blue', '', '', 'cus_1')"), given)  # fmt: skip
        connection.execute(text("insert into stripe_plans (tenant_id, id, lookup_key, support_plan_tier, support_minutes_included) values (:t, :p, 'core', 'core', 120), (:t, :q, 'pro', 'professional', 300)"), given)  # fmt: skip
    return given["o"]


def state(status="active", *, provider_id="sub_1", key="core", amount="50000", began=NOW, **more):
    item = {"lookup_key": key, "support_plan": None, "currency": "USD", "unit_amount": amount, "quantity": 1, "metered": False,
            "interval": "month", "interval_count": 1, "period_start": None, "period_end": None}  # fmt: skip
    return {
        "kind": "subscription", "id": provider_id, "status": status, "customer": "cus_1", "currency": "USD", "metadata": {}, "items": [item],
        "discounts": [], "period_start": began.isoformat(), "period_end": (began + timedelta(days=30)).isoformat(), "ends_at": None,
        "ended_at": None, "created_at": NOW.isoformat(), **more,
    }  # fmt: skip


@pytest.fixture
def tell(tenant):
    def told(*states, now=NOW):
        outcomes = []
        for one in states:
            with db.job_transaction(tenant.id, now=now) as tx:
                outcomes.append(subscriptions.apply(tx, json.loads(json.dumps(one))))
        return outcomes[-1]

    return told


@pytest.fixture
def account(admin_engine, organization):
    def read():
        with admin_engine.connect() as connection:
            return connection.execute(
                text("""select a.*, o.lifecycle_stage from organizations o left join client_accounts a on a.tenant_id = o.tenant_id and a.organization_id = o.id
                         where o.id = :o"""), {"o": organization}
            ).one()  # fmt: skip

    return read


def test_an_active_subscription_makes_a_client_with_its_plan(tell, account):
    assert tell(state()) == "applied"
    found = account()
    assert (found.lifecycle_stage, found.support_plan_tier, found.support_plan_status) == ("client", "core", "active")
    assert (found.mrr_cents, found.support_minutes_included, found.stripe_subscription_id) == (50000, 120, "sub_1")


@pytest.mark.parametrize(
    ("status", "standing", "mrr"),
    [("trialing", "active", 0), ("past_due", "active", 50000), ("unpaid", "paused", 0), ("paused", "paused", 0)],
)
def test_the_standing_follows_the_status(tell, account, status, standing, mrr):
    tell(state(), state(status))
    found = account()
    assert (found.support_plan_status, found.mrr_cents, found.status, found.lifecycle_stage) == (standing, mrr, "active", "client")


@pytest.mark.parametrize("status", ["incomplete", "incomplete_expired", "unpaid", "canceled"])
def test_what_never_ran_makes_nobody_a_client(tell, account, status):
    tell(state(status))
    found = account()
    assert (found.id, found.lifecycle_stage) == (None, "lead")


def test_hours_begin_anew_with_the_period_and_survive_an_upgrade(tell, account, admin_engine, organization):
    tell(state())
    with admin_engine.connect() as connection:
        connection.execute(text("update client_accounts set support_minutes_used = 45 where organization_id = :o"), {"o": organization})
    tell(state(key="pro", amount="90000"))
    upgraded = account()
    assert (upgraded.support_plan_tier, upgraded.support_minutes_included, upgraded.support_minutes_used) == ("professional", 300, 45)
    tell(state(key="pro", amount="90000", began=NOW + timedelta(days=30)))
    assert account().support_minutes_used == 0


def test_an_older_period_told_late_gives_no_hours_back(tell, account, admin_engine, organization):
    tell(state(began=NOW + timedelta(days=30)))
    with admin_engine.connect() as connection:
        connection.execute(text("update client_accounts set support_minutes_used = 45 where organization_id = :o"), {"o": organization})
    tell(state(began=NOW))
    assert account().support_minutes_used == 45


def test_the_end_of_the_last_one_churns_and_of_another_does_not(tell, account):
    tell(state(), state(provider_id="sub_2", key="pro", amount="90000"))
    assert account().mrr_cents == 140000
    tell(state("canceled", ended_at=NOW.isoformat()))
    left = account()
    assert (left.lifecycle_stage, left.status, left.mrr_cents, left.support_plan_tier) == ("client", "active", 90000, "professional")
    tell(state("canceled", provider_id="sub_2", key="pro", ended_at=NOW.isoformat()))
    gone = account()
    assert (gone.lifecycle_stage, gone.status, gone.mrr_cents, gone.support_plan_tier, gone.support_plan_status) == (
        "churned", "churned", 0, "none", "cancelled")  # fmt: skip


def test_cancelled_at_the_periods_end_is_active_until_then(tell, account):
    ends = (NOW + timedelta(days=30)).isoformat()
    tell(state(ends_at=ends))
    found = account()
    assert (found.support_plan_status, found.lifecycle_stage, found.plan_ends_at) == ("active", "client", datetime.fromisoformat(ends))


def test_what_was_cancelled_does_not_run_again(tell, account):
    tell(state(), state("canceled", ended_at=NOW.isoformat()))
    assert tell(state()) == "unchanged"
    assert account().lifecycle_stage == "churned"


def test_a_stranger_is_nobody(tell):
    assert tell(state(customer="cus_2")) == "unknown_object"
    assert tell(state(customer=None, metadata={"clientway_organization": "nonsense"})) == "unknown_object"
    assert tell(state(customer=None, metadata={"clientway_organization": str(uuid7())})) == "unknown_object"


def test_its_metadata_names_the_organization(tell, account, organization):
    assert tell(state(customer=None, metadata={"clientway_organization": str(organization)})) == "applied"
    assert account().lifecycle_stage == "client"


def test_another_tenants_organization_is_nobody(tell, other_tenant, admin_engine):
    theirs = uuid7()
    with admin_engine.connect() as connection:
        connection.execute(text("insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text) values (:t, :o, 'X', 'x', '', '')"), {"t": other_tenant.id, "o": theirs})  # fmt: skip
    assert tell(state(customer=None, metadata={"clientway_organization": str(theirs)})) == "unknown_object"


def test_a_price_without_a_plan_is_an_alert_and_no_refusal(tell, account, admin_engine, organization):
    assert tell(state(key="gold")) == "applied"
    assert account().support_plan_tier == "none"
    with admin_engine.connect() as connection:
        titles = connection.execute(text("select title from activities where organization_id = :o and activity_type = 'note_added'"), {"o": organization}).scalars().all()  # fmt: skip
    assert titles == ["No support plan is named for: gold"]


def test_a_plan_that_is_named_later_counts_for_what_was_subscribed_to_before(invoke, account, tenant, admin_engine):
    """Without it, a subscription paid by the year would have had no plan for a year."""
    endpoint = uuid7()
    with admin_engine.connect() as connection:
        connection.execute(text("insert into stripe_accounts (tenant_id, endpoint_id, mode, status) values (:t, :e, 'key', 'connected')"), {"t": tenant.id, "e": endpoint})  # fmt: skip

    def told(minutes):
        return applying.apply(json.dumps({
            "kind": "event", "endpoint": str(endpoint), "account_id": None, "event": {"id": f"evt_{minutes}", "type": "x", "created": 1},
            "subject": {"kind": "subscription", "id": "sub_1"}, "state": state(key="gold"),
            "fetched_at": (NOW + timedelta(minutes=minutes)).isoformat(),
        }))  # fmt: skip

    assert [told(1), told(2)] == ["applied", "unchanged"]
    named = invoke(
        "integrations/stripe_plans", body={"lookup_key": "gold", "support_plan_tier": "premium", "support_minutes_included": 600}
    )
    with admin_engine.connect() as connection:
        asked = connection.execute(text("select payload from outbox where tenant_id = :t and topic = 'stripe.subscriptions.read'"), {"t": tenant.id}).scalars().all()  # fmt: skip
    assert (named.status, [one["gateway"]["endpoint_id"] for one in asked]) == (201, [str(endpoint)])

    # The same state as before, read once more.
    assert told(3) == "applied"
    assert (account().support_plan_tier, account().support_minutes_included) == ("premium", 600)


def test_plans_and_subscriptions_through_their_endpoints(invoke, tell, organization, tenant):
    named = invoke(
        "integrations/stripe_plans", body={"lookup_key": "gold", "support_plan_tier": "premium", "support_minutes_included": 600}
    )
    assert named.status == 201
    assert (
        invoke("integrations/stripe_plans", body={"lookup_key": "gold", "support_plan_tier": "core"}).json["code"] == "stripe_plan_exists"
    )
    assert invoke("integrations/stripe_plans", body={"lookup_key": "g", "support_plan_tier": "core"}, token=tenant.editor).status == 403
    plan = {"stripe_plan_id": named.json["id"]}
    changed = invoke(
        "integrations/stripe_plan", method="PATCH", path=plan, body={"support_minutes_included": 90}, headers={"if-match": '"1"'}
    )
    assert (changed.status, changed.json["support_minutes_included"], changed.json["version"]) == (200, 90, 2)
    stale = invoke("integrations/stripe_plan", method="PATCH", path=plan, body={"support_minutes_included": 1}, headers={"if-match": '"1"'})
    assert stale.status == 412
    assert len(invoke("integrations/stripe_plans", method="GET").json["data"]) == 3

    tell(state(key="gold"))
    [listed] = invoke("integrations/subscriptions", query={"organization_id": organization}).json["data"]
    assert (listed["provider_id"], listed["support_plan_tier"], listed["mrr_cents"]) == ("sub_1", "premium", 50000)
    assert invoke("integrations/subscriptions", query={"status": "canceled"}).json["data"] == []

    gone = invoke("integrations/stripe_plan", method="DELETE", path=plan, headers={"if-match": '"2"'})
    assert gone.status == 204
    assert invoke("integrations/stripe_plan", method="DELETE", path=plan, headers={"if-match": '"2"'}).status == 404
