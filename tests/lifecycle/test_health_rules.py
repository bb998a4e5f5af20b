import json
from dataclasses import asdict, fields, replace
from decimal import Decimal
from urllib.parse import urlsplit

import pg8000.native
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientway.lifecycle.accounts.health import WEIGHTS, Inputs, explain, risk, trend
from clientway.lifecycle.accounts.health_sql import SCORES

counts = st.integers(0, 200)
some_inputs = st.builds(
    lambda nps, csat, **rest: Inputs(
        nps_answers_180d=len(nps), nps_points_180d=sum(nps), csat_answers_180d=len(csat), csat_points_180d=sum(csat), **rest
    ),
    nps=st.lists(st.integers(0, 10), max_size=7),
    csat=st.lists(st.integers(1, 5), max_size=7),
    delivered_90d=counts,
    clicks_90d=counts,
    portal_logins_90d=st.none() | st.integers(0, 10),
    asked_90d=st.integers(0, 30),
    replies_90d=st.integers(0, 30),
    invoices_due_12m=st.integers(0, 30),
    invoices_on_time_12m=st.integers(0, 30),
    open_disputes=st.sampled_from([0, 0, 0, 1, 2, 5]),
    over_30d_late=st.booleans(),
    past_due_days_max=st.sampled_from([0, 0, 14, 15, 400]),
    account_nps=st.none() | st.integers(-100, 100),
    days_since_last_touch=st.none() | st.integers(0, 120),
    tickets_30d=st.integers(0, 12),
    tenure_days=st.integers(0, 1000),
    referrals=st.integers(0, 3),
    cancelled=st.sampled_from([False, False, True]),
)
PERFECT = Inputs(
    delivered_90d=40,
    clicks_90d=10,
    portal_logins_90d=6,
    asked_90d=3,
    replies_90d=3,
    invoices_due_12m=12,
    invoices_on_time_12m=12,
    nps_answers_180d=2,
    nps_points_180d=20,
    csat_answers_180d=1,
    csat_points_180d=5,
    days_since_last_touch=7,
    tickets_30d=2,
    tenure_days=731,
    referrals=2,
)


def points(inputs):
    return {component.name: component.points for component in explain(inputs).components}


def test_a_perfect_account_scores_a_hundred():
    explained = explain(PERFECT)

    assert (explained.score, explained.risk, explained.confidence, explained.capped_by) == (100, "low", 1, None)
    assert set(points(PERFECT).values()) == {100}


@pytest.mark.parametrize(
    ("component", "inputs", "expected"),
    [
        ("engagement", Inputs(), None),
        ("engagement", Inputs(delivered_90d=60, clicks_90d=12), "80"),
        ("engagement", Inputs(delivered_90d=60, clicks_90d=12, portal_logins_90d=3), "65"),
        ("engagement", Inputs(delivered_90d=60, clicks_90d=12, portal_logins_90d=3, asked_90d=3, replies_90d=1), "54.44"),
        ("engagement", Inputs(portal_logins_90d=60), "100"),
        ("payment", Inputs(open_disputes=1), None),
        ("payment", Inputs(invoices_due_12m=3, invoices_on_time_12m=2), "66.67"),
        ("payment", Inputs(invoices_due_12m=10, invoices_on_time_12m=9, open_disputes=1, over_30d_late=True), "45"),
        ("payment", Inputs(invoices_due_12m=10, invoices_on_time_12m=9, open_disputes=5), "0"),
        ("satisfaction", Inputs(), None),
        ("satisfaction", Inputs(nps_answers_180d=2, nps_points_180d=15, account_nps=-100), "75"),
        ("satisfaction", Inputs(account_nps=50), "75"),
        ("satisfaction", Inputs(account_nps=50, csat_answers_180d=2, csat_points_180d=6), "62.50"),
        ("activity", Inputs(tickets_30d=0), None),
        ("activity", Inputs(days_since_last_touch=0), "100"),
        ("activity", Inputs(days_since_last_touch=90), "40"),
        ("activity", Inputs(days_since_last_touch=49), "69.64"),
        ("activity", Inputs(days_since_last_touch=400, tickets_30d=4), "28"),
        ("activity", Inputs(days_since_last_touch=7, tickets_30d=100), "60"),
        ("relationship", Inputs(), "0"),
        ("relationship", Inputs(tenure_days=365, referrals=1), "49.98"),
        ("relationship", Inputs(tenure_days=5000, referrals=9), "100"),
    ],
)
def test_components(component, inputs, expected):
    assert points(inputs)[component] == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("change", "score", "capped_by"),
    [
        ({"open_disputes": 1}, 49, "open_dispute"),
        ({"past_due_days_max": 14}, 100, None),
        ({"past_due_days_max": 15}, 49, "past_due"),
        ({"past_due_days_max": 15, "open_disputes": 1}, 49, "open_dispute"),
        ({"cancelled": True, "open_disputes": 1}, 29, "cancelled"),
    ],
)
def test_caps_show(change, score, capped_by):
    explained = explain(replace(PERFECT, **change))

    assert (explained.score, explained.capped_by) == (score, capped_by)
    assert [adjustment.name for adjustment in explained.adjustments[1:]] == ([f"cap_{capped_by}"] if capped_by else [])


def test_with_too_little_to_go_by_the_score_is_fifty():
    explained = explain(Inputs(tenure_days=2000, referrals=2))

    assert (explained.score, explained.risk, explained.confidence, explained.insufficient_data) == (50, "medium", Decimal("0.15"), True)
    assert explained.adjustments[0].name == "insufficient_data"


def test_what_is_unknown_drops_out_and_the_rest_counts_for_more():
    explained = explain(replace(PERFECT, nps_answers_180d=0, csat_answers_180d=0, referrals=0))

    # (0.25·100 + 0.25·100 + 0.15·100 + 0.15·70) / 0.80
    assert (explained.score, explained.confidence) == (94, Decimal("0.80"))
    assert [str(component.contribution) for component in explained.components] == ["31.2500", "31.2500", "0", "18.7500", "13.1250"]


@given(some_inputs)
def test_the_sum_of_the_parts_is_the_score(inputs):
    explained = explain(inputs)
    parts = [component.contribution for component in explained.components] + [adjustment.amount for adjustment in explained.adjustments]

    assert sum(parts) == explained.score
    assert 0 <= explained.score <= 100
    assert explained.confidence == sum(WEIGHTS[component.name] for component in explained.components if component.points is not None)
    assert all(component.points is None or 0 <= component.points <= 100 for component in explained.components)
    assert all(component.reason and component.recommendation for component in explained.components)


@given(some_inputs)
def test_caps_hold_whatever_else_is_known(inputs):
    score = explain(inputs).score

    assert not inputs.cancelled or score <= 29
    assert not (inputs.open_disputes or inputs.past_due_days_max > 14) or score <= 49


@given(some_inputs)
def test_a_stored_copy_of_the_inputs_replays_the_score(inputs):
    assert explain(Inputs(**json.loads(json.dumps(asdict(inputs))))) == explain(inputs)


@given(some_inputs)
def test_the_explanation_survives_json(inputs):
    told = explain(inputs).as_dict()
    again = json.loads(json.dumps(told), parse_float=Decimal)

    assert (
        sum(part["contribution"] for part in again["components"]) + sum(part["amount"] for part in again["adjustments"]) == again["score"]
    )


def test_every_input_is_shown_or_makes_a_cap():
    shown = {name for component in explain(PERFECT).components for name in component.inputs}

    assert {field.name for field in fields(Inputs)} - shown == {"past_due_days_max", "cancelled"}


def test_reasons_are_plain_english():
    told = {
        component.name: (component.reason, component.recommendation)
        for component in explain(replace(PERFECT, referrals=1, csat_answers_180d=0, nps_answers_180d=0)).components
    }

    assert told["engagement"] == (
        "10 clicks in 40 delivered e-mails; 6 portal sign-ins; 3 of 3 questions answered.",
        "Nothing to do: keep it up.",
    )
    assert told["satisfaction"] == (
        "Nothing to go by yet, so the other components count for more.",
        "Ask for an NPS answer, or a rating with the next resolved ticket.",
    )
    assert told["relationship"] == ("A client for 731 days; 1 referral.", "Ask for a referral.")


def test_the_weakest_signal_sets_the_next_action():
    quiet = {component.name: component.recommendation for component in explain(replace(PERFECT, days_since_last_touch=80)).components}

    assert quiet["activity"] == "Get in touch this week."
    assert quiet["payment"] == "Nothing to do: keep it up."


@pytest.mark.parametrize(
    ("score", "band"),
    [(100, "low"), (70, "low"), (69, "medium"), (50, "medium"), (49, "high"), (30, "high"), (29, "critical"), (0, "critical")],
)
def test_risk_bands(score, band):
    assert risk(score) == band


@pytest.mark.parametrize(
    ("now", "then", "expected"),
    [(50, None, "stable"), (54, 50, "stable"), (55, 50, "improving"), (46, 50, "stable"), (45, 50, "declining")],
)
def test_five_points_make_a_trend(now, then, expected):
    assert trend(now, then) == expected


COLUMNS = {"int": "bigint", "int | None": "bigint", "bool": "boolean"}


@pytest.fixture(scope="module")
def connection(admin_url):
    """Open a connection of its own: the formula needs a server, but no table.

    The superuser's, which is not closed while Hypothesis is busy: the others may be idle for four seconds.
    """
    url = urlsplit(admin_url)
    connection = pg8000.native.Connection(
        url.username, host=url.hostname, port=url.port, password=url.password, database=url.path.lstrip("/")
    )
    yield connection
    connection.close()


# Hypothesis grows and shrinks a batch of accounts, each of which PostgreSQL and Python score alike.
@settings(max_examples=60)
@given(batch=st.lists(some_inputs, min_size=1, max_size=100))
def test_the_database_scores_as_python_does(connection, batch):
    columns = ", ".join(f"{name} {COLUMNS[str(getattr(kind, '__name__', kind))]}" for name, kind in Inputs.__annotations__.items())
    rows = json.dumps([{"account_id": number, **asdict(inputs)} for number, inputs in enumerate(batch)])
    source = f"select * from json_to_recordset(cast(:rows as json)) as given (account_id integer, {columns})"

    scored = connection.run(f"with inputs as ({source}) {SCORES} order by account_id", rows=rows)

    for (_, *row), explained in zip(scored, map(explain, batch), strict=True):
        expected = [component.points for component in explained.components]
        assert row == [*expected, explained.confidence, explained.score, explained.capped_by, explained.risk]
