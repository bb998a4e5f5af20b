"""Asking to be woken when something is due, in place of looking every quarter of an hour: an idle database can sleep.

A wish goes the way of every effect: through the outbox to a queue, and a function outside the network makes a one-shot entry
of EventBridge Scheduler of it.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from clientway import effects
from clientway.config import settings
from clientway.db import Tx
from clientway.moments import rfc3339

What = Literal["reminders", "messages"]
"""What is due: it names the function that is woken (functions/messaging/set_wake.py)."""

STEP: Final = timedelta(minutes=5)
"""Entries stand at full steps, so that what is due at nearly one time shares one."""
SAFETY_NET: Final = timedelta(hours=6)
"""How often the schedules look all the same (template.yaml, ReminderWake); what is due later than that, they will find."""
AHEAD: Final = SAFETY_NET + timedelta(minutes=30)


def at(tx: Tx, moment: datetime, what: What) -> None:
    """Have the function that does this woken at a moment; nothing where schedules look anyway, soon or before that moment."""
    if settings().wakes and moment <= tx.now + AHEAD:
        effects.publish(tx, f"wake.{what}", {"at": rfc3339(moment)})


def rounded(moment: datetime, now: datetime) -> datetime:
    """The full step at or after a moment; never one that has passed."""
    at_least = max(moment, now + timedelta(seconds=30)).astimezone(UTC)
    midnight = at_least.replace(hour=0, minute=0, second=0, microsecond=0)
    steps = -((midnight - at_least) // STEP)
    return midnight + steps * STEP
