"""Which column of a table is what: guessed from its title, else from the shape of its values, and open to correction."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from clientway import normalise
from clientway.errors import FieldError, Unprocessable

SYNONYMS: Final[Mapping[str, str]] = {
    title: target
    for target, titles in {
        "organization.source_id": "business id|id|company id|record id|external id|lead id|facility id|source id|account id|hs object id",
        "organization.legal_name": "name|business name|company|company name|legal name|organization|organization name|account name"
        "|restaurant name|facility name|business",
        "organization.dba_name": "dba|dba name|doing business as|trade name|display name",
        "organization.industry": "industry|sector|category",
        "organization.entity_type": "entity type",
        "organization.notes": "notes|note|comments|description",
        "organization.tags": "tags|tag|labels|type",
        "location.address_line1": "address|street|street address|address line 1|address1|address line1|mailing street",
        "location.city": "city|town|mailing city",
        "location.state": "state|province|state region|state code|region|mailing state",
        "location.zip": "zip|zip code|zipcode|postal code|postcode|postal|mailing zip postal code",
        "location.country": "country|country region|country code",
        "location.latitude": "latitude|lat",
        "location.longitude": "longitude|lon|lng|long",
        "location.phone": "phone|phone number|telephone|tel|company phone|business phone|main phone",
        "location.website_url": "website|website url|url|web site|homepage|domain|company domain name",
        "location.cuisine_primary": "cuisine|cuisine primary|cuisine type",
        "location.service_style": "service style",
        "location.pos_system": "pos|pos system",
        "location.seating_capacity": "seats|seating capacity",
        "location.employee_count": "employees|employee count|number of employees",
        "location.status": "status|operating status",
        "contact.first_name": "first name|firstname|given name",
        "contact.last_name": "last name|lastname|surname|family name",
        "contact.full_name": "contact|contact name|full name|owner name|primary contact",
        "contact.email": "email|e mail|email address|contact email|work email",
        "contact.phone": "contact phone|mobile|mobile phone|mobile phone number|cell",
        "contact.title": "title|job title|position",
        "contact.role_type": "role|role type",
    }.items()
    for title in titles.split("|")
}
TARGETS: Final = frozenset(SYNONYMS.values()) | {"location.name", "location.email", "location.menu_complexity"}
_REPEATABLE: Final = frozenset({"organization.tags", "organization.notes"})
_STREET = re.compile(r"\d+[\w/-]*\s+\S.*[A-Za-z]")
_MOST = 0.7


@dataclass(frozen=True)
class Guess:
    """What a column is held for: a target or None, how sure (0 to 1), and why."""

    target: str | None
    confidence: float
    reason: str


def guess(columns: Sequence[str], sample: Sequence[Sequence[str]]) -> dict[str, Guess]:
    """What each column is; a target is given once (tags and notes may come from several columns)."""
    found: dict[str, Guess] = {}
    taken: set[str] = set()
    for column in columns:
        target = SYNONYMS.get(_words(column))
        if target and (target not in taken or target in _REPEATABLE):
            taken.add(target)
            found[column] = Guess(target, 0.95, f"titled “{column}”")
    if not found:
        _by_shape(columns, sample, found, taken)
    return {column: found.get(column, Guess(None, 0.0, "not recognised")) for column in columns}


def check(columns: Sequence[str], mapping: Mapping[str, str | None]) -> None:
    """Raise Unprocessable (422) for a column or a target that there is not, or a target given twice."""
    given = ", ".join(columns)
    unknown = [FieldError(_pointer(column), "unknown_column", f"the columns are {given}") for column in mapping if column not in columns]
    if errors := unknown + _target_errors(mapping):
        raise Unprocessable("The mapping does not fit the table.", errors=errors)


def check_targets(mapping: Mapping[str, str | None]) -> None:
    """Raise Unprocessable (422) for a target that there is not, or one given twice; the table is not known yet."""
    if errors := _target_errors(mapping):
        raise Unprocessable("The mapping's targets cannot be used.", errors=errors)


def _target_errors(mapping: Mapping[str, str | None]) -> list[FieldError]:
    targets = list(mapping.values())
    errors = []
    for column, target in mapping.items():
        if target is not None and target not in TARGETS:
            near = get_close_matches(target, sorted(TARGETS), 1)
            hint = f"no target; perhaps {near[0]}, of" if near else "no target; there are"
            errors.append(FieldError(_pointer(column), "unknown_target", f"{target} is {hint} {', '.join(sorted(TARGETS))}"))
        elif target is not None and target not in _REPEATABLE and targets.count(target) > 1:
            errors.append(FieldError(_pointer(column), "target_twice", f"{target} is mapped more than once"))
    return errors


def _pointer(column: str) -> str:
    return "#/mapping/" + column.replace("~", "~0").replace("/", "~1")


def _words(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", title).casefold()).strip()


def _is_between(low: float, high: float) -> Callable[[str], bool]:
    def test(cell: str) -> bool:
        try:
            return "." in cell and low <= float(cell) <= high
        except ValueError:
            return False

    return test


# In this order: what is most particular first.
_SHAPES: Final[Sequence[tuple[str, Callable[[str], bool]]]] = (
    ("contact.email", lambda cell: normalise.email(cell) is not None),
    ("location.website_url", lambda cell: cell.lower().startswith(("http://", "https://", "www."))),
    ("location.latitude", _is_between(15, 72)),
    ("location.longitude", _is_between(-180, -60)),
    ("location.phone", lambda cell: sum(map(str.isdigit, cell)) >= 10 and normalise.phone(cell) is not None),  # noqa: PLR2004
    ("location.state", lambda cell: len(cell) == 2 and normalise.us_state(cell) is not None),  # noqa: PLR2004
    ("location.address_line1", lambda cell: _STREET.fullmatch(cell) is not None),
    ("location.zip", lambda cell: re.fullmatch(r"\d{5}(-\d{4})?", cell) is not None),
)


def _by_shape(columns: Sequence[str], sample: Sequence[Sequence[str]], found: dict[str, Guess], taken: set[str]) -> None:
    cells = {
        column: [row[place].strip() for row in sample if place < len(row) and not normalise.sentinel(row[place])]
        for place, column in enumerate(columns)
    }
    state = {"seen": False}

    def give(column: str, target: str, share: float, reason: str) -> None:
        found[column] = Guess(target, round(share, 2), reason)
        taken.add(target)
        state["seen"] = True

    # The first column of distinct whole numbers is an id: a ZIP code repeats.
    for column in columns:
        given = cells[column]
        if given and all(cell.isdecimal() for cell in given) and len(set(given)) == len(given):
            give(column, "organization.source_id", 0.7, "whole numbers, each once")
            break
    for target, fits in _SHAPES:
        shares = {column: sum(map(fits, given)) / len(given) for column, given in cells.items() if given and column not in found}
        best = max(shares, key=lambda column: shares[column], default=None)
        if best is not None and shares[best] >= _MOST and target not in taken:
            give(best, target, shares[best], f"{shares[best]:.0%} look like it")
    words = {column: given for column, given in cells.items() if column not in found and given and not any(c.isdecimal() for c in given)}
    if words:
        name = max(words, key=lambda column: len(set(words[column])) / len(words[column]))
        give(name, "organization.legal_name", 0.6, "the most varied words")
        rest = [column for column in words if column != name]
        if rest:
            city = min(rest, key=lambda column: len(set(words[column])) / len(words[column]))
            give(city, "location.city", 0.6, "few different words")
