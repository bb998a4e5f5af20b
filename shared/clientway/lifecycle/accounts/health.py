"""The health score of a client account, 0–100, with its own explanation.

Source: seed 0, "Client Health Scoring"; design 3, §3. `health_sql.SCORES` is the same formula for whole sets of
accounts. Both are exact and agree to the last digit, because every step is a fraction of integers that is at once
rounded half up (no value below is negative, so half up and PostgreSQL's half away from zero are the same):

1. Signals, 0–100, two decimals; null when nothing was counted:
   clicks = 400·clicks/delivered, logins = 100·logins/6, replies = 100·replies/asked, on_time = 100·on_time/due,
   nps = 10·points/answers, else (account_nps + 100)/2, csat = 25·(points − answers)/answers,
   recency = 100·(90 − days)/83, support = 100 − 15·(tickets − 2), tenure = 100·days/730.5, referrals = 50·referrals.
2. Components, two decimals: engagement = mean of clicks, logins, replies; payment = on_time − 25·open disputes
   − 20 if anything is over 30 days late, at least 0; satisfaction = mean of nps, csat; activity = 0.6·recency
   + 0.4·support; relationship = 0.7·tenure + 0.3·referrals. Null signals drop out of a mean; a mean of nothing is null.
3. Confidence = the sum of the weights (0.25, 0.25, 0.20, 0.15, 0.15) of the components that are not null.
4. Contribution = weight · points / confidence, four decimals. Their sum is the uncapped score.
5. Score = the sum rounded to an integer; 50 if confidence < 0.4; then at most 29 if cancelled, else at most 49 if a
   dispute is open or anything is more than 14 days past due. Each of these steps is a signed adjustment of its own,
   so that contributions and adjustments add up to the score exactly.

24 months of tenure are 24 · 30.4375 = 730.5 days.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, Literal

FORMULA_VERSION: Final = "health-1"

WEIGHTS: Final = {
    "engagement": Decimal("0.25"),
    "payment": Decimal("0.25"),
    "satisfaction": Decimal("0.20"),
    "activity": Decimal("0.15"),
    "relationship": Decimal("0.15"),
}
LEAST_CONFIDENCE: Final = Decimal("0.40")
GOOD: Final = 70
TREND_POINTS: Final = 5
"""A difference over thirty days that is more than noise."""
GRACE_DAYS: Final = 14
"""How long past due a payment may be before it caps the score."""

# What to do where nothing is known yet. Relationship always has its tenure.
FIRST_STEPS: Final = {
    "engagement": "Send a first e-mail and open the portal to a contact.",
    "payment": "Record the invoices that are due, so that payments can be seen to be on time.",
    "satisfaction": "Ask for an NPS answer, or a rating with the next resolved ticket.",
    "activity": "Get in touch, and log the call or the meeting.",
}

Risk = Literal["low", "medium", "high", "critical"]
Trend = Literal["improving", "stable", "declining"]
Cap = Literal["cancelled", "open_dispute", "past_due"]

RISK_BANDS: Final[tuple[tuple[int, Risk], ...]] = ((70, "low"), (50, "medium"), (30, "high"), (0, "critical"))
"""Seed 0's bands of churn risk, each from its lowest score upwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The counted facts of one account; all that the score depends on, so a stored copy replays it.

    Counts are never negative. None: not known or not applicable (no contact has a portal; nobody was ever in touch).
    """

    delivered_90d: int = 0
    clicks_90d: int = 0
    portal_logins_90d: int | None = None
    asked_90d: int = 0
    replies_90d: int = 0
    invoices_due_12m: int = 0
    invoices_on_time_12m: int = 0
    open_disputes: int = 0
    over_30d_late: bool = False
    past_due_days_max: int = 0
    nps_answers_180d: int = 0
    nps_points_180d: int = 0  # sum of the answers, 0–10 each
    account_nps: int | None = None  # −100..100, used when there are no answers
    csat_answers_180d: int = 0
    csat_points_180d: int = 0  # sum of the ratings, 1–5 each
    days_since_last_touch: int | None = None
    tickets_30d: int = 0
    tenure_days: int = 0
    referrals: int = 0
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Component:
    """One of the five parts: its points (0–100, None without data), what they come from and what to do next."""

    name: str
    points: Decimal | None
    weight: Decimal
    contribution: Decimal
    inputs: dict[str, int | bool | None]
    reason: str
    recommendation: str


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A step from the sum of the contributions to the score: insufficient_data, rounding, or the cap that bit."""

    name: str
    amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score and everything it follows from: contributions plus adjustments add up to it exactly."""

    score: int
    risk: Risk
    confidence: Decimal
    insufficient_data: bool
    capped_by: Cap | None
    components: tuple[Component, ...]
    adjustments: tuple[Adjustment, ...]
    formula_version: str = FORMULA_VERSION

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values; decimals become numbers of at most four decimal places."""
        return {key: _json(value) for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class _Signal:
    """One measured thing inside a component: its points, how it reads, and what improves it."""

    points: Decimal | None
    said: str
    action: str


def explain(inputs: Inputs) -> Explanation:
    """Score an account by the steps in this module's docstring."""
    findings = {
        "engagement": _engagement(inputs),
        "payment": _payment(inputs),
        "satisfaction": _satisfaction(inputs),
        "activity": _activity(inputs),
        "relationship": _relationship(inputs),
    }
    confidence = sum((WEIGHTS[name] for name, (points, *_) in findings.items() if points is not None), Decimal(0))
    components = tuple(
        Component(name, points, WEIGHTS[name], _contribution(name, points, confidence), used, _sentence(signals), _advice(name, signals))
        for name, (points, used, signals) in findings.items()
    )

    uncapped = sum((component.contribution for component in components), Decimal(0))
    insufficient = confidence < LEAST_CONFIDENCE
    base = 50 if insufficient else int(_half_up(uncapped, 0))
    first = Adjustment("rounding", base - uncapped, "Rounded to a whole number.")
    if insufficient:
        scarce = f"Only {confidence:.0%} of the evidence is there; under {LEAST_CONFIDENCE:.0%} the score is 50."
        first = Adjustment("insufficient_data", base - uncapped, scarce)
    ceiling, cap, why = _ceiling(inputs)
    score = min(base, ceiling)
    capped_by = cap if score < base else None
    adjustments = (first, Adjustment(f"cap_{cap}", Decimal(score - base), why)) if capped_by else (first,)
    return Explanation(score, risk(score), confidence, insufficient, capped_by, components, adjustments)


def risk(score: int) -> Risk:
    """Return seed 0's band of churn risk for a score: 70–100 low, 50–69 medium, 30–49 high, 0–29 critical."""
    return next(band for lowest, band in RISK_BANDS if score >= lowest)


def trend(now: int, thirty_days_ago: int | None) -> Trend:
    """Compare a score with the one 30 days before it; five points make a trend, no earlier score makes none."""
    change = 0 if thirty_days_ago is None else now - thirty_days_ago
    return "improving" if change >= TREND_POINTS else "declining" if change <= -TREND_POINTS else "stable"


_Finding = tuple[Decimal | None, dict[str, int | bool | None], tuple[_Signal, ...]]


def _engagement(i: Inputs) -> _Finding:
    clicks = _ratio(400 * i.clicks_90d, i.delivered_90d)
    logins = None if i.portal_logins_90d is None else _ratio(100 * i.portal_logins_90d, 6)
    replies = _ratio(100 * i.replies_90d, i.asked_90d)
    signals = (
        _Signal(
            clicks,
            f"{_count(i.clicks_90d, 'click')} in {_count(i.delivered_90d, 'delivered e-mail')}",
            "Send something worth a click: ask which topics matter to them.",
        ),
        _Signal(
            logins,
            _count(i.portal_logins_90d or 0, "portal sign-in"),
            "Show the portal to the main contact and send a fresh sign-in link.",
        ),
        _Signal(replies, f"{i.replies_90d} of {i.asked_90d} questions answered", "Call instead of writing: e-mails go unanswered."),
    )
    used = _used(i, "delivered_90d", "clicks_90d", "portal_logins_90d", "asked_90d", "replies_90d")
    return _mean(clicks, logins, replies), used, signals


def _payment(i: Inputs) -> _Finding:
    on_time = _ratio(100 * i.invoices_on_time_12m, i.invoices_due_12m)
    late = 20 if i.over_30d_late else 0
    points = None if on_time is None else max(Decimal(0), on_time - 25 * i.open_disputes - late)
    known = on_time is not None
    paid = f"{i.invoices_on_time_12m} of {i.invoices_due_12m} due invoices paid on time"
    signals = [_Signal(on_time, paid, "Offer automatic payment or a better due date.")]
    if known and i.open_disputes:
        signals.append(_Signal(Decimal(0), f"{_count(i.open_disputes, 'open dispute')} (25 off each)", "Settle the open dispute first."))
    if known and late:
        signals.append(_Signal(Decimal(0), "a payment over 30 days late (20 off)", "Agree on a date for the late payment."))
    return points, _used(i, "invoices_due_12m", "invoices_on_time_12m", "open_disputes", "over_30d_late"), tuple(signals)


def _satisfaction(i: Inputs) -> _Finding:
    account = None if i.account_nps is None else _half_up(Fraction(i.account_nps + 100, 2))
    nps = _ratio(10 * i.nps_points_180d, i.nps_answers_180d) if i.nps_answers_180d else account
    csat = _ratio(25 * (i.csat_points_180d - i.csat_answers_180d), i.csat_answers_180d)
    source = (
        f"{_count(i.nps_answers_180d, 'NPS answer')}, {_average(i.nps_points_180d, i.nps_answers_180d)} of 10 on average"
        if i.nps_answers_180d
        else f"an account NPS of {i.account_nps}"
    )
    ratings = f"{_count(i.csat_answers_180d, 'ticket rating')}, {_average(i.csat_points_180d, i.csat_answers_180d)} of 5 on average"
    signals = (
        _Signal(nps, source, "Call about the NPS answer and ask what would make it a 10."),
        _Signal(csat, ratings, "Follow up on the worst-rated ticket."),
    )
    used = _used(i, "nps_answers_180d", "nps_points_180d", "account_nps", "csat_answers_180d", "csat_points_180d")
    return _mean(nps, csat), used, signals


def _activity(i: Inputs) -> _Finding:
    days = i.days_since_last_touch
    recency = None if days is None else _ratio(100 * max(0, 90 - days), 83)
    # Without any touch on record, the absence of tickets says nothing either: the account may just be unrecorded.
    load = None if days is None else Decimal(max(0, 100 - 15 * max(0, i.tickets_30d - 2)))
    points = None if recency is None or load is None else _half_up(Fraction(6, 10) * Fraction(recency) + Fraction(4, 10) * Fraction(load))
    signals = (
        _Signal(recency, f"last touch {_count(days or 0, 'day')} ago", "Get in touch this week."),
        _Signal(load, f"{_count(i.tickets_30d, 'ticket')} in 30 days", "Look for the common cause of the recent tickets."),
    )
    return points, _used(i, "days_since_last_touch", "tickets_30d"), signals


def _relationship(i: Inputs) -> _Finding:
    tenure = _ratio(100 * 2 * i.tenure_days, 1461) or Decimal(0)
    referrals = Decimal(min(100, 50 * i.referrals))
    signals = (
        _Signal(tenure, f"a client for {_count(i.tenure_days, 'day')}", "Time will tell: plan the next review with them."),
        _Signal(referrals, _count(i.referrals, "referral"), "Ask for a referral."),
    )
    points = _half_up(Fraction(7, 10) * Fraction(tenure) + Fraction(3, 10) * Fraction(referrals))
    return points, _used(i, "tenure_days", "referrals"), signals


def _ceiling(i: Inputs) -> tuple[int, Cap | None, str]:
    if i.cancelled:
        return 29, "cancelled", "A cancelled account scores at most 29."
    if i.open_disputes:
        return 49, "open_dispute", "With an open dispute the score is at most 49."
    if i.past_due_days_max > GRACE_DAYS:
        return 49, "past_due", f"With a payment {i.past_due_days_max} days past due (over {GRACE_DAYS}) the score is at most 49."
    return 100, None, ""


def _half_up(value: Fraction | Decimal, places: int = 2) -> Decimal:
    """Round without ever passing through an inexact quotient."""
    exact = Fraction(value) * 10**places
    return Decimal((2 * exact.numerator + exact.denominator) // (2 * exact.denominator)).scaleb(-places)


def _ratio(hundredfold: int, of: int) -> Decimal | None:
    return min(Decimal(100), _half_up(Fraction(hundredfold, of))) if of else None


def _mean(*points: Decimal | None) -> Decimal | None:
    known = [Fraction(value) for value in points if value is not None]
    return _half_up(sum(known, Fraction(0)) / len(known)) if known else None


def _contribution(name: str, points: Decimal | None, confidence: Decimal) -> Decimal:
    return Decimal(0) if points is None else _half_up(Fraction(WEIGHTS[name]) * Fraction(points) / Fraction(confidence), 4)


def _sentence(signals: Iterable[_Signal]) -> str:
    said = "; ".join(signal.said for signal in signals if signal.points is not None)
    return f"{said[0].upper()}{said[1:]}." if said else "Nothing to go by yet, so the other components count for more."


def _advice(name: str, signals: tuple[_Signal, ...]) -> str:
    known = [(signal.points, signal.action) for signal in signals if signal.points is not None]
    if not known:
        return FIRST_STEPS[name]
    worst, action = min(known, key=lambda one: one[0])
    return action if worst < GOOD else "Nothing to do: keep it up."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _average(points: int, answers: int) -> Decimal | None:
    return _half_up(Fraction(points, answers), 1) if answers else None


def _used(inputs: Inputs, *names: str) -> dict[str, int | bool | None]:
    return {name: getattr(inputs, name) for name in names}


def _json(value: object) -> object:
    match value:
        case Decimal():
            return float(value)
        case dict():
            return {key: _json(item) for key, item in value.items()}
        case list() | tuple():
            return [_json(item) for item in value]
        case _:
            return value
