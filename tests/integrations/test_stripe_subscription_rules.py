"""What a subscription at Stripe comes to, as tables; and what of Stripe's objects counts."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientway.integrations.stripe import rules, shapes
from clientway.integrations.stripe.rules import Running

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PLANS = {"core-monthly": ("core", 120), "pro-yearly": ("professional", 300), "premium": ("premium", 600)}
FIXTURES = Path(__file__).parents[3] / "shared" / "data" / "stripe" / "fixtures3_subset.json"
EVENTS = FIXTURES.parent / "events"


def item(amount="2000", *, interval="month", count=1, quantity=1, key="core-monthly", plan=None, metered=False):
    return {
        "lookup_key": key, "support_plan": plan, "currency": "USD", "unit_amount": amount, "quantity": quantity, "metered": metered,
        "interval": interval, "interval_count": count, "period_start": None, "period_end": None,
    }  # fmt: skip


def state(*items, status="active", discounts=()):
    return {"status": status, "items": list(items), "discounts": list(discounts)}


def percent(off, ends_at=None):
    return {"percent_off": str(off), "amount_off": None, "ends_at": ends_at}


def amount(off, ends_at=None):
    return {"percent_off": None, "amount_off": off, "ends_at": ends_at}


@pytest.mark.parametrize(
    ("given_state", "cents"),
    [
        (state(item()), 2000),
        (state(item(quantity=3)), 6000),
        (state(item("120000", interval="year")), 10000),
        (state(item("10000", interval="year")), 833),  # 833.33
        (state(item("10002", interval="year")), 834),  # 833.5, half up
        (state(item("1000", interval="week")), 4333),  # × 52 / 12
        (state(item("100", interval="day")), 3042),  # × 365 / 12 = 3041.67
        (state(item("6000", interval="month", count=3)), 2000),
        (state(item("0.5", quantity=1000)), 500),  # finer than a cent
        (state(item(), item("120000", interval="year")), 12000),
        (state(item(), item("99999", metered=True)), 2000),
        (state(item(), discounts=[percent(25)]), 1500),
        (state(item(), discounts=[percent("12.5")]), 1750),
        (state(item(), discounts=[percent(50), percent(50)]), 500),
        (state(item(), discounts=[amount(300)]), 1700),
        (state(item("120000", interval="year"), discounts=[amount(12000)]), 9000),
        (state(item(), discounts=[amount(99999)]), 0),
        (state(item(), discounts=[percent(50, "2026-11-20T00:00:00+00:00")]), 2000),
        (state(item(), discounts=[percent(50, "2026-11-22T00:00:00+00:00")]), 1000),
        (state(item(), status="trialing"), 0),
        (state(item(), status="past_due"), 2000),
        (state(item(), status="canceled"), 0),
        (state(item(), status="unpaid"), 0),
        (state(), 0),
    ],
)
def test_monthly_revenue(given_state, cents):
    assert rules.mrr_cents(given_state, now=NOW) == cents


@given(
    st.lists(
        st.tuples(st.integers(0, 10**7), st.sampled_from(["month", "year"]), st.integers(1, 12), st.integers(1, 50)), min_size=1, max_size=5
    )
)
def test_revenue_is_never_negative_and_the_parts_sum_up_within_a_cent_each(parts):
    items = [item(str(price), interval=interval, count=count, quantity=quantity) for price, interval, count, quantity in parts]
    whole = rules.mrr_cents(state(*items), now=NOW)
    assert whole >= 0
    assert abs(whole - sum(rules.mrr_cents(state(one), now=NOW) for one in items)) <= len(items)


@pytest.mark.parametrize(
    ("items", "tier", "minutes", "key", "unmapped"),
    [
        ([item()], "core", 120, "core-monthly", ()),
        ([item(key=None, plan="premium")], "premium", 600, "premium", ()),
        ([item(), item(key="pro-yearly")], "professional", 300, "pro-yearly", ()),
        ([item(key="gold")], "none", 0, None, ("gold",)),
        ([item(key=None)], "none", 0, None, ("a price without lookup_key",)),
        ([item(), item(key="seats")], "core", 120, "core-monthly", ("seats",)),
    ],
)
def test_the_plan_follows_the_lookup_key(items, tier, minutes, key, unmapped):
    found = rules.meaning(state(*items), PLANS, now=NOW)
    assert (found.tier, found.minutes, found.lookup_key, found.unmapped) == (tier, minutes, key, unmapped)


def running(status, tier="core", *, provider_id="sub_1", mrr=1000, ends_at=None):
    return Running(provider_id, status, tier, 60, mrr, NOW, ends_at)


@pytest.mark.parametrize(
    ("subscriptions", "standing", "tier", "mrr", "ended"),
    [
        ([running("active")], "active", "core", 1000, False),
        ([running("trialing", mrr=0)], "active", "core", 0, False),
        ([running("past_due")], "active", "core", 1000, False),
        ([running("unpaid")], "paused", "core", 0, False),
        ([running("paused")], "paused", "core", 0, False),
        ([running("incomplete")], "inactive", "core", 0, False),
        ([running("incomplete_expired")], "inactive", "none", 0, False),
        ([running("canceled")], "cancelled", "none", 0, True),
        ([running("canceled"), running("active", "premium", provider_id="sub_2")], "active", "premium", 1000, False),
        ([running("active"), running("active", "premium", provider_id="sub_2")], "active", "premium", 2000, False),
        ([running("unpaid", "premium"), running("active", provider_id="sub_2")], "active", "core", 1000, False),
        ([running("canceled"), running("incomplete_expired", provider_id="sub_2")], "cancelled", "none", 0, True),
    ],
)
def test_what_several_subscriptions_make_of_an_account(subscriptions, standing, tier, mrr, ended):
    plan = rules.account_plan(subscriptions)
    assert (plan.standing, plan.tier, plan.mrr_cents, plan.ended) == (standing, tier, mrr, ended)


def test_an_account_ends_only_when_all_that_runs_does():
    later = datetime(2026, 12, 31, tzinfo=UTC)
    assert rules.account_plan([running("active", ends_at=later)]).ends_at == later
    assert rules.account_plan([running("active", ends_at=later), running("active", provider_id="sub_2")]).ends_at is None


@pytest.mark.parametrize("before", [None, *rules.STANDINGS])
@pytest.mark.parametrize("after", rules.STANDINGS)
def test_what_has_ended_never_runs_again(before, after):
    assert rules.may_follow(before, after) == (before not in {"canceled", "incomplete_expired"} or before == after)


# Shapes --------------------------------------------------------------------------------------------------------------


def intent(status="succeeded", **more):
    return {
        "id": "pi_1", "status": status, "amount": 5000, "amount_received": 5000, "currency": "usd", "created": 1_800_000_000,
        "metadata": {"clientway_invoice": "i"}, "customer": None, "last_payment_error": None, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (intent(), "succeeded"),
        (intent("canceled"), "canceled"),
        (intent("processing"), "pending"),
        (intent("requires_capture"), "pending"),
        (intent("requires_payment_method", last_payment_error={"message": "declined"}), "failed"),
        (intent("requires_payment_method"), None),
        (intent("requires_action"), None),
    ],
)
def test_a_payment_is_what_its_intent_says(found, status):
    payment = shapes.payment(found, None)
    assert (payment and payment["status"]) == status


def test_a_payment_comes_with_what_was_given_back_and_disputed():
    refund = {
        "id": "re_1",
        "amount": 500,
        "currency": "usd",
        "status": "requires_action",
        "created": 1,
        "metadata": {"clientway_refund": "r"},
    }
    inquiry = {"id": "dp_0", "amount": 5000, "currency": "usd", "status": "warning_needs_response", "created": 1}
    dispute = {"id": "dp_1", "amount": 5000, "currency": "usd", "status": "under_review", "created": 1, "reason": "fraudulent"}
    found = shapes.payment(
        intent(),
        {"id": "ch_1", "created": 1_800_000_100, "payment_method_details": {"type": "us_bank_account"}},
        [refund],
        [inquiry, dispute],
    )
    assert found["method"] == "bank_transfer"
    assert found["at"] == "2027-01-15T08:01:40+00:00"
    assert [(one["id"], one["status"]) for one in found["refunds"]] == [("re_1", "pending")]
    # An inquiry has moved no money.
    assert [(one["id"], one["status"]) for one in found["disputes"]] == [("dp_1", "open")]


def test_a_charge_without_an_intent_is_a_payment_too():
    charge = {
        "id": "ch_1",
        "status": "succeeded",
        "captured": True,
        "amount": 700,
        "amount_captured": 600,
        "currency": "usd",
        "created": 5,
        "metadata": {"a": "b"},
    }
    found = shapes.payment(None, charge)
    assert (found["id"], found["amount_cents"], found["metadata"]) == ("ch_1", 600, {"a": "b"})
    assert shapes.payment(None, charge | {"captured": False})["status"] == "pending"
    assert shapes.payment(None, None) is None


def test_published_objects_of_the_newest_version_can_be_read():
    if not FIXTURES.exists():
        pytest.skip("the published objects are not on this machine")
    known = json.loads(FIXTURES.read_text())
    known = known.get("resources", known)
    subscription = shapes.subscription(known["subscription"])
    assert (subscription["status"], subscription["currency"]) == (known["subscription"]["status"], "USD")
    assert subscription["period_end"]
    charge = known["charge"] | {"captured": True}
    assert shapes.payment(None, charge, [known["refund"]], [known["dispute"]])["refunds"][0]["amount_cents"] == 100


@pytest.mark.parametrize("name", sorted(path.name for path in EVENTS.glob("customer.subscription.*.json")) or [None])
def test_published_subscriptions_of_old_versions_can_be_read(name):
    if name is None:
        pytest.skip("the published events are not on this machine")
    found = json.loads((EVENTS / name).read_text())["data"]["object"]
    read = shapes.subscription(found)
    # There the period stands on the subscription itself.
    assert read["period_start"] == shapes.moment(found["current_period_start"])
    assert rules.meaning(read, PLANS, now=NOW).tier == "none"
