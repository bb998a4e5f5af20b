"""Two worlds that are told the same and whose reminders are looked for in the two ways, beside a model of what is to go out."""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from clientway import wake
from clientway.messaging.delivery.message import Refused, Unclear
from clientway.work.reminders import claiming, dispatching
from tests.chaos.mortal import Killed
from tests.work.reminding import Reminding

GRID = timedelta(minutes=15)
NET = timedelta(hours=6)
OPENS, CLOSES = 8, 21


def next_on_grid(moment: datetime, step: timedelta) -> datetime:
    """The first moment after this one at which a schedule of this step looks."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + ((moment - midnight) // step + 1) * step


@dataclass
class World:
    """A tenant whose reminders are looked for every quarter of an hour (`net` is GRID), or when they asked to be woken."""

    reminding: Reminding
    wakes: bool
    subjects: list[UUID] = field(default_factory=list)
    taken: list[tuple[UUID, str, datetime]] = field(default_factory=list)
    """What a provider took: reminder, channel, when."""
    doubtful: set[UUID] = field(default_factory=set)
    """Reminders that a provider took and whose worker did not get to know."""
    pending: set[datetime] = field(default_factory=set)
    fault: str | None = None
    settings: Any = None

    def send(self, message: Any, *, once: bool) -> str:
        assert not once
        if self.fault == "outage":
            raise Refused("unreachable", "no route", retryable=True)
        self.taken.append((message.id, message.channel, self.reminding.now))
        if self.fault == "unclear":
            self.doubtful.add(message.id)
            raise Unclear("timed out")
        if self.fault == "death":
            self.doubtful.add(message.id)
        return f"provider-{len(self.taken)}"

    def next_due(self) -> tuple[UUID, datetime] | None:
        """As the database's function, of this tenant."""
        moments = [
            row.next_at if row.state == "scheduled" else row.lease_until
            for row in self.reminding.rows()
            if row.state in ("scheduled", "claimed")
        ]
        return (self.reminding.tenant.id, min(moments)) if moments else None

    def hear(self) -> None:
        """Have the wishes that were written become entries of the scheduler."""
        heard = self.reminding.write(
            "delete from outbox where tenant_id = :t and topic = 'wake.reminders' returning payload ->> 'at'"
        ).scalars()
        self.pending |= {wake.rounded(datetime.fromisoformat(at), self.reminding.now) for at in heard}

    def run(self, monkeypatch: Any, *, times: int = 1) -> None:
        """One run of the dispatcher; it dies between the provider's answer and its report, where that is the fault."""
        with monkeypatch.context() as patch:
            patch.setattr(dispatching.providers, "send", self.send)
            patch.setattr(claiming, "next_due", self.next_due)
            patch.setattr(dispatching, "settings", lambda: self.settings(wakes=self.wakes))
            patch.setattr(wake, "settings", lambda: self.settings(wakes=self.wakes))
            if self.fault == "death":
                patch.setattr(dispatching, "settle", die)
                patch.setattr(dispatching, "_wake", lambda _now: None)
            for _ in range(times):
                with suppress(Killed):
                    self.reminding.dispatch()
        self.hear()

    def live(self, monkeypatch: Any, until: datetime) -> None:
        """Let time pass until then, looking for reminders as this world does."""
        self.hear()
        while True:
            now, step = self.reminding.now, NET if self.wakes else GRID
            due = self.next_due()
            regular = next_on_grid(now, step)
            if not self.wakes and due is not None and due[1] > regular:
                # A look that finds nothing changes nothing.
                regular = next_on_grid(due[1] - timedelta(microseconds=1), step)
            elif not self.wakes and due is None:
                regular = until + step
            # An entry of a time that has passed, by a clock that jumped, starts its function at once.
            moment = max(min([regular, *self.pending]), now)
            if moment > until:
                break
            self.reminding.now = moment
            self.pending = {one for one in self.pending if one > moment}
            self.run(monkeypatch)
        self.reminding.now = until


def die(*_given: Any, **_how: Any) -> None:
    raise Killed


@dataclass(frozen=True)
class Wanted:
    """A reminder as the model knows it."""

    subject: int
    rule: str
    channel: str
    anchor: datetime
    send_at: datetime
    expires_at: datetime


def is_quiet(moment: datetime, zone: ZoneInfo) -> bool:
    return not OPENS <= moment.astimezone(zone).hour < CLOSES


def goes_at(one: Wanted, looked: datetime, zone: ZoneInfo) -> datetime | None:
    """When it goes out if it is first looked at then; None when it does not any more."""
    moment = looked
    while one.channel == "sms" and is_quiet(moment, zone):
        moment += timedelta(minutes=5)
    return moment if moment <= one.expires_at else None


START = datetime(2026, 6, 1, 12, tzinfo=UTC)
