from dataclasses import fields

from clientway.lifecycle.stages.queries import WEIGHED
from clientway.lifecycle.stages.rules import Facts, Stage, progress
from clientway.lifecycle.timeline.rules import (
    BY_HAND,
    PORTAL_VISIBLE,
    TOUCH,
    TRAITS,
    ActivityType,
    stage_fact,
)


def test_every_type_of_the_seed_has_its_traits():
    # Seed 0's, and those that tell of jobs, money and people.
    assert len(BY_HAND) == 21
    assert len(ActivityType) == 44
    assert set(TRAITS) == set(ActivityType)


def test_a_trait_names_a_fact_that_stages_know():
    assert {traits.fact for traits in TRAITS.values() if traits.fact} <= {field.name for field in fields(Facts)}


def test_the_lines_that_stages_follow_from_are_those_with_a_fact():
    # A deal is a fact by itself, a call is one only if it asked to be called back.
    by_themselves = {ActivityType.DEAL_CREATED, ActivityType.DEAL_WON, ActivityType.DEAL_LOST}
    facts = {kind for kind in ActivityType if stage_fact(kind) or stage_fact(kind, machine=True)}

    assert {*WEIGHED} == facts - by_themselves | {ActivityType.CALL_INBOUND}


def test_a_machine_neither_clicks_nor_opens():
    assert stage_fact(ActivityType.EMAIL_CLICKED) == "clicked"
    assert stage_fact(ActivityType.EMAIL_CLICKED, machine=True) is None
    assert stage_fact(ActivityType.EMAIL_OPENED) == "opened_by_human"
    assert stage_fact(ActivityType.EMAIL_OPENED, machine=True) == "opened_by_machine"


def test_a_click_makes_an_mql_and_a_reply_an_sql():
    reached = {
        kind: progress(Stage.PROSPECT, Facts(**{stage_fact(kind): True}))
        for kind in (ActivityType.EMAIL_CLICKED, ActivityType.EMAIL_REPLIED)
    }

    assert {kind: move.to_stage for kind, move in reached.items()} == {
        ActivityType.EMAIL_CLICKED: Stage.MQL,
        ActivityType.EMAIL_REPLIED: Stage.SQL,
    }


def test_the_portal_hides_notes_stages_and_what_was_observed():
    hidden = {
        ActivityType.NOTE_ADDED,
        ActivityType.STAGE_CHANGED,
        ActivityType.EMAIL_OPENED,
        ActivityType.QUOTE_VIEWED,
        ActivityType.DEAL_LOST,
    }

    assert not hidden & PORTAL_VISIBLE


def test_neither_mail_that_went_out_nor_an_open_is_a_touch():
    assert not {ActivityType.EMAIL_SENT, ActivityType.EMAIL_OPENED, ActivityType.NOTE_ADDED} & TOUCH
