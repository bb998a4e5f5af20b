"""One row of a table as what it would become: cleaned, normalised, or refused with a reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clientway import normalise

_COUNTRIES: Final = {
    "usa": "US", "united states": "US", "us": "US", "pri": "PR", "gum": "GU", "vir": "VI", "asm": "AS", "mnp": "MP", "plw": "PW",
    "canada": "CA", "can": "CA",
}  # fmt: skip
# Territories have US addresses and phones; their own codes stay in `state`.
_LIKE_US: Final = frozenset({"US", "PR", "GU", "VI", "AS", "MP", "PW"})
_LONGEST: Final = {"legal_name": 300, "dba_name": 300, "notes": 20_000}
_CLOSED: Final = frozenset({"closed", "permanently closed", "out of business", "inactive"})


@dataclass(frozen=True)
class Candidate:
    """What a row would become; `keys` are what it is matched by."""

    organization: dict[str, Any]
    location: dict[str, Any]
    contact: dict[str, Any]
    tags: tuple[str, ...]
    keys: "Keys"
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Keys:
    """What records are matched by; None never matches."""

    source_id: str | None
    email: str | None
    phone: str | None
    name: str | None
    address: str | None


@dataclass(frozen=True)
class Refusal:
    """A row that cannot become anything, and why."""

    reason: str


@dataclass
class _Cells:
    """The cells of a row by target; sentinels are blanks."""

    values: dict[str, str | None]
    warnings: list[str] = field(default_factory=list)

    def take(self, target: str) -> str | None:
        return self.values.get(target)

    def number(self, target: str, low: float, high: float) -> float | None:
        raw = self.take(target)
        if raw is None:
            return None
        try:
            value = float(raw.replace(",", ""))
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            self.warnings.append(f"{target.partition('.')[2]} “{raw[:40]}” was left out")
            return None
        return value


def candidate(cells: tuple[str, ...], columns: Mapping[int, str], *, region: str, lost_zeros: bool) -> Candidate | Refusal:
    """Read a row. `columns` gives the target of each mapped position; `lost_zeros` says that the ZIP column dropped zeros."""
    values: dict[str, str | None] = {}
    tags: list[str] = []
    notes: list[str] = []
    for place, target in columns.items():
        cell = None if normalise.sentinel(cells[place]) else normalise.text(cells[place])
        if target == "organization.tags":
            tags += [word.strip().lower()[:60] for word in (cell or "").replace(";", ",").split(",") if word.strip()]
        elif target == "organization.notes":
            notes += [cell] if cell else []
        else:
            values[target] = cell
    row = _Cells(values)
    contact = _contact(row, region)
    organization = _organization(row, contact, notes)
    if organization is None:
        return Refusal("no name: neither a business, a person nor an e-mail address is named")
    location = _location(row, region, lost_zeros=lost_zeros)
    if location.get("status") == "closed":
        tags.append("closed")
    name = normalise.name_key(organization["dba_name"]) or normalise.name_key(organization["legal_name"])
    keys = Keys(
        source_id=organization["source_id"],
        email=None if contact.get("email_norm") is None or normalise.blocked_email(contact["email_norm"]) else contact["email_norm"],
        phone=location.get("phone_e164"),
        name=name,
        address=location.get("address_key"),
    )
    return Candidate(organization, location, contact, tuple(dict.fromkeys(tags)), keys, tuple(row.warnings))


def _organization(row: _Cells, contact: Mapping[str, Any], notes: list[str]) -> dict[str, Any] | None:
    person = " ".join(part for part in (contact.get("first_name"), contact.get("last_name")) if part)
    name = row.take("organization.legal_name") or row.take("organization.dba_name") or person or contact.get("email")
    if not name:
        return None
    entity = (row.take("organization.entity_type") or "").lower().replace(" ", "_")
    return {
        "legal_name": name[: _LONGEST["legal_name"]],
        "dba_name": (row.take("organization.dba_name") or "")[: _LONGEST["dba_name"]] or None,
        "entity_type": entity if entity in {"single_location", "multi_location", "franchise", "group"} else None,
        "industry": (row.take("organization.industry") or "")[:100] or None,
        "source_id": (row.take("organization.source_id") or "")[:300] or None,
        "notes": "\n".join(notes)[: _LONGEST["notes"]] or None,
    }


def _location(row: _Cells, region: str, *, lost_zeros: bool) -> dict[str, Any]:
    raw_country = row.take("location.country")
    country = _COUNTRIES.get((raw_country or "us").lower(), (raw_country or "US").upper())
    if len(country) != 2 or not country.isascii() or not country.isalpha():  # noqa: PLR2004
        row.warnings.append(f"country “{country[:40]}” was left out")
        country = "US"
    us = country in _LIKE_US
    raw_zip, raw_phone, raw_site, raw_state = (row.take(f"location.{name}") for name in ("zip", "phone", "website_url", "state"))
    zip_code = normalise.postal_code(raw_zip, "US" if us else country, lost_zeros=lost_zeros)
    phone, site = normalise.phone(raw_phone, region), normalise.website(raw_site)
    email = normalise.email(row.take("location.email"))
    for what, raw, usable in (("postal code", raw_zip, zip_code), ("website", raw_site, site)):
        if raw and not usable:
            row.warnings.append(f"{what} “{raw[:60]}” was left out")
    if raw_phone and not phone:
        row.warnings.append(f"phone “{raw_phone[:40]}” is kept as it is and never matched")
    latitude, longitude = row.number("location.latitude", -90, 90), row.number("location.longitude", -180, 180)
    if not latitude and not longitude:
        # Zero by zero lies in the Gulf of Guinea: a missing coordinate, not a restaurant.
        latitude = longitude = None
    state = (normalise.us_state(raw_state) if us else None) or raw_state
    seats, staff = row.number("location.seating_capacity", 0, 10**6), row.number("location.employee_count", 0, 10**7)
    address, city = row.take("location.address_line1"), row.take("location.city")
    found = {
        "name": row.take("location.name"), "address_line1": address, "city": city, "state": state, "zip": zip_code,
        "latitude": latitude, "longitude": longitude, "phone": raw_phone, "phone_e164": phone, "email": email, "email_norm": email,
        "website_url": site, "cuisine_primary": row.take("location.cuisine_primary"),
        "service_style": row.take("location.service_style"), "pos_system": row.take("location.pos_system"),
        "seating_capacity": None if seats is None else int(seats), "employee_count": None if staff is None else int(staff),
    }  # fmt: skip
    if not any(value is not None for value in found.values()):
        return {}
    status = "closed" if (row.take("location.status") or "").lower() in _CLOSED else "active"
    key = normalise.address_key(address, city, state, zip_code)
    return {**found, "country": country, "status": status, "address_key": key}


def _contact(row: _Cells, region: str) -> dict[str, Any]:
    first, last = row.take("contact.first_name"), row.take("contact.last_name")
    full = row.take("contact.full_name")
    if full and not (first or last):
        first, _, last = full.partition(" ")
    raw_email, raw_phone = row.take("contact.email"), row.take("contact.phone")
    email = normalise.email(raw_email)
    if raw_email and not email:
        row.warnings.append(f"e-mail “{raw_email[:60]}” was left out")
    role = (row.take("contact.role_type") or "").lower()
    found = {
        "first_name": (first or "")[:200] or None, "last_name": (last or "")[:200] or None, "email": email, "email_norm": email,
        "phone": raw_phone, "phone_e164": normalise.phone(raw_phone, region), "title": row.take("contact.title"),
    }  # fmt: skip
    if not any(value is not None for value in found.values()):
        return {}
    return {**found, "role_type": role if role in {"owner", "gm", "manager", "chef", "accounting"} else ("other" if role else None)}
