"""One spelling for what people spell in many ways: the keys by which records are matched, searched and named.

Everything here is pure and takes raw text; None means that there is nothing usable. phonenumbers and idna are loaded by
the first call that needs them: most requests need neither.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

_SPACES = re.compile(r"\s+")
_PUNCTUATION = re.compile(r"[^\w\s]|_")
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]*[a-z][a-z0-9-]*[a-z0-9]")
_LONGEST_PHONE = 40
_LONGEST_SLUG = 80
_SENTINELS: Final = frozenset({
    "", "-", "--", "?", ".", "n/a", "na", "none", "null", "nil", "not available", "not applicable", "unknown", "unavailable", "tbd",
    "-999", "-9999",
})  # fmt: skip
_LEGAL_SUFFIXES: Final = frozenset({
    "inc", "incorporated", "llc", "llp", "lp", "ltd", "limited", "corp", "corporation", "co", "company", "plc", "gmbh", "pllc", "pc",
})  # fmt: skip
STREET_WORDS: Final = {
    "street": "st", "avenue": "ave", "av": "ave", "boulevard": "blvd", "road": "rd", "drive": "dr", "lane": "ln", "court": "ct",
    "place": "pl", "square": "sq", "terrace": "ter", "parkway": "pkwy", "highway": "hwy", "circle": "cir", "suite": "ste",
    "apartment": "apt", "building": "bldg", "floor": "fl", "room": "rm", "unit": "ste", "north": "n", "south": "s", "east": "e",
    "west": "w", "northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw", "first": "1st", "second": "2nd",
    "third": "3rd", "fourth": "4th", "fifth": "5th",
}  # fmt: skip
_STATES: Final = dict(
    pair.split(":") for pair in (  # noqa: SIM905  (read as a table, not as sixty quoted words)
        "alabama:AL alaska:AK arizona:AZ arkansas:AR california:CA colorado:CO connecticut:CT delaware:DE florida:FL georgia:GA "
        "hawaii:HI idaho:ID illinois:IL indiana:IN iowa:IA kansas:KS kentucky:KY louisiana:LA maine:ME maryland:MD "
        "massachusetts:MA michigan:MI minnesota:MN mississippi:MS missouri:MO montana:MT nebraska:NE nevada:NV new_hampshire:NH "
        "new_jersey:NJ new_mexico:NM new_york:NY north_carolina:NC north_dakota:ND ohio:OH oklahoma:OK oregon:OR pennsylvania:PA "
        "rhode_island:RI south_carolina:SC south_dakota:SD tennessee:TN texas:TX utah:UT vermont:VT virginia:VA washington:WA "
        "west_virginia:WV wisconsin:WI wyoming:WY district_of_columbia:DC puerto_rico:PR guam:GU virgin_islands:VI "
        "american_samoa:AS northern_mariana_islands:MP palau:PW marshall_islands:MH micronesia:FM"
    ).split()
)  # fmt: skip
_STATE_CODES: Final = frozenset(_STATES.values())
# Mailboxes nobody reads: they say nothing about who somebody is.
_BLOCKED_LOCAL_PARTS: Final = frozenset({"noreply", "no-reply", "donotreply", "do-not-reply", "none", "na", "test", "nobody"})


def text(raw: str | None) -> str | None:
    """Trimmed text in NFC with single spaces and without control characters; None when nothing is left."""
    if raw is None:
        return None
    if raw.isascii() and raw.isprintable():
        # Most text is plain, and looking at each character of a list of 50,000 rows took seconds.
        return " ".join(raw.split()) or None
    visible = "".join(" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in unicodedata.normalize("NFC", raw))
    return _SPACES.sub(" ", visible).strip() or None


def sentinel(raw: str | None) -> bool:
    """Whether a cell only says that there is nothing: NOT AVAILABLE, -999, N/A, all zeros, a dash."""
    value = (raw or "").strip().casefold()
    return value in _SENTINELS or (len(value) > 1 and not value.strip("0-. ()"))


def email(raw: str | None) -> str | None:
    """The address lower-cased, its domain in IDNA; None unless it is a syntactically valid address at a domain name.

    Dots and plus tags stay: they are the mailbox owner's business (design 3, §13).
    """
    value = (text(raw) or "").removeprefix("mailto:").lower()
    local, at, domain = value.rpartition("@")
    if not at or len(value) > 254 or len(local.encode()) > 64 or not _LOCAL_PART.fullmatch(local):  # noqa: PLR2004  (RFC 5321 4.5.3.1)
        return None
    if not domain.isascii():
        import idna  # noqa: PLC0415

        try:
            domain = idna.encode(domain, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            return None
    return f"{local}@{domain}" if len(domain) <= 253 and _DOMAIN.fullmatch(domain) else None  # noqa: PLR2004  (RFC 1035)


def email_domain(raw: str | None) -> str | None:
    """The domain of an address."""
    address = email(raw)
    return address.rpartition("@")[2] if address else None


def blocked_email(address: str) -> bool:
    """Whether an address names a mailbox that belongs to nobody in particular and must not match people."""
    return address.partition("@")[0] in _BLOCKED_LOCAL_PARTS


def phone(raw: str | None, region: str = "US") -> str | None:
    """The number in E.164, extension dropped; None unless libphonenumber holds it for a valid number of the region."""
    value = (raw or "").strip()
    if not value or len(value) > _LONGEST_PHONE or sentinel(value):
        return None
    import phonenumbers  # noqa: PLC0415

    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if phonenumbers.is_valid_number(number) else None


@lru_cache(maxsize=4096)  # a name is looked at half a dozen times on its way: to match, to sort, to search, for its slug
def fold(raw: str | None) -> str:
    """Case, accents and width folded away, spaces single: what search compares."""
    plain = text(raw) or ""
    if plain.isascii():
        return plain.lower()
    decomposed = unicodedata.normalize("NFKD", plain)
    return _SPACES.sub(" ", "".join(c for c in decomposed if not unicodedata.combining(c))).casefold().strip()


@lru_cache(maxsize=4096)
def name_key(raw: str | None) -> str | None:
    """A company name for matching: folded, without punctuation and legal suffixes; None when nothing is left."""
    words = _PUNCTUATION.sub(" ", fold(raw).replace("&", " and ").replace("'", "").replace("’", "")).split()
    while len(words) > 1 and words[-1] in _LEGAL_SUFFIXES:
        words.pop()
    return " ".join(words) or None


def search_text(*parts: str | None) -> str:
    """What substring search looks through: the folded parts, each on a line of its own."""
    return "\n".join(dict.fromkeys(folded for part in parts if (folded := fold(part))))


def slug(raw: str | None, fallback: str = "organization") -> str:
    """Lower-case ASCII letters, digits and single hyphens, 1 to 80 characters."""
    ascii_only = fold(raw).replace("'", "").encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:_LONGEST_SLUG].rstrip("-") or fallback


def postal_code(raw: str | None, country: str = "US", *, lost_zeros: bool = False) -> str | None:
    """A US ZIP code (five digits, or ZIP+4); elsewhere the trimmed text. `lost_zeros` restores what a spreadsheet dropped."""
    value = text(raw)
    if value is None or sentinel(value):
        return None
    if country != "US":
        return value.upper() if len(value) <= 12 else None  # noqa: PLR2004
    value = value.removesuffix(".0")
    if lost_zeros and value.isdecimal() and value.isascii() and 3 <= len(value) <= 4:  # noqa: PLR2004
        value = value.zfill(5)
    if re.fullmatch(r"[0-9]{5}", value):
        return None if value == "00000" else value
    plus_four = re.fullmatch(r"([0-9]{5})[- ]?([0-9]{4})", value)
    return f"{plus_four[1]}-{plus_four[2]}" if plus_four else None


def website(raw: str | None) -> str | None:
    """An absolute http(s) URL, https where no scheme was given; None for anything that names no host."""
    value = text(raw)
    if value is None or sentinel(value) or " " in value or len(value) > 500:  # noqa: PLR2004
        return None
    if "://" not in value:
        value = f"https://{value}"
    try:
        parts = urlsplit(value)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or not host or "." not in host.strip(".") or "@" in parts.netloc:
        return None
    return value


def us_state(raw: str | None) -> str | None:
    """The two-letter code of a US state or territory, from its code or name."""
    value = fold(raw)
    return value.upper() if value.upper() in _STATE_CODES else _STATES.get(value.replace(" ", "_").replace(".", ""))


def address_key(line: str | None, city: str | None, state: str | None, postal: str | None = None) -> str | None:
    """An address for matching: folded, street words shortened, with its place; None without a street line and a place."""
    words = _PUNCTUATION.sub(" ", fold(line).replace("#", " ste ")).split()
    place = (postal or "")[:5] or name_key(city)
    if not words or not place:
        return None
    street = " ".join(STREET_WORDS.get(word, word) for word in words)
    return f"{street}|{place}|{us_state(state) or fold(state)}"
