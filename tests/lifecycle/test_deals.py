"""Deals and their quotes, and what they make of the organization's stage."""

import pytest

from clientway.errors import Problem
from clientway.lifecycle.deals import rules as deal_rules
from clientway.lifecycle.deals.schemas import Deal, DealWithOrganization
from clientway.lifecycle.quotes import rules as quote_rules
from clientway.lifecycle.quotes.schemas import Quote
from clientway.schemas import Page

NOW = "2026-11-21T08:00:00Z"
OPEN = {"status": "open", "stage": "qualification", "lost_reason": None, "probability": 10}
WON = {**OPEN, "status": "won", "probability": 100}


@pytest.mark.parametrize(
    ("before", "sent", "written"),
    [
        (OPEN, {"stage": "proposal"}, {"probability": 40}),
        (OPEN, {"stage": "proposal", "probability": 55}, {}),
        (OPEN, {"probability": 12}, {}),
        (OPEN, {"status": "won"}, {"closed_at": NOW, "lost_reason": None, "probability": 100}),
        (OPEN, {"status": "lost", "lost_reason": "price"}, {"closed_at": NOW, "probability": 0}),
        (WON, {"status": "open"}, {"closed_at": None, "lost_reason": None, "probability": 10}),
        (WON, {"status": "open", "stage": "negotiation"}, {"closed_at": None, "lost_reason": None, "probability": 70}),
        (WON, {"amount_cents": 5}, {"probability": 100}),
    ],
)
def test_a_deals_columns_follow_its_status_and_stage(before, sent, written):
    assert deal_rules.revise(before, sent, NOW) == {**sent, **written}


@pytest.mark.parametrize(
    ("before", "sent", "status"),
    [
        (WON, {"stage": "proposal"}, 409),
        (OPEN, {"status": "lost"}, 422),
        (OPEN, {"lost_reason": "price"}, 422),
        (WON, {"probability": 50}, 422),
        (OPEN, {"status": "won", "stage": "proposal"}, 409),
    ],
)
def test_a_contradiction_is_refused(before, sent, status):
    with pytest.raises(Problem) as refusal:
        deal_rules.revise(before, sent, NOW)
    assert refusal.value.status == status


@pytest.mark.parametrize("current", quote_rules.NEXT)
@pytest.mark.parametrize("target", quote_rules.NEXT)
def test_a_quote_goes_one_way(current, target):
    before = {"status": current, "title": "x", "viewed_at": None}
    if target == current or target in quote_rules.NEXT[current]:
        changes = quote_rules.revise(before, {"status": target}, NOW)
        assert (f"{target}_at" in changes) == (target != current)
    else:
        with pytest.raises(quote_rules.QuoteMoveRefused) as refusal:
            quote_rules.revise(before, {"status": target}, NOW)
        assert refusal.value.extensions["legal"] == list(quote_rules.NEXT[current])


@pytest.fixture
def organization(invoke):
    return invoke("lifecycle/organizations", method="POST", body={"legal_name": "Blue Bistro"}).json


@pytest.fixture
def stage(invoke, organization):
    return lambda: invoke("lifecycle/organization", path={"organization_id": organization["id"]}).json["lifecycle_stage"]


@pytest.fixture
def deal(invoke, organization):
    path = {"organization_id": organization["id"]}
    rep = invoke("lifecycle/reps", method="POST", body={"name": "Ada"}).json
    contact = invoke("lifecycle/organization_contacts", method="POST", path=path, body={"first_name": "Ana"}).json
    body = {
        "name": "Annual plan",
        "amount_cents": 120_000,
        "contact_id": contact["id"],
        "owner_rep_id": rep["id"],
        "expected_close_on": "2026-12-24",
    }
    answer = invoke("lifecycle/organization_deals", method="POST", path=path, body=body)
    assert answer.status == 201, answer.body
    return Deal.model_validate_json(answer.body)


def change(invoke, kind, row_id, body, version):
    return invoke(f"lifecycle/{kind}", method="PATCH", path={f"{kind}_id": str(row_id)}, body=body, headers={"If-Match": f'"{version}"'})


def kinds(invoke, organization):
    timeline = invoke("lifecycle/organization_activity", path={"organization_id": organization["id"]}).json["data"]
    return [line["activity_type"] for line in reversed(timeline)]


def test_an_open_deal_makes_an_opportunity_and_its_loss_takes_it_back(invoke, deal, organization, stage):
    assert (deal.currency, deal.probability, deal.status, stage()) == ("USD", 10, "open", "opportunity")
    moved = change(invoke, "deal", deal.id, {"stage": "negotiation"}, 1)
    assert (moved.status, moved.json["probability"]) == (200, 70)
    assert change(invoke, "deal", deal.id, {"status": "lost"}, 2).json["errors"][0]["pointer"] == "#/lost_reason"
    lost = change(invoke, "deal", deal.id, {"status": "lost", "lost_reason": "Too dear"}, 2)
    assert (lost.json["closed_at"] is not None, stage()) == (True, "sql")
    assert change(invoke, "deal", deal.id, {"stage": "proposal"}, 3).json["code"] == "deal_closed"
    again = change(invoke, "deal", deal.id, {"status": "open"}, 3)
    assert (again.json["lost_reason"], stage()) == (None, "opportunity")
    assert change(invoke, "deal", deal.id, {"status": "won"}, 4).json["probability"] == 100
    assert stage() == "opportunity"
    told = [
        "deal_created",
        "stage_changed",
        "deal_stage_changed",
        "deal_lost",
        "stage_changed",
        "deal_stage_changed",
        "stage_changed",
        "deal_won",
    ]
    assert kinds(invoke, organization) == told


def test_deals_are_listed(invoke, deal, organization):
    path = {"organization_id": organization["id"]}
    for name in "BC":
        invoke("lifecycle/organization_deals", method="POST", path=path, body={"name": name, "currency": "EUR", "stage": "proposal"})
    first = invoke("lifecycle/organization_deals", path=path, query={"limit": 2, "sort": "created_at"})
    assert [one.name for one in Page[Deal].model_validate_json(first.body).data] == ["Annual plan", "B"]
    rest = invoke("lifecycle/organization_deals", path=path, query={"limit": 2, "sort": "created_at", "cursor": first.json["next_cursor"]})
    assert [(one["name"], one["currency"], one["probability"]) for one in rest.json["data"]] == [("C", "EUR", 40)]
    mine = invoke("lifecycle/deals", query={"owner_rep_id": str(deal.owner_rep_id), "status": "open"})
    [found] = Page[DealWithOrganization].model_validate_json(mine.body).data
    assert (found.id, found.organization.slug) == (deal.id, "blue-bistro")
    assert [one["name"] for one in invoke("lifecycle/deals", query={"stage": "proposal"}).json["data"]] == ["C", "B"]
    assert invoke("lifecycle/organization_deals", path=path, query={"status": "won"}).json["data"] == []


def test_a_deal_is_its_tenants_own(invoke, deal, organization, tenant, other_tenant):
    path, one = {"organization_id": organization["id"]}, {"deal_id": str(deal.id)}
    body = {"name": "x", "owner_rep_id": str(deal.owner_rep_id)}
    theirs = invoke("lifecycle/organizations", method="POST", body={"legal_name": "Theirs"}, token=other_tenant.admin).json
    refused = invoke(
        "lifecycle/organization_deals", method="POST", path={"organization_id": theirs["id"]}, body=body, token=other_tenant.admin
    )
    assert (refused.status, refused.json["errors"][0]["code"]) == (422, "unknown_owner_rep")
    assert invoke("lifecycle/deal", path=one, token=other_tenant.admin).status == 404
    assert invoke("lifecycle/deal_quotes", path=one, token=other_tenant.admin).status == 404
    quote = {"title": "x", "amount_cents": 1}
    assert invoke("lifecycle/deal_quotes", method="POST", path=one, body=quote, token=other_tenant.admin).status == 404
    assert invoke("lifecycle/deal_quotes", method="POST", path=one, body=quote, token=tenant.viewer).status == 403
    assert invoke("lifecycle/organization_deals", method="POST", path=path, body={"name": "x"}, token=tenant.viewer).status == 403


def test_a_quote_is_drafted_sent_seen_and_accepted(invoke, deal, organization):
    path = {"deal_id": str(deal.id)}
    over = invoke("lifecycle/deal_quotes", method="POST", path=path, body={"title": "x", "amount_cents": 1, "valid_until": "2020-01-01"})
    assert (over.status, over.json["errors"][0]["pointer"]) == (422, "#/valid_until")
    answer = invoke(
        "lifecycle/deal_quotes", method="POST", path=path, body={"title": "Plan", "amount_cents": 120_000, "valid_until": "2999-01-01"}
    )
    quote = Quote.model_validate_json(answer.body)
    assert (quote.status, quote.currency, quote.organization_id) == ("draft", "USD", deal.organization_id)
    assert change(invoke, "quote", quote.id, {"amount_cents": 110_000}, 1).json["amount_cents"] == 110_000
    assert change(invoke, "quote", quote.id, {"status": "accepted"}, 2).json["legal"] == ["sent"]
    sent = change(invoke, "quote", quote.id, {"status": "sent"}, 2)
    assert (sent.json["status"], sent.json["sent_at"] is not None) == ("sent", True)
    assert change(invoke, "quote", quote.id, {"amount_cents": 1}, 3).json["code"] == "quote_sent"
    accepted = change(invoke, "quote", quote.id, {"status": "accepted"}, 3).json
    assert accepted["viewed_at"] == accepted["accepted_at"] is not None
    assert invoke("lifecycle/quote", path={"quote_id": str(quote.id)}).json == accepted
    assert [one["id"] for one in invoke("lifecycle/deal_quotes", path=path).json["data"]] == [str(quote.id)]
    assert kinds(invoke, organization)[-2:] == ["quote_sent", "quote_accepted"]


def test_a_closed_deal_is_not_quoted_for(invoke, deal):
    change(invoke, "deal", deal.id, {"status": "won"}, 1)
    refused = invoke("lifecycle/deal_quotes", method="POST", path={"deal_id": str(deal.id)}, body={"title": "x", "amount_cents": 1})
    assert (refused.status, refused.json["code"]) == (409, "deal_closed")
