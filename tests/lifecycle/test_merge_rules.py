"""What two contacts become when they are one, as tables: who is found unreachable by either stays so."""

import pytest

from clientway.lifecycle.merges import rules
from clientway.lifecycle.stages.rules import Stage

NOBODY = dict.fromkeys(rules.CHOICES) | {
    "do_not_contact": False, "unsubscribed_at": None, "portal_enabled": False, "is_decision_maker": False, "last_contacted_at": None,
    "total_emails_received": 0, "total_emails_opened": 0,
}  # fmt: skip
STRANGERS = {"survivor": False, "merged": False}


def field(name, mine, theirs, choice=None, own=STRANGERS):
    """What becomes of one field."""
    choices = {} if choice is None else {name: choice}
    [found] = [one for one in rules.resolve({**NOBODY, name: mine}, {**NOBODY, name: theirs}, choices, own=own) if one.name == name]
    return found


@pytest.mark.parametrize(
    ("name", "mine", "theirs", "choice", "value", "chosen", "why"),
    [
        ("title", "Cook", "Cook", "merged", "Cook", "survivor", "the same"),
        ("title", "Cook", "Chef", None, "Cook", "survivor", "the survivor's"),
        ("title", "Cook", "Chef", "merged", "Chef", "merged", "chosen"),
        ("title", None, "Chef", None, "Chef", "merged", "only one has it"),
        ("title", "Cook", None, None, "Cook", "survivor", "only one has it"),
        ("title", "Cook", None, "merged", None, "merged", "chosen"),
        # An address is not thrown away.
        ("email", "a@x.example", None, "merged", "a@x.example", "survivor", "only one has it"),
        ("phone", None, "+13055550100", "survivor", "+13055550100", "merged", "only one has it"),
        ("organization_id", "o1", None, "merged", "o1", "survivor", "only one has it"),
        ("email", "a@x.example", "b@x.example", "merged", "b@x.example", "merged", "chosen"),
        ("status", "lead", "inactive", None, "inactive", "merged", "the furthest"),
        ("status", "active", "inactive", None, "active", "survivor", "the furthest"),
        ("status", "lead", "active", "survivor", "lead", "survivor", "chosen"),
        # Nobody is made reachable by choosing.
        ("do_not_contact", True, False, "merged", True, "survivor", "the strictest"),
        ("do_not_contact", False, True, "survivor", True, "merged", "the strictest"),
        ("do_not_contact", False, False, None, False, "survivor", "the same"),
        ("unsubscribed_at", 2, 1, None, 1, "merged", "the strictest"),
        ("unsubscribed_at", 1, 2, None, 1, "survivor", "the strictest"),
        ("unsubscribed_at", None, 2, None, 2, "merged", "the strictest"),
        ("last_contacted_at", 1, 2, None, 2, "merged", "the furthest"),
        ("last_contacted_at", 2, None, None, 2, "survivor", "the furthest"),
        ("portal_enabled", False, True, None, True, "merged", "both together"),
        ("is_decision_maker", True, False, None, True, "survivor", "both together"),
        ("total_emails_received", 3, 4, None, 7, "both", "both together"),
        ("total_emails_opened", 2, 2, None, 4, "both", "both together"),
        ("total_emails_opened", 0, 0, None, 0, "survivor", "the same"),
    ],
)  # fmt: skip
def test_a_field_becomes(name, mine, theirs, choice, value, chosen, why):
    found = field(name, mine, theirs, choice)

    assert (found.survivor, found.merged, found.value, found.chosen, found.why) == (mine, theirs, value, chosen, why)


@pytest.mark.parametrize(
    ("own", "value", "why"),
    [
        ({"survivor": True, "merged": False}, "o2", "the company's"),
        ({"survivor": True, "merged": True}, "o1", "the survivor's"),
        ({"survivor": False, "merged": True}, "o1", "the survivor's"),
        (STRANGERS, "o1", "the survivor's"),
    ],
)
def test_a_company_is_kept_in_the_place_of_what_is_nobody_elses(own, value, why):
    found = field("organization_id", "o1", "o2", own=own)

    assert (found.value, found.why) == (value, why)
    assert field("title", "Cook", "Chef", own=own).value == "Cook"


def test_every_field_is_decided_once():
    names = [one.name for one in rules.resolve(NOBODY, NOBODY, {}, own=STRANGERS)]

    assert names == [
        "first_name", "last_name", "email", "phone", "organization_id", "title", "role_type", "preferred_contact_method",
        "hubspot_contact_id", "status", "source", "birth_date", "time_zone", "pricing_tier", "tax_rate_bps", "default_address_id",
        "do_not_contact", "unsubscribed_at", "portal_enabled", "is_decision_maker", "last_contacted_at", "total_emails_received",
        "total_emails_opened",
    ]  # fmt: skip


def test_what_belongs_to_a_field_comes_with_it():
    mine = NOBODY | {"email_norm": None, "phone_e164": "+1", "location_id": None, "source_id": None, "phone": "1", "title": "Cook"}
    theirs = mine | {
        "email": "B@x.example", "email_norm": "b@x.example", "organization_id": "o2", "location_id": "l2", "phone": "2", "phone_e164": "+2",
        "source": "web", "source_id": "s2", "do_not_contact": True, "title": "Chef",
    }  # fmt: skip

    found = rules.columns(rules.resolve(mine, theirs, {"phone": "merged"}, own=STRANGERS), theirs)

    assert found == {
        "email": "B@x.example", "email_norm": "b@x.example", "organization_id": "o2", "location_id": "l2", "phone": "2", "phone_e164": "+2",
        "source": "web", "source_id": "s2", "do_not_contact": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("mine", "theirs", "state"),
    [
        ("granted", "denied", "denied"), ("denied", "granted", "denied"), ("denied", "denied", "denied"), ("granted", "granted", "granted"),
        (None, "granted", "granted"), ("granted", None, "granted"), (None, "denied", "denied"), ("denied", None, "denied"),
    ],
)  # fmt: skip
def test_a_refusal_to_either_is_a_refusal(mine, theirs, state):
    sides = [[{"channel": "sms", "purpose": "marketing", "state": one}] if one else [] for one in (mine, theirs)]

    assert rules.stricter(*sides) == [rules.Consent("sms", "marketing", mine, theirs, state)]


def test_consents_of_different_kinds_have_nothing_to_do_with_each_other():
    mine = [{"channel": "sms", "purpose": "marketing", "state": "denied"}]
    theirs = [{"channel": one, "purpose": two, "state": "granted"} for two in ("transactional", "marketing") for one in ("sms", "email")]

    assert [(one.channel, one.purpose, one.state) for one in rules.stricter(mine, theirs)] == [
        ("email", "marketing", "granted"),
        ("email", "transactional", "granted"),
        ("sms", "marketing", "denied"),
        ("sms", "transactional", "granted"),
    ]


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (None, None, None), (Stage.LEAD, None, Stage.LEAD), (None, Stage.LEAD, Stage.LEAD), (Stage.LEAD, Stage.CLIENT, Stage.CLIENT),
        (Stage.CLIENT, Stage.LEAD, Stage.CLIENT), (Stage.BLACKLIST, Stage.CLIENT, Stage.BLACKLIST), (Stage.LEAD, Stage.BLACKLIST, Stage.LEAD),
    ],
)  # fmt: skip
def test_the_stage_further_up_the_ladder_stays(one, other, found):
    assert rules.furthest(one, other) is found


@pytest.mark.parametrize("name", ["stripe_customer_id", "square_customer_id", "hubspot_company_id"])
def test_ids_in_other_systems_are_taken_over_where_there_is_none(name):
    nothing = dict.fromkeys(["stripe_customer_id", "square_customer_id", "hubspot_company_id"])
    theirs = [nothing, {**nothing, name: "two"}, {**nothing, name: "three"}]

    assert rules.account_ids(nothing, theirs) == {name: "two"}
    assert rules.account_ids({**nothing, name: "one"}, theirs) == {}


def test_accounts_become_one():
    accounts = [
        {"id": n, "mrr_cents": 10**n, "total_revenue_cents": 2 * 10**n, "client_since": since} for n, since in ((1, 5), (2, 4), (3, 6))
    ]

    assert rules.accounts(accounts[0], accounts[1:]) == {
        1: {"mrr_cents": 1110, "total_revenue_cents": 2220, "client_since": 4},
        2: {"mrr_cents": 0, "total_revenue_cents": 0},
        3: {"mrr_cents": 0, "total_revenue_cents": 0},
    }
    assert rules.accounts(None, accounts) == {}


@pytest.mark.parametrize(("now", "left"), [(7, 3), (9, 5), (2, 0), (4, 0)])
def test_counters_lose_what_came_from_the_other(now, left):
    merged = {"total_emails_received": 4, "total_emails_opened": 4}

    for name in merged:
        assert rules.restore({name: now}, {name: 3}, {name: 7}, merged) == ({name: left}, [])


def test_an_undo_leaves_alone_what_was_changed_since():
    before = {"title": "Cook", "email": "a", "email_norm": "a", "organization_id": "o1", "location_id": None, "is_primary": True}
    after = {"title": "Chef", "email": "b", "email_norm": "b", "organization_id": "o2", "location_id": "l2", "is_primary": False}

    assert rules.restore(after, before, after, {}) == (before, [])
    # With one of the columns of a field, those that say the same of it.
    back, kept = rules.restore({**after, "email_norm": "c"}, before, after, {})
    assert kept == ["email", "email_norm"]
    assert back == {name: before[name] for name in before if name not in kept}
    back, kept = rules.restore({**after, "is_primary": True}, before, after, {})
    assert kept == ["is_primary", "location_id", "organization_id"]
    assert back == {name: before[name] for name in before if name not in kept}
