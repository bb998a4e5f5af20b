"""When somebody may be written to: the zones they may be in, and the next moment that is no quiet hour in any of them. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from clientway.messaging.delivery.message import Channel
from clientway.messaging.policy.sql import Purpose
from clientway.messaging.policy.states import candidates, narrowing
from clientway.messaging.policy.windows import Window
from clientway.moments import clock_change

FARTHEST: Final = timedelta(days=7)
"""How far ahead a moment is looked for: every week has the same hours."""
TRANSACTIONAL_SMS: Final = Window(time(8), time(21))
FEDERAL_SMS: Final = Window(time(8), time(21))
"""47 CFR 64.1200(c)(1): what no tenant's setting widens."""
DEFAULT_QUIET_FROM, DEFAULT_QUIET_UNTIL = time(20), time(9)


@dataclass(frozen=True, slots=True)
class Hours:
    """When messages of a kind go: in all of these windows, and in what the recipient's state leaves of them."""

    windows: tuple[Window, ...]
    by_state: bool = False


def hours(
    channel: Channel, purpose: Purpose, *, quiet_hours: bool, quiet_from: time | None = None, quiet_until: time | None = None
) -> Hours | None:
    """The hours of a message; None when it goes at any time. `quiet_hours` is a campaign's wish, for texts it is the law."""
    own = Window(quiet_until or DEFAULT_QUIET_UNTIL, quiet_from or DEFAULT_QUIET_FROM)
    if channel == "sms":
        return Hours((FEDERAL_SMS, own), by_state=True) if purpose == "marketing" else Hours((TRANSACTIONAL_SMS,))
    return Hours((own,)) if quiet_hours else None


def zones(contact_zone: str | None, address_zone: str | None, tenant_zone: str | None, phone_e164: str | None) -> tuple[str, ...]:
    """The zones somebody may be in: their own, else their address's, else the tenant's together with all of their number's.

    A number only narrows: people keep theirs when they move. Empty, where nothing at all is known.
    """
    for known in (contact_zone, address_zone):
        if known is not None and _zone(known) is not None:
            return (known,)
    candidates = {tenant_zone, *phone_zones(phone_e164)}
    return tuple(sorted(one for one in candidates if one is not None and _zone(one) is not None))


def phone_zones(phone_e164: str | None) -> tuple[str, ...]:
    """All zones that a number may be in."""
    if not phone_e164:
        return ()
    # In North America area code and exchange tell: the numbers of one place are looked up once.
    return _zones_of_number(phone_e164[:8].ljust(12, "0") if phone_e164.startswith("+1") else phone_e164)


def opening(
    now: datetime, zones: Iterable[str], window: Hours | None, state: str | None = None, phone: str | None = None
) -> datetime | None:
    """Now, if it is no quiet hour in any of the zones; else the next such moment within a week; None where there is none.

    `state` is the address's; where that is unknown, a number tells one by its area code, and only narrows. Without a zone
    there is no such moment: nothing is sent on a guess.
    """
    if window is None:
        return now
    narrower = narrowing(candidates(state, phone), now) if window.by_state else ()
    return _opening(now, tuple(sorted(set(zones))), (*window.windows, *narrower))


@lru_cache(maxsize=4096)
def _opening(now: datetime, zones: tuple[str, ...], windows: tuple[Window, ...]) -> datetime | None:
    places = [place for place in map(_zone, zones) if place is not None]
    if not places or len(places) < len(zones):
        return None
    moment, last = now, now + FARTHEST
    while moment <= last:
        # The moment that all of them have in common lies no earlier than the latest of what each has next.
        following = [_following(moment, place, windows) for place in places]
        if None in following:
            return None
        latest = max(one for one in following if one is not None)
        if latest == moment:
            return moment.astimezone(now.tzinfo)
        moment = latest
    return None


def _following(moment: datetime, place: ZoneInfo, windows: tuple[Window, ...]) -> datetime | None:
    """The first moment from this one on that lies in all the windows of one place."""
    if _open(moment, place, windows):
        return moment
    day = moment.astimezone(place).date()
    for ahead in range(FARTHEST.days + 2):
        starts = sorted(one for one in _starts(datetime.combine(day + timedelta(days=ahead), time()), place, windows) if one > moment)
        for start in starts:
            if _open(start, place, windows):
                return start
    return None


def _starts(midnight: datetime, place: ZoneInfo, windows: tuple[Window, ...]) -> Iterator[datetime]:
    """The moments of a day at which a window may open: its hour, both times where the clock is put back, and the change itself."""
    first, second = (_instant(midnight + timedelta(days=ahead), place, fold=0) for ahead in (0, 1))
    for opens in {start for window in windows for start in window.starts(midnight.date())}:
        for fold in (0, 1):
            yield max(first, _instant(datetime.combine(midnight.date(), opens), place, fold=fold))
    if first.astimezone(place).utcoffset() != second.astimezone(place).utcoffset():
        yield clock_change(first, second, place)


def _instant(wall: datetime, place: ZoneInfo, *, fold: int) -> datetime:
    return wall.replace(tzinfo=place, fold=fold).astimezone(UTC)


def _open(moment: datetime, place: ZoneInfo, windows: tuple[Window, ...]) -> bool:
    local = moment.astimezone(place)
    return all(window.admits(local.date(), local.time()) for window in windows)


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=65536)
def _zones_of_number(phone_e164: str) -> tuple[str, ...]:
    # Here and not above: the library is megabytes, and an answer of the API never needs it.
    from phonenumbers import NumberParseException, parse, timezone  # noqa: PLC0415

    try:
        number = parse(phone_e164)
    except NumberParseException:
        return ()
    # By prefix where there is one, and all of the country's for a number of none: a free call, a mobile of most countries.
    found = timezone.time_zones_for_number(number)
    if timezone.UNKNOWN_TIMEZONE in found:
        found = timezone.time_zones_for_geographical_number(number)
    return tuple(one for one in found if one != timezone.UNKNOWN_TIMEZONE)
