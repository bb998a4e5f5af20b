"""What a definition may say: each refusal at its place, each sentence as one would say it, and nothing of a caller in the SQL."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from clientway.errors import Unprocessable
from clientway.messaging.segments import rules
from clientway.messaging.segments.compiling import MOST_SQL, compiled
from clientway.messaging.segments.fields import EVENTS, FIELDS, TYPES, custom

NOW = datetime(2026, 3, 10, 3, 30, tzinfo=UTC)
SIZE = custom("size", "select", UUID(int=1), ["s", "l"])
WEIGHT = custom("weight", "number", UUID(int=2), None)
CUSTOM = {"size": SIZE, "weight": WEIGHT}
VIP = {"field": "tags", "op": "has", "value": "vip"}
HAND = UUID(int=7)
KNOWN = {HAND: rules.Known(HAND, "The board", "manual", None)}


def resolved(definition):
    return rules.resolve(rules.read(definition, "#/d"), "#/d", custom=CUSTOM, known=KNOWN)


def where(definition, zone="America/New_York"):
    return compiled(resolved(definition), now=NOW, zone=zone)


def refusal(definition):
    with pytest.raises(Unprocessable) as refused:
        where(definition)
    return {(error.pointer, error.code) for error in refused.value.errors}


def field(name, op, *value, **more):
    return {"field": name, "op": op, **({"value": value[0]} if value else {}), **more}


@pytest.mark.parametrize(
    ("definition", "pointer", "code"),
    [
        ({}, "#/d", "unknown_form"),
        ({"all": [VIP, {"x": 1}]}, "#/d/all/1", "unknown_form"),
        ({"all": [VIP, 5]}, "#/d/all/1", "unknown_form"),
        ({"any": []}, "#/d/any", "too_short"),
        ({"all": {"a": 1}}, "#/d/all", "list_type"),
        ({"all": [VIP], "any": [VIP]}, "#/d/any", "extra_forbidden"),
        ({"not": {"any": [{"field": "status", "op": "like", "value": "x"}]}}, "#/d/not/any/0/op", "literal_error"),
        ({**VIP, "value": {"a": 1}}, "#/d/value", "bool_type"),
        ({**VIP, "value": "\x00"}, "#/d/value", "bool_type"),
        ({**VIP, "value": []}, "#/d/value", "bool_type"),
        ({**VIP, "why": 1}, "#/d/why", "extra_forbidden"),
        ({"segment": "x"}, "#/d/segment", "uuid_parsing"),
        ({"segment": str(UUID(int=9))}, "#/d/segment", "unknown_segment"),
        ({"all": [VIP] * 51}, "#/d", "too_many"),
        ({"not": {"not": {"not": {"not": {"not": {"not": VIP}}}}}}, "#/d", "too_deep"),
        ({"all": [field("tenant_id", "eq", "x")]}, "#/d/all/0/field", "unknown_field"),
        (field("custom.colour", "eq", "x"), "#/d/field", "unknown_field"),
        (field("size", "eq", "s"), "#/d/field", "unknown_field"),
        (field("status; drop table contacts", "eq", "x"), "#/d/field", "unknown_field"),
        (field("status", "gt", "x"), "#/d/op", "wrong_operator"),
        (field("status", "is_known"), "#/d/op", "wrong_operator"),
        (field("tags", "eq", "x"), "#/d/op", "wrong_operator"),
        (field("status", "eq", "gone"), "#/d/value", "not_an_option"),
        (field("status", "in", ["active", "gone"]), "#/d/value/1", "not_an_option"),
        (field("custom.size", "eq", "m"), "#/d/value", "not_an_option"),
        (field("status", "eq", True), "#/d/value", "not_text"),
        (field("status", "eq"), "#/d/value", "not_text"),
        (field("status", "in", "active"), "#/d/value", "not_a_list"),
        (field("ltv_cents", "gt", "5"), "#/d/value", "not_an_integer"),
        (field("ltv_cents", "gt", 5.5), "#/d/value", "not_an_integer"),
        (field("ltv_cents", "gt", True), "#/d/value", "not_an_integer"),
        (field("ltv_cents", "gt", 2**63), "#/d/value", "not_an_integer"),
        (field("custom.weight", "gt", "heavy"), "#/d/value", "not_a_number"),
        (field("custom.weight", "gt", 10**400), "#/d/value", "not_a_number"),
        (field("ltv_cents", "between", [1]), "#/d/value", "not_a_range"),
        (field("ltv_cents", "between", [2, 1]), "#/d/value", "empty_range"),
        (field("ltv_cents", "between", [1, "2"]), "#/d/value/1", "not_an_integer"),
        (field("is_primary", "is", 1), "#/d/value", "not_a_boolean"),
        (field("created_at", "before", "yesterday"), "#/d/value", "not_a_date"),
        (field("created_at", "before", "2026-02-30"), "#/d/value", "not_a_date"),
        (field("created_at", "before", "9999-12-31"), "#/d/value", "not_a_date"),
        (field("created_at", "before", "2026-01-01T10:00:00"), "#/d/value", "not_a_date"),
        (field("created_at", "on", "2026-01-01T10:00:00Z"), "#/d/value", "not_a_date"),
        (field("birth_date", "before", "2026-01-01T10:00:00Z"), "#/d/value", "not_a_date"),
        (field("created_at", "within_last_days", 0), "#/d/value", "not_days"),
        (field("created_at", "within_last_days", "30"), "#/d/value", "not_days"),
        (field("first_name", "is_known", "x"), "#/d/value", "no_value"),
        ({"event": "birthday"}, "#/d/event", "unknown_event"),
        ({"event": "email_sent", "within_days": 3651}, "#/d/within_days", "less_than_equal"),
        ({"event": "email_sent", "within_days": 0}, "#/d/within_days", "greater_than_equal"),
        ({"event": "email_sent", "count": {"op": "gt", "n": 1}}, "#/d/count/op", "literal_error"),
        ({"event": "email_sent", "where": {"machine": True}}, "#/d/where/machine", "not_here"),
        ({"event": "job_completed", "where": {"campaign_id": str(UUID(int=3))}}, "#/d/where/campaign_id", "not_here"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(definition, pointer, code):
    assert (pointer, code) in refusal(definition)


def test_everything_wrong_is_told_at_once():
    assert refusal({"any": [field("nobody", "eq", 1), field("status", "eq", "x"), {"event": "x"}]}) == {
        ("#/d/any/0/field", "unknown_field"), ("#/d/any/1/value", "not_an_option"), ("#/d/any/2/event", "unknown_event"),
    }  # fmt: skip


def test_bottomless_nesting_is_refused_before_anything_recurses():
    definition = VIP
    for _ in range(50_000):
        definition = {"not": definition}
    assert refusal(definition) == {("#/d", "too_deep")}


CORPUS = [
    "' or 1=1 --", "'; drop table contacts; --", "\\'; select 1", "$$; select 1; $$", ":seg_0", ":tenant", "%s %(x)s", "cast(:x as text)", "){}('",
    "/* */", "\u2019 or true", "a\nb", "{0}", "app.tenant()",
]  # fmt: skip


@pytest.mark.parametrize("evil", CORPUS)
def test_nothing_that_a_caller_wrote_stands_in_the_sql(evil):
    plain = {"all": [field("first_name", "eq", "x"), field("source", "in", ["x", "y"]), field("title", "starts_with", "x"), VIP]}
    hostile = {
        "all": [field("first_name", "eq", evil), field("source", "in", [evil, "y"]), field("title", "starts_with", evil), {**VIP, "value": evil}],
    }  # fmt: skip
    ours, theirs = where(plain), where(hostile)
    assert theirs.sql == ours.sql
    assert evil in theirs.parameters.values()


def test_every_table_that_is_asked_names_the_tenant():
    for one in FIELDS.values():
        assert (f"{one.source} {one.sql}").count("app.tenant()") == (f"from {one.source} {one.sql}" if one.source else one.sql).count(
            "from "
        )
        assert one.kind in TYPES
    for event in EVENTS.values():
        assert event.source.count("app.tenant()") == 1


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ({"all": []}, "All contacts."),
        (
            {"all": [field("status", "eq", "active"), VIP, {"event": "email_sent", "within_days": 30, "count": {"op": "eq", "n": 0}}]},
            "Contacts whose status is active and who have the tag vip, but who were not e-mailed in the last 30 days.",
        ),
        ({"not": {"event": "email_sent", "within_days": 1}}, "Contacts who were not e-mailed in the last day."),
        ({"not": {"all": [VIP, field("status", "eq", "lead")]}}, "Contacts who do not have the tag vip or whose status is not lead."),
        ({"not": {"any": [VIP, field("status", "eq", "lead")]}}, "Contacts who do not have the tag vip and whose status is not lead."),
        (
            {"all": [VIP, {"any": [field("ltv_cents", "gte", 120_050), field("is_primary", "is", True)]}]},
            "Contacts who have the tag vip and (whose lifetime value is at least 1,200.50 or of whom it holds that “is the primary contact”).",
        ),
        (field("address.city", "ne", "New York"), "Contacts whose address's city is not “New York” (and is known)."),
        (
            field("address.city", "ne", "Rome", include_unknown=True),
            "Contacts whose address's city is not Rome (or is not known).",
        ),
        ({"not": field("address.city", "eq", "Rome")}, "Contacts whose address's city is not Rome (or is not known)."),
        ({"not": field("first_name", "is_known")}, "Contacts whose first name is not known."),
        (field("tags", "has_any", list("abcdefg")), "Contacts who have any of these as tag: a, b, c, d, e and 2 more."),
        (field("jobs.last_completed_at", "older_than_days", 90), "Contacts whose last completed job is more than 90 days ago."),
        (field("created_at", "on", "2026-01-02"), "Contacts whose creation is on 2026-01-02."),
        ({"event": "job_completed", "count": {"op": "gte", "n": 3}}, "Contacts who had at least 3 times: job completed."),
        ({"event": "message_opened", "where": {"machine": True, "channel": "email"}}, "Contacts who had a message opened (by email, those of machines too)."),
        ({"not": {"event": "payment_received", "where": {"min_amount_cents": 5}}}, "Contacts who did not pay (of at least 5 cents)."),
        ({"segment": str(HAND)}, "Contacts who belong to the segment “The board”."),
    ],
)  # fmt: skip
def test_a_definition_in_a_sentence(definition, said):
    assert where(definition).english == said


def test_days_begin_where_the_tenant_is():
    # New York springs forward on 8 March 2026: that day has 23 hours.
    day = where(field("created_at", "on", "2026-03-08")).parameters
    assert list(day.values()) == [datetime(2026, 3, 8, 5, tzinfo=UTC), datetime(2026, 3, 9, 4, tzinfo=UTC)]
    assert list(where(field("created_at", "after", "2026-03-08"), "UTC").parameters.values()) == [datetime(2026, 3, 9, tzinfo=UTC)]
    # It is still the 9th in New York.
    assert str(where(field("birth_date", "older_than_days", 9)).parameters["seg_0"]) == "2026-02-28"


def test_a_long_definition_keeps_within_what_a_proxy_lets_pass():
    long = {"any": [field("organization.industry", "ne", "x", include_unknown=True)] * 40}
    assert len(where(long).sql) <= MOST_SQL
    assert len(where({"any": [field("source", "eq", "x" * 2000)] * 50}).english) <= 4000
    event = {"event": "message_clicked", "within_days": 3, "count": {"op": "eq", "n": 3}, "where": {"campaign_id": str(UUID(int=3))}}
    assert refusal({"any": [event] * 50}) == {("#/definition", "segment_too_large")}
