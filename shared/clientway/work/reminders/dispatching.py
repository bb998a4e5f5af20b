"""Sending reminders that are due: claimed in one transaction, sent outside of any, and written down under a fencing token.

At least once: a worker that dies in between has its reminders sent by another one. Nothing is sent that its subject, its
contact or the hour speaks against when it is claimed.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from clientway import effects, rounds, wake
from clientway.config import settings
from clientway.db import LockTimeout, SerializationConflict, Tx, Unavailable, all_tenants, job_transaction
from clientway.errors import Problem
from clientway.messaging.delivery import providers
from clientway.messaging.delivery.calls import at_once
from clientway.messaging.delivery.message import OPTED_OUT, OPTED_OUT_SAID, THROTTLED, Refused, Unclear
from clientway.messaging.delivery.pace import Came, Pace
from clientway.messaging.settings import service as messaging
from clientway.messaging.settings.service import MessagingSettings
from clientway.messaging.suppressions import service as suppressions
from clientway.messaging.templates import service as templates
from clientway.messaging.templates.rules import EMPTY, Source
from clientway.work.reminders import claiming, decisions, planning, rules
from clientway.work.reminders.claiming import Due
from clientway.work.reminders.decisions import Decision, Outcome

logger = logging.getLogger(__name__)

BATCH = 1000
"""Claimed with one statement; what a claim costs besides its rows is then little. A tenant's turn is some ten seconds."""
AT_ONCE = 10
"""Messages on their way together, at most. As many are written down together, and as many may be sent twice when a worker dies."""
PLAN_AHEAD = timedelta(hours=12)
"""How far ahead is looked for reminders that nobody planned: further than until the next look."""
_ATTEMPTS = 3
_PAUSE = 0.2

Clock = Callable[[], datetime]


def clock() -> datetime:
    """The time of now; tests have another."""
    return datetime.now(UTC)


@dataclass
class Dispatched:
    """What a run did: reminders by what became of them, and jobs and invoices that follow changed rules."""

    states: Counter[str] = field(default_factory=Counter)
    replanned: int = 0


@dataclass(frozen=True)
class Batch:
    """What a worker has claimed."""

    tenant_id: UUID
    token: UUID
    rows: Sequence[Due]
    looked_at: int


@dataclass(frozen=True)
class Words:
    """What all of a tenant's reminders are made of."""

    of: MessagingSettings
    sources: dict[tuple[str, str], Source]


def dispatch(tenants: Sequence[UUID] | None = None, *, now: Clock = clock, until: Callable[[], bool] = lambda: False) -> Dispatched:
    """Send what is due until nothing is left or `until` says stop, a batch of each tenant in turn; then ask to be woken for the next.

    Of all tenants, unless some are given.

    Raises an ExceptionGroup for tenants that failed, after all the others.
    """
    done = Dispatched()
    try:
        rounds.go_round(
            claiming.tenants_due(now()) if tenants is None else tenants, nullcontext,
            lambda tenant: dispatch_tenant(tenant, done, now=now, until=until), batch=BATCH, until=until, failed="reminders were not sent",
        )  # fmt: skip
    finally:
        if settings().wakes:
            _wake(now)
    return done


def dispatch_tenant(tenant_id: UUID, done: Dispatched, *, now: Clock, until: Callable[[], bool] = lambda: False) -> int:
    """Send a tenant's next batch; returns how many reminders were looked at."""
    while not until():
        with job_transaction(tenant_id, now=now()) as tx:
            claiming.take_back(tx)
            count = planning.replan(tx)
        done.replanned += count
        if count < planning.REPLAN_BATCH:
            break
    batch = claim(tenant_id, done, now=now)
    if batch is None:
        return 0
    given_back = _send_all(batch, done, now=now, until=until) if batch.rows else False
    # What was given back may be due still: it is looked at once more, as after a whole batch.
    return BATCH if given_back else batch.looked_at


def claim(tenant_id: UUID, done: Dispatched, *, now: Clock, size: int = BATCH) -> Batch | None:
    """Decide about what is due, and claim what goes out; None when nothing was to be decided."""
    token = uuid4()
    with job_transaction(tenant_id, now=now()) as tx:
        found = [(row, decisions.decide(row, tx.now)) for row in claiming.pick(tx, size, token)]
        if not found:
            return None
        if otherwise := [_written(row, decision) for row, decision in found if decision.state != "claimed"]:
            claiming.decide(tx, otherwise, token)
        claimed = [row for row, decision in found if decision.state == "claimed"]
        if claimed:
            # Should this worker die, somebody has to look again.
            wake.at(tx, tx.now + claiming.LEASE, "reminders")
    done.states.update(decision.state for _, decision in found if decision.state != "claimed")
    return Batch(tenant_id, token, claimed, len(found))


def _written(row: Due, decision: Decision) -> dict[str, Any]:
    before = {"address": row.address_before, "consent_event_id": row.consent_before}
    return {"id": row.id, "state": decision.state, "reason": decision.reason, "next_at": decision.next_at, **before}


def _send_all(batch: Batch, done: Dispatched, *, now: Clock, until: Callable[[], bool]) -> bool:
    """Send what is claimed, as much at once as the provider takes; whether any of it waits again.

    That is what time does not suffice for, and what a provider that is away is not asked for; or it was decided too long ago
    that it goes.
    """
    claimed_at, pace = now(), Pace()
    waiting = list(batch.rows)
    with job_transaction(batch.tenant_id, now=claimed_at) as tx:
        keys = sorted({(row.type, row.channel) for row in batch.rows})
        words = Words(messaging.of(tx), {one: templates.source(tx, *one) for one in keys})
    outcomes: list[Outcome] = []
    part: Sequence[Any] = ()
    given_back = False
    while waiting or outcomes:
        if waiting and (pace.tired or until() or now() - claimed_at > claiming.DECIDED_FOR):
            later = now() + rules.BACKOFF[0] if pace.tired else now()
            outcomes += [Outcome(row.id, "scheduled", row.state_reason, later, untried=True) for row in waiting]
            waiting, given_back = [], True
        most = min(pace.width, AT_ONCE)
        following, waiting = waiting[:most], waiting[most:]
        part = settle(batch, part, outcomes, following, done, now=now)
        outcomes = at_once(lambda row: send(batch, words, row, now), part)
        if asked := [_came(one) for one in outcomes if one.state != "skipped"]:
            pace.felt(asked)
        # What is too much for the provider now stays claimed and is asked for again, a little later.
        throttled = {one.id for one in outcomes if one.untried}
        outcomes = [one for one in outcomes if not one.untried]
        waiting = [row for row in following if row.id in throttled] + waiting
        if pace.wait:
            settle(batch, part, outcomes, (), done, now=now)
            outcomes = []
            pause(pace.wait)
    return given_back


def _came(outcome: Outcome) -> Came:
    """What an outcome says of the provider."""
    if outcome.untried:
        return "throttled"
    return "troubled" if outcome.state == "scheduled" else "answered"


def send(batch: Batch, words: Words, row: Any, now: Clock) -> Outcome:
    """Hand one over to its provider, and tell what came of it; never raises."""
    try:
        outgoing = decisions.message(row, words.sources[row.type, row.channel], words.of, batch.tenant_id)
        if outgoing is None:
            return Outcome(row.id, "skipped", EMPTY)
        return Outcome(row.id, "sent", provider_message_id=providers.send(outgoing, once=False))
    except Refused as refusal:
        return _refused(row, refusal, now())
    except Unclear as unclear:
        return decisions.again(row, f"no answer: {unclear}"[:500], now())
    except Problem as problem:
        return Outcome(row.id, "failed", f"{problem.code}: {problem.detail}"[:500])
    except Exception as failure:
        logger.exception("a reminder was not sent", extra={"reminder_id": str(row.id)})
        return decisions.again(row, f"{type(failure).__name__}"[:500], now())


def _refused(row: Any, refusal: Refused, now: datetime) -> Outcome:
    if refusal.code == THROTTLED:
        return Outcome(row.id, "scheduled", str(refusal)[:500], now, untried=True)
    if refusal.retryable:
        return decisions.again(row, str(refusal)[:500], now)
    return Outcome(row.id, "failed", str(refusal)[:500], opted_out=refusal.code == OPTED_OUT)


def settle(
    batch: Batch, part: Sequence[Any], outcomes: Sequence[Outcome], following: Sequence[Due], done: Dispatched, *, now: Clock
) -> Sequence[Any]:
    """Write down what came of a part, with the timeline's lines, and return those of the following that are still to be sent.

    Tried again where the database is away for a moment: what is not written down is sent a second time.
    """
    for attempt in range(_ATTEMPTS):
        try:
            with job_transaction(batch.tenant_id, now=now()) as tx:
                kept = claiming.settle(tx, [asdict(one) for one in outcomes], batch.token) if outcomes else set()
                sent = {one.id for one in outcomes if one.state == "sent"}
                opted_out = {one.id for one in outcomes if one.opted_out}
                for row in part:
                    if row.id in kept & sent:
                        _tell(tx, row)
                    if row.id in opted_out:
                        # The provider has heard a STOP that we have not.
                        suppressions.suppress(tx, row.channel, row.address, "stop", contact_id=row.contact_id, detail=OPTED_OUT_SAID)
                wanted = claiming.look(tx, [row.id for row in following], batch.token, following[0].tenant_zone) if following else ()
        except (Unavailable, LockTimeout, SerializationConflict):
            if attempt == _ATTEMPTS - 1:
                raise
            pause(_PAUSE)
        else:
            done.states.update(one.state for one in outcomes if one.id in kept)
            return wanted
    raise AssertionError


def pause(seconds: float) -> None:
    """Wait. Tests have no time for it."""
    time.sleep(seconds)


def _tell(tx: Tx, row: Any) -> None:
    """Put a reminder that went out on the timeline; it is there once, though it may have gone out twice."""
    kind, what = ("email_sent", "Reminder sent") if row.channel == "email" else ("sms_sent", "Reminder sent by text")
    about = row.job_title if row.type == "job_upcoming" else f"invoice {row.number_text}"
    metadata = {"reminder_id": str(row.id), "channel": row.channel, "rule": row.rule, "type": row.type}
    effects.record(
        tx, kind, f"{what}: {about}", organization_id=row.organization_id, contact_id=row.contact_id, metadata=metadata,
        client_visible=True, event_key=f"reminder:{row.id}",
    )  # fmt: skip


def _wake(now: Clock) -> None:
    """Ask to be woken for whatever is due next."""
    found = claiming.next_due()
    if found is not None:
        with job_transaction(found[0], now=now()) as tx:
            wake.at(tx, max(found[1], tx.now), "reminders")


def plan_missing(tenants: Sequence[UUID] | None = None, *, now: Clock = clock, until: Callable[[], bool] = lambda: False) -> int:
    """Plan what comes due soon and nobody planned, of contacts who gained an address since; returns how many reminders."""

    def step(tenant_id: UUID) -> int:
        with job_transaction(tenant_id, now=now()) as tx:
            count = planning.plan_missing(tx, tx.now + PLAN_AHEAD)
        planned.append(count)
        return 0

    planned: list[int] = []
    found = all_tenants() if tenants is None else tenants
    rounds.go_round(found, nullcontext, step, batch=BATCH, until=until, failed="reminders were not planned")
    return sum(planned)
