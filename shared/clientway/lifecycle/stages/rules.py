"""The lifecycle ladder of an organization: which moves follow from the facts, and which a person may make by hand.

Source: seed 0, "Lifecycle Stage Definitions" and "Stage Transition Triggers"; design 3, §4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from clientway.errors import FieldError, Problem


class Stage(StrEnum):
    """Where an organization stands, from raw data to paying customer."""

    LEAD = "lead"
    PROSPECT = "prospect"
    MQL = "mql"
    SQL = "sql"
    OPPORTUNITY = "opportunity"
    CLIENT = "client"
    CHURNED = "churned"
    BLACKLIST = "blacklist"


LADDER: Final = (Stage.LEAD, Stage.PROSPECT, Stage.MQL, Stage.SQL, Stage.OPPORTUNITY, Stage.CLIENT)

# Churned and blacklist have no rank: they stand beside the ladder, so nothing is "further" than they are.
RANK: Final = {stage: rank for rank, stage in enumerate(LADDER)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of an organization, as far as stages depend on it.

    Deals, payments and subscriptions count from the last churn onward (from the beginning if there was none): what came
    before belongs to a relation that has ended, and must neither win a client back nor churn them twice.
    """

    email_valid: bool = False
    has_phone: bool = False
    has_website: bool = False
    clicked: bool = False
    opened_by_human: bool = False
    opened_by_machine: bool = False
    form_submitted: bool = False
    replied: bool = False
    callback_requested: bool = False
    has_open_deal: bool = False
    quote_sent_or_call_scheduled: bool = False
    last_open_deal_lost: bool = False
    first_payment_at: datetime | None = None
    subscription_ended: bool = False  # the last one, subscription or contract: none is running
    open_job: bool = False


Condition: TypeAlias = Callable[[Facts], bool]


@dataclass(frozen=True, slots=True)
class Progression:
    """A move that the facts alone bring about. The trigger is the name under which it is logged."""

    from_stage: Stage
    to_stage: Stage
    condition: Condition
    trigger: str


@dataclass(frozen=True, slots=True)
class Move:
    """One change of stage, ready to be logged."""

    from_stage: Stage
    to_stage: Stage
    trigger: str
    automatic: bool


def _validated(facts: Facts) -> bool:
    return facts.email_valid and (facts.has_phone or facts.has_website)


def _engaged(facts: Facts) -> bool:
    return facts.clicked or facts.opened_by_human or facts.form_submitted


def _opened_at_all(facts: Facts) -> bool:
    return _engaged(facts) or facts.opened_by_machine


def _answered(facts: Facts) -> bool:
    return facts.replied or facts.callback_requested


def _in_negotiation(facts: Facts) -> bool:
    # A quote outlives its deal: once the last deal is lost, the old quote must not push the organization up again.
    return facts.has_open_deal or (facts.quote_sent_or_call_scheduled and not facts.last_open_deal_lost)


def _paid(facts: Facts) -> bool:
    return facts.first_payment_at is not None


def _lost(facts: Facts) -> bool:
    return facts.last_open_deal_lost and not facts.has_open_deal


def _ended(facts: Facts) -> bool:
    return facts.subscription_ended and not facts.open_job


def _deal_again(facts: Facts) -> bool:
    return facts.has_open_deal and not facts.subscription_ended


def _paid_again(facts: Facts) -> bool:
    return _paid(facts) and not facts.subscription_ended


# Seed 0's five rules. Each condition is enough by itself, which is what lets a move skip stages: a lead that pays is a
# client, whether or not anybody ever validated its e-mail address. Creating the deal is the seed's manual act
# (`sql_to_opportunity`, auto: false); the stage then follows from the deal's existence.
PROGRESSIONS: Final = (
    Progression(Stage.LEAD, Stage.PROSPECT, _validated, "validated"),
    Progression(Stage.PROSPECT, Stage.MQL, _engaged, "engaged"),
    Progression(Stage.MQL, Stage.SQL, _answered, "answered"),
    Progression(Stage.SQL, Stage.OPPORTUNITY, _in_negotiation, "deal_opened"),
    Progression(Stage.OPPORTUNITY, Stage.CLIENT, _paid, "first_payment"),
)

# The seed's own reading of prospect_to_mql, for tenants that choose to count opens made by mail clients.
LITERAL_OPEN: Final = Progression(Stage.PROSPECT, Stage.MQL, _opened_at_all, "engaged")

# The only automatic moves that do not climb the ladder; the first that holds applies.
TURNS: Final = (
    Progression(Stage.OPPORTUNITY, Stage.SQL, _lost, "last_deal_lost"),
    Progression(Stage.CLIENT, Stage.CHURNED, _ended, "subscription_ended"),
    Progression(Stage.CHURNED, Stage.CLIENT, _paid_again, "won_back_by_payment"),
    Progression(Stage.CHURNED, Stage.OPPORTUNITY, _deal_again, "won_back_by_deal"),
)


def progress(stage: Stage, facts: Facts, *, literal_open_rule: bool = False) -> Move | None:
    """Return the automatic move that the facts call for, or None when the stage already fits them.

    The move goes to the furthest stage that the facts support. With `literal_open_rule` (tenant setting) a machine's
    open makes an MQL, as seed 0 has it. Applying the move and asking again with the same facts yields None, except for
    a payment that comes to light after its subscription has ended: they became a client, then churned (see settle).
    """
    rules = tuple(LITERAL_OPEN if literal_open_rule and rule.to_stage is Stage.MQL else rule for rule in PROGRESSIONS)
    climbs = (rule for rule in reversed(rules) if stage in RANK and RANK[rule.to_stage] > RANK[stage])
    turns = (rule for rule in TURNS if rule.from_stage is stage)
    found = next((rule for rule in (*climbs, *turns) if rule.condition(facts)), None)
    return None if found is None else Move(stage, found.to_stage, found.trigger, automatic=True)


def settle(stage: Stage, facts: Facts, *, literal_open_rule: bool = False) -> tuple[Move, ...]:
    """Return all the automatic moves, at most two, that bring the stage in line with the facts; see progress."""
    move = progress(stage, facts, literal_open_rule=literal_open_rule)
    return () if move is None else (move, *settle(move.to_stage, facts, literal_open_rule=literal_open_rule))


class StageMoveRefused(Problem):
    """409: the move is not open to this role from the current stage. `legal` lists the stages that are."""

    status = 409
    code = "stage_move_refused"
    title = "Stage move refused"

    def __init__(self, current: Stage, target: Stage, legal: tuple[Stage, ...]) -> None:
        """Name the refused move and the stages that would be legal instead."""
        options = ", ".join(legal) or "none"
        already = (
            f"The organization is already in stage {current}"
            if current is target
            else f"An organization in stage {current} cannot be moved to {target}"
        )
        detail = f"{already}; legal stages: {options}."
        super().__init__(detail, current=current.value, target=target.value, legal=[stage.value for stage in legal])


class MoveReasonRequired(Problem):
    """422: the move is legal, but only with a reason."""

    status = 422
    code = "move_reason_required"
    title = "A reason is required"

    def __init__(self, current: Stage, target: Stage) -> None:
        """Name the move that lacks its reason."""
        detail = f"Moving an organization from {current} to {target} needs a reason."
        super().__init__(detail, errors=(FieldError("#/reason", "missing", detail),))


def legal_moves(stage: Stage, role: str) -> tuple[Stage, ...]:
    """Return the stages to which the role (admin, editor, viewer) may move an organization by hand, in ladder order.

    Along the ladder both ways; client ⇄ churned and churned → opportunity; anything → blacklist; out of the blacklist
    only an admin, and only to lead, so that the way back up has to be earned anew.
    """
    if role not in ("admin", "editor"):
        return ()
    match stage:
        case Stage.BLACKLIST:
            return (Stage.LEAD,) if role == "admin" else ()
        case Stage.CHURNED:
            return (Stage.OPPORTUNITY, Stage.CLIENT, Stage.BLACKLIST)
        case _:
            ended = (Stage.CHURNED,) if stage is Stage.CLIENT else ()
            return (*(rung for rung in LADDER if rung is not stage), *ended, Stage.BLACKLIST)


def needs_reason(current: Stage, target: Stage) -> bool:
    """Tell whether a move by hand must be explained: every one that does not climb the ladder, except a win-back."""
    if current is Stage.CHURNED:
        return target is Stage.BLACKLIST
    return current not in RANK or target not in RANK or RANK[target] < RANK[current]


def check_move(current: Stage, target: Stage, role: str, reason: str | None) -> None:
    """Let a move by hand pass, or raise.

    Raises StageMoveRefused (409) with the legal stages, also when the target is the current stage, and
    MoveReasonRequired (422) when only the reason is missing or blank.
    """
    legal = legal_moves(current, role)
    if target not in legal:
        raise StageMoveRefused(current, target, legal)
    if needs_reason(current, target) and not (reason or "").strip():
        raise MoveReasonRequired(current, target)
