from dataclasses import fields, replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientway.lifecycle.stages.rules import (
    LADDER,
    PROGRESSIONS,
    RANK,
    Facts,
    Move,
    MoveReasonRequired,
    Stage,
    StageMoveRefused,
    check_move,
    legal_moves,
    needs_reason,
    progress,
    settle,
)

PAID = datetime(2026, 1, 26, tzinfo=UTC)
FLAGS = [field.name for field in fields(Facts) if field.name != "first_payment_at"]

stages = st.sampled_from(Stage)
facts_of_any_kind = st.builds(Facts, **{flag: st.booleans() for flag in FLAGS}, first_payment_at=st.none() | st.just(PAID))
favourable_facts = facts_of_any_kind.map(lambda facts: replace(facts, last_open_deal_lost=False, subscription_ended=False))


@pytest.mark.parametrize(
    ("stage", "facts", "to", "trigger"),
    [
        # the seed's five rules
        ("lead", Facts(email_valid=True, has_phone=True), "prospect", "validated"),
        ("lead", Facts(email_valid=True, has_website=True), "prospect", "validated"),
        ("prospect", Facts(clicked=True), "mql", "engaged"),
        ("prospect", Facts(opened_by_human=True), "mql", "engaged"),
        ("prospect", Facts(form_submitted=True), "mql", "engaged"),
        ("mql", Facts(replied=True), "sql", "answered"),
        ("mql", Facts(callback_requested=True), "sql", "answered"),
        ("sql", Facts(has_open_deal=True), "opportunity", "deal_opened"),
        ("sql", Facts(quote_sent_or_call_scheduled=True), "opportunity", "deal_opened"),
        ("opportunity", Facts(first_payment_at=PAID), "client", "first_payment"),
        # skipping, to the furthest
        ("lead", Facts(clicked=True), "mql", "engaged"),
        ("lead", Facts(first_payment_at=PAID, replied=True), "client", "first_payment"),
        ("prospect", Facts(clicked=True, replied=True), "sql", "answered"),
        # backward, sideways and back again
        ("opportunity", Facts(last_open_deal_lost=True), "sql", "last_deal_lost"),
        ("opportunity", Facts(last_open_deal_lost=True, quote_sent_or_call_scheduled=True), "sql", "last_deal_lost"),
        ("opportunity", Facts(last_open_deal_lost=True, first_payment_at=PAID), "client", "first_payment"),
        ("client", Facts(subscription_ended=True), "churned", "subscription_ended"),
        ("churned", Facts(has_open_deal=True), "opportunity", "won_back_by_deal"),
        ("churned", Facts(has_open_deal=True, first_payment_at=PAID), "client", "won_back_by_payment"),
    ],
)
def test_the_facts_move_an_organization(stage, facts, to, trigger):
    assert progress(Stage(stage), facts) == Move(Stage(stage), Stage(to), trigger, automatic=True)


@pytest.mark.parametrize(
    ("stage", "facts"),
    [
        ("lead", Facts()),
        ("lead", Facts(email_valid=True)),
        ("lead", Facts(has_phone=True, has_website=True)),
        ("prospect", Facts(opened_by_machine=True)),
        ("sql", Facts(replied=True, clicked=True)),
        ("opportunity", Facts(last_open_deal_lost=True, has_open_deal=True)),
        ("client", Facts(last_open_deal_lost=True)),
        ("client", Facts(subscription_ended=True, open_job=True)),
        ("churned", Facts(replied=True, clicked=True)),
        ("blacklist", Facts(first_payment_at=PAID, has_open_deal=True)),
    ],
)
def test_the_facts_leave_an_organization_where_it_is(stage, facts):
    assert progress(Stage(stage), facts) is None


def test_a_tenant_may_count_machine_opens():
    move = progress(Stage.LEAD, Facts(opened_by_machine=True), literal_open_rule=True)

    assert move == Move(Stage.LEAD, Stage.MQL, "engaged", automatic=True)


def test_the_progressions_climb_rung_by_rung():
    assert [(rule.from_stage, rule.to_stage) for rule in PROGRESSIONS] == list(pairwise(LADDER))


@given(stages, facts_of_any_kind, st.booleans())
def test_automatic_moves_go_forward_but_for_the_named_turns(stage, facts, literal):
    move = progress(stage, facts, literal_open_rule=literal)

    if move and (stage not in RANK or move.to_stage not in RANK or RANK[move.to_stage] <= RANK[stage]):
        assert (stage, move.to_stage) in {
            (Stage.OPPORTUNITY, Stage.SQL),
            (Stage.CLIENT, Stage.CHURNED),
            (Stage.CHURNED, Stage.OPPORTUNITY),
            (Stage.CHURNED, Stage.CLIENT),
        }


@given(stages, facts_of_any_kind, st.booleans())
def test_one_look_at_the_facts_is_enough(stage, facts, literal):
    move = progress(stage, facts, literal_open_rule=literal)
    again = move and progress(move.to_stage, facts, literal_open_rule=literal)

    assert again is None or (again.trigger, facts.first_payment_at) == ("subscription_ended", PAID)


@given(stages, facts_of_any_kind, st.booleans())
def test_settling_takes_two_moves_at_most_and_lasts(stage, facts, literal):
    moves = settle(stage, facts, literal_open_rule=literal)

    assert len(moves) <= 2
    assert settle(moves[-1].to_stage if moves else stage, facts, literal_open_rule=literal) == ()


def test_a_payment_found_after_the_end_makes_a_client_and_then_a_churned_one():
    moves = settle(Stage.OPPORTUNITY, Facts(first_payment_at=PAID, subscription_ended=True))

    assert [str(move.to_stage) for move in moves] == ["client", "churned"]


@given(facts_of_any_kind, st.booleans())
def test_nothing_automatic_enters_or_leaves_the_blacklist(facts, literal):
    assert progress(Stage.BLACKLIST, facts, literal_open_rule=literal) is None
    assert Stage.BLACKLIST not in {move.to_stage for stage in Stage if (move := progress(stage, facts, literal_open_rule=literal))}


@given(st.sampled_from(LADDER), favourable_facts, favourable_facts)
def test_more_good_facts_never_mean_a_lower_stage(stage, facts, more):
    both = Facts(**{field.name: getattr(facts, field.name) or getattr(more, field.name) for field in fields(Facts)})

    def rank(known):
        move = progress(stage, known)
        return RANK[move.to_stage if move else stage]

    assert rank(both) >= max(rank(facts), rank(more))


@pytest.mark.parametrize(
    ("stage", "role", "legal"),
    [
        ("lead", "viewer", []),
        ("lead", "editor", ["prospect", "mql", "sql", "opportunity", "client", "blacklist"]),
        ("sql", "editor", ["lead", "prospect", "mql", "opportunity", "client", "blacklist"]),
        ("client", "admin", ["lead", "prospect", "mql", "sql", "opportunity", "churned", "blacklist"]),
        ("churned", "editor", ["opportunity", "client", "blacklist"]),
        ("blacklist", "editor", []),
        ("blacklist", "admin", ["lead"]),
    ],
)
def test_legal_moves_by_hand(stage, role, legal):
    assert [str(target) for target in legal_moves(Stage(stage), role)] == legal


@given(stages, st.sampled_from(["admin", "editor", "viewer"]), stages)
def test_with_a_reason_exactly_the_legal_moves_pass(stage, role, target):
    if target in legal_moves(stage, role):
        check_move(stage, target, role, "as agreed on the phone")
    else:
        with pytest.raises(StageMoveRefused) as refused:
            check_move(stage, target, role, "as agreed on the phone")
        assert refused.value.extensions["legal"] == [str(stage) for stage in legal_moves(stage, role)]


def test_a_refused_move_names_the_legal_ones():
    with pytest.raises(StageMoveRefused) as refused:
        check_move(Stage.BLACKLIST, Stage.CLIENT, "admin", "paid")

    problem = refused.value
    assert (problem.status, problem.code, problem.extensions["legal"]) == (409, "stage_move_refused", ["lead"])


def test_staying_put_is_no_move():
    with pytest.raises(StageMoveRefused, match="already in stage sql"):
        check_move(Stage.SQL, Stage.SQL, "admin", "again")


@pytest.mark.parametrize("reason", [None, "", "  "])
@pytest.mark.parametrize(
    ("current", "target"), [("sql", "lead"), ("client", "churned"), ("lead", "blacklist"), ("churned", "blacklist"), ("blacklist", "lead")]
)
def test_a_move_off_the_ladder_or_down_needs_a_reason(current, target, reason):
    with pytest.raises(MoveReasonRequired):
        check_move(Stage(current), Stage(target), "admin", reason)


@pytest.mark.parametrize(("current", "target"), [("lead", "client"), ("churned", "client"), ("churned", "opportunity")])
def test_a_move_up_explains_itself(current, target):
    assert not needs_reason(Stage(current), Stage(target))
    check_move(Stage(current), Stage(target), "editor", None)
