"""The lifecycle of organizations: by hand, by facts, and by conversion to a client."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.errors import FieldError, NotFound, Unprocessable
from clientway.ids import uuid7
from clientway.lifecycle.accounts import service as accounts
from clientway.lifecycle.organizations import existence
from clientway.lifecycle.stages import queries
from clientway.lifecycle.stages.queries import Applied
from clientway.lifecycle.stages.rules import RANK, Facts, Move, Stage, check_move, settle
from clientway.lifecycle.stages.schemas import Conversion, OrganizationStage, Rung, StageChange
from clientway.moments import rfc3339
from clientway.paging import Request


@dataclass(frozen=True)
class Born:
    """The first stage of a new organization, and the rows of its chain up to there."""

    stage: Stage
    transitions: list[dict[str, Any]]


def change_stage(tx: Tx, organization_id: UUID, change: StageChange) -> OrganizationStage:
    """Move an organization to another stage by hand and record who moved it and why.

    Raises StageMoveRefused (409) with the stages that would be legal, MoveReasonRequired (422), NotFound (404).
    """
    standing = _lock(tx, organization_id)
    check_move(standing.stage, change.stage, tx.actor.role or "", change.reason)
    applied = Applied(standing, Move(standing.stage, change.stage, "manual", automatic=False), change.reason)
    _move(tx, applied)
    return OrganizationStage(organization_id=organization_id, stage=change.stage, previous_stage=standing.stage, changed_at=applied.at(tx))


def reconsider(tx: Tx, organization_ids: Sequence[UUID], *, event_key: str | None = None) -> None:
    """Bring organizations' stages in line with their facts, after something that stages depend on has changed.

    Moves go forward only, except for the turns that `stages.rules.TURNS` names. One statement when nothing moves, two
    when something does, whatever the number of organizations.
    """
    # What was recorded in this transaction counts, if it is of a kind that is weighed.
    if any(line["activity_type"] in queries.WEIGHED for line in tx.effects["activities"]):
        effects.flush(tx)
    moves = [
        Applied(standing, move, event_key=event_key, step=step)
        for standing in queries.lock_standings(tx, organization_ids)
        for step, move in enumerate(settle(standing.stage, standing.facts, literal_open_rule=standing.literal_open_rule), 1)
    ]
    if moves:
        _move(tx, *moves)


def first_payment(tx: Tx, rung: Rung, *, event_key: str) -> None:
    """Make a client of a locked organization that has just paid and was never one: no other fact could have a say. One statement.

    Like reconsider, it leaves alone who stands beside the ladder.
    """
    standing = queries.Standing(rung.organization_id, rung.stage, rung.sequence, rung.changed_at, Facts(first_payment_at=tx.now), False)
    moves = settle(standing.stage, standing.facts)
    if moves:
        _move(tx, *(Applied(standing, move, event_key=event_key, step=step) for step, move in enumerate(moves, 1)))


def place(tx: Tx, stages: Mapping[UUID, Stage], *, trigger: str, reasons: Mapping[UUID, str]) -> set[UUID]:
    """Bring organizations to where another system of the tenant's had them; returns those that moved.

    Up the ladder, and from client to churned; nobody is taken down it, out of churned or off the blacklist. Two
    statements, whatever the number of organizations.
    """
    moves = []
    for standing in queries.lock_standings(tx, sorted(stages)):
        stage, wanted = standing.stage, stages[standing.organization_id]
        if (stage in RANK and wanted in RANK and RANK[wanted] > RANK[stage]) or (stage, wanted) == (Stage.CLIENT, Stage.CHURNED):
            move = Move(stage, wanted, trigger, automatic=True)
            moves.append(Applied(standing, move, reasons.get(standing.organization_id)))
    if moves:
        _move(tx, *moves)
    return {one.organization_id for one in moves}


def put_back(tx: Tx, organization_id: UUID, stage: Stage, *, trigger: str) -> None:
    """Return an organization to where it stood before a move that is taken back. Two statements."""
    for standing in queries.lock_standings(tx, [organization_id]):
        _move(tx, Applied(standing, Move(standing.stage, stage, trigger, automatic=True)))


def convert(tx: Tx, organization_id: UUID, conversion: Conversion) -> Any:
    """Make an organization a client: its account opens with the given plan, its stage becomes client.

    Converting a client again changes nothing and answers with the account as it stands. Raises StageMoveRefused (409)
    from the blacklist, Unprocessable (422) for a start in the future, NotFound (404).
    """
    if conversion.client_since is not None and conversion.client_since > tx.now:
        pointer = FieldError("#/client_since", "in_the_future", "must not lie in the future")
        raise Unprocessable("client_since lies in the future.", errors=[pointer])
    standing = _lock(tx, organization_id)
    if standing.stage is not Stage.CLIENT:
        check_move(standing.stage, Stage.CLIENT, tx.actor.role or "", conversion.reason)
        move = Move(standing.stage, Stage.CLIENT, "converted", automatic=False)
        _move(tx, Applied(standing, move, conversion.reason))
        accounts.set_plan(tx, organization_id, conversion)
    return accounts.read_of_organization(tx, organization_id)


def list_transitions(tx: Tx, organization_id: UUID, request: Request) -> Any:
    """A page of an organization's chain of stages. Raises NotFound (404)."""
    answer = queries.transitions(tx, organization_id, request)
    if not answer.rows:
        existence.require(tx, organization_id)
    return answer


def _lock(tx: Tx, organization_id: UUID) -> queries.Standing:
    standings = queries.lock_standings(tx, [organization_id])
    if not standings:
        raise NotFound("There is no such organization.")
    return standings[0]


def born(tx: Tx, organization_id: UUID, facts: Facts) -> Born:
    """Where an organization that is just being inserted stands by its facts; the moves there are told, their rows are the caller's."""
    moves = settle(Stage.LEAD, facts)
    for move in moves:
        _tell(tx, organization_id, move)
    rows = [
        {
            "id": str(uuid7()), "organization_id": str(organization_id), "sequence": step, "from_stage": move.from_stage,
            "to_stage": move.to_stage, "trigger": move.trigger, "automatic": True, "actor_type": tx.actor.kind,
            "actor_id": tx.actor.id and str(tx.actor.id), "changed_at": rfc3339(tx.now), "seconds_in_stage": 0,
        }
        for step, move in enumerate(moves, 1)
    ]  # fmt: skip
    return Born(moves[-1].to_stage if moves else Stage.LEAD, rows)


def _move(tx: Tx, *moves: Applied) -> None:
    queries.apply(tx, moves)
    for one in moves:
        _tell(tx, one.organization_id, one.move, one.reason)


def _tell(tx: Tx, organization_id: UUID, move: Move, reason: str | None = None) -> None:
    metadata = {"from": move.from_stage, "to": move.to_stage, "trigger": move.trigger, "automatic": move.automatic}
    effects.record(
        tx, "stage_changed", f"{move.from_stage} → {move.to_stage}", organization_id=organization_id, description=reason, metadata=metadata
    )
    effects.audit(tx, "organization.stage_changed", "organization", organization_id, metadata)
    effects.publish(tx, "organization.stage_changed", {"organization_id": organization_id, **metadata})
