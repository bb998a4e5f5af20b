"""What states add to the federal hours of marketing texts: a table with sources, for a tenant's counsel to go over. Pure.

A rule can only narrow. Put together on 2026-11-21; it is no legal advice, and where it errs it should err towards silence.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final

from clientway import normalise
from clientway.messaging.policy.windows import SATURDAY, SUNDAY, Window

_NEVER_SUNDAY: Final = ((SUNDAY, None),)


@dataclass(frozen=True, slots=True)
class Rule:
    """A state's hours, since when they hold, where they are written, and the area codes that numbers there have."""

    window: Window
    source: str
    area_codes: str
    since: date = date(2000, 1, 1)
    until: date | None = None


RULES: Final[dict[str, Rule]] = {
    "AL": Rule(
        Window(time(8), time(20), _NEVER_SUNDAY, holidays=False), "Ala. Code § 8-19A-14", "205 251 256 334 659 938"
    ),
    "CT": Rule(Window(time(9), time(20)), "Conn. Gen. Stat. § 42-288a, P.A. 23-98", "203 475 860 959", date(2023, 10, 1)),
    "FL": Rule(
        Window(time(8), time(20)),
        "Fla. Stat. § 501.616(6)(a)",
        "239 305 321 352 386 407 448 561 645 656 689 727 728 754 772 786 813 850 863 904 941 954",
        date(2021, 7, 1),
    ),
    "KY": Rule(Window(time(10), time(21)), "Ky. Rev. Stat. § 367.46955", "270 364 502 606 859"),
    "LA": Rule(
        Window(time(8), time(20), _NEVER_SUNDAY, holidays=False), "La. Rev. Stat. § 45:844.11 ff.", "225 318 337 504 985"
    ),
    "MA": Rule(Window(time(8), time(20)), "Mass. Gen. Laws ch. 159C, 201 CMR 12.02", "339 351 413 508 617 774 781 857 978"),
    "MD": Rule(
        Window(time(8), time(20)), "Md. Code, Com. Law, title 14, subtitle 45 (2023)", "227 240 301 410 443 667", date(2024, 1, 1)
    ),
    "MN": Rule(Window(time(9), time(21)), "Minn. Stat. § 325E.30", "218 320 507 612 651 763 952"),
    "MS": Rule(Window(time(8), time(20), _NEVER_SUNDAY), "Miss. Code § 77-3-723", "228 601 662 769"),
    "NM": Rule(Window(time(9), time(21)), "N.M. Stat. § 57-12-22", "505 575"),
    "NV": Rule(Window(time(9), time(20)), "Nev. Rev. Stat. § 228.590", "702 725 775"),
    "OK": Rule(Window(time(8), time(20)), "Okla. Stat. tit. 15, § 775C.4", "405 539 572 580 918", date(2022, 11, 1)),
    "RI": Rule(
        Window(time(9), time(18), ((SATURDAY, (time(10), time(17))), (SUNDAY, None)), holidays=False), "R.I. Gen. Laws § 5-61-3.6", "401"
    ),
    "SD": Rule(Window(time(9), time(21), _NEVER_SUNDAY), "S.D. Codified Laws § 37-30A", "605"),
    "TX": Rule(
        Window(time(9), time(21), ((SUNDAY, (time(12), time(21))),)),
        "Tex. Bus. & Com. Code §§ 301.051, 302 (S.B. 140)",
        "210 214 254 281 325 346 361 409 430 432 469 512 682 713 726 737 806 817 830 832 903 915 936 940 945 956 972 979",
        date(2025, 9, 1),
    ),
    "UT": Rule(Window(time(8), time(21), _NEVER_SUNDAY, holidays=False), "Utah Code § 13-25a-103", "385 435 801"),
    "WA": Rule(Window(time(8), time(20)), "Wash. Rev. Code § 80.36.390", "206 253 360 425 509 564", date(2022, 6, 9)),
    "WY": Rule(Window(time(8), time(20)), "Wyo. Stat. § 40-12-302", "307"),
}  # fmt: skip

_BY_AREA_CODE: Final = {code: state for state, rule in RULES.items() for code in rule.area_codes.split()}
_NANP: Final = "+1"


def candidates(address_state: str | None, phone_e164: str | None) -> frozenset[str]:
    """The states whose hours count for somebody: their address's, and the one of their number."""
    found = {normalise.us_state(address_state), _BY_AREA_CODE.get(phone_e164[2:5]) if phone_e164 and phone_e164.startswith(_NANP) else None}
    return frozenset(one for one in found if one is not None)


def narrowing(states: frozenset[str], now: datetime) -> tuple[Window, ...]:
    """What those states leave of the hours, on that day."""
    today = now.astimezone(UTC).date()
    rules = (RULES[state] for state in sorted(states) if state in RULES)
    return tuple(rule.window for rule in rules if rule.since <= today and (rule.until is None or today < rule.until))
