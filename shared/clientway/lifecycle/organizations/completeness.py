"""How much is known of an organization or a location, in percent, and what to find out next.

Own formula (seed 0 has the column `data_completeness` but no rule): the weights of the known fields, out of 100. The
weights favour what a rep needs to reach somebody, an address, a phone and an e-mail, over what only describes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

ORGANIZATION_WEIGHTS: Final[Mapping[str, int]] = {
    "legal_name": 8,
    "dba_name": 5,
    "entity_type": 5,
    "industry": 5,
    "source": 5,
    "location.address_line1": 8,
    "location.city": 6,
    "location.state": 4,
    "location.zip": 4,
    "location.phone": 12,
    "location.website_url": 8,
    "location.cuisine_primary": 3,
    "location.pos_system": 5,
    "contact.first_name": 3,
    "contact.last_name": 3,
    "contact.email": 14,
    "contact.role_type": 2,
}

LOCATION_WEIGHTS: Final[Mapping[str, int]] = {
    "name": 10,
    "address_line1": 15,
    "city": 10,
    "state": 5,
    "zip": 10,
    "phone": 15,
    "email": 5,
    "website_url": 10,
    "cuisine_primary": 5,
    "service_style": 5,
    "pos_system": 5,
    "seating_capacity": 5,
}


@dataclass(frozen=True, slots=True)
class Completeness:
    """Percent known (0–100) and the fields still missing, the weightiest first."""

    percent: int
    missing: tuple[str, ...]


def _known(value: object) -> bool:
    """Zero and False are answers; None and blank text are not."""
    return bool(value.strip()) if isinstance(value, str) else value is not None


def _weigh(facts: Mapping[str, object], weights: Mapping[str, int]) -> Completeness:
    missing = sorted((field for field in weights if not _known(facts[field])), key=lambda field: -weights[field])
    return Completeness(100 - sum(weights[field] for field in missing), tuple(missing))


def data_completeness(facts: Mapping[str, object]) -> Completeness:
    """Rate an organization with its primary location and contact, whose fields are named `location.…` and `contact.…`.

    `facts` has every key of ORGANIZATION_WEIGHTS, with None where there is no value (or no location, no contact); other
    keys are ignored. A key left out raises KeyError: otherwise a misspelt one would count as missing for ever.
    """
    return _weigh(facts, ORGANIZATION_WEIGHTS)


def location_completeness(facts: Mapping[str, object]) -> Completeness:
    """Rate one location by its own columns. `facts` has every key of LOCATION_WEIGHTS; see data_completeness."""
    return _weigh(facts, LOCATION_WEIGHTS)
