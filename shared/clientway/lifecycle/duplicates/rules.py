"""Whether two records are one person's: points for what agrees, fewer for what nearly does, minus for what contradicts.

The weights follow Fellegi and Sunter (1969): each part counts by how much likelier it is to agree between records of
one person than between two people's. What is missing on either side says nothing. 100 points are a full agreement of
name, birth date and address. Nothing is merged by a score alone: it only orders what somebody is to look at.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from clientway import normalise
from clientway.lifecycle.duplicates import nicknames
from clientway.lifecycle.duplicates.similarity import best_jaro_winkler, edits, jaro_winkler, soundex

AUTOMATIC = 70
"""From here on the two are one person as far as anybody can tell from the records."""
SUGGEST = 40
"""From here on somebody should look."""
_FULL = 100
_SIMILAR = 0.88
_PHONETIC = 0.75
_SHORT_DATE = 8
_LONG_WORD = 5
_ALL_BUT_ONE = 2


@dataclass(frozen=True)
class Address:
    """Where somebody lives, each part folded; `more` is the second line."""

    number: str = ""
    street: str = ""
    more: str = ""
    suburb: str = ""
    postcode: str = ""
    state: str = ""


@dataclass(frozen=True)
class Person:
    """What the matcher looks at, each part folded and empty when unknown; `born` is YYYYMMDD."""

    first: str = ""
    last: str = ""
    born: str = ""
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()


@dataclass(frozen=True)
class Reason:
    """One part's points, and how it compared."""

    part: str
    result: str
    points: int


@dataclass(frozen=True)
class Verdict:
    """The sum of the reasons, 0 to 100."""

    score: int
    reasons: tuple[Reason, ...]

    @property
    def match(self) -> str | None:
        """`automatic`, `suggestion`, or None where there is nothing to look at."""
        return "automatic" if self.score >= AUTOMATIC else "suggestion" if self.score >= SUGGEST else None


# Points: agree, nearly, contradict.
_FIRST: Final = (13, 9, -9)
_LAST: Final = (18, 13, -13)
_CROSSED: Final = (14, 10, -11)
_BORN: Final = (30, 20, -13)
_NUMBER: Final = (7, 3, -4)
_STREET: Final = (16, 12, -7)
_SUBURB: Final = (10, 7, -5)
_POSTCODE: Final = (8, 5, -4)
_STATE: Final = (2, 0, -3)
_EMAIL_HINT = 30
_EMAIL = 45
_PHONE = 40


def person(
    first: str | None,
    last: str | None,
    *,
    born: str | None = None,
    emails: Iterable[str] = (),
    phones: Iterable[str] = (),
    addresses: Iterable[Address] = (),
) -> Person:
    """A person as the matcher sees them; names are folded, `born` may be an ISO date or digits, e-mails and phones normalised ones."""
    digits = "".join(letter for letter in born or "" if letter.isdigit())
    known = tuple(one for one in emails if not normalise.blocked_email(one))
    return Person(_word(first), _word(last), digits if len(digits) == _SHORT_DATE else "", known, tuple(phones), tuple(addresses))


def address(
    line: str | None, more: str | None, suburb: str | None, postcode: str | None, state: str | None, number: str | None = None
) -> Address:
    """An address as the matcher sees it; a house number that leads the street line is taken from there."""
    street = _word(line)
    if number is None:
        head, _, rest = street.partition(" ")
        number, street = (head, rest) if head[:1].isdigit() and rest else ("", street)
    return Address(_word(number), _street(street), _street(_word(more)), _word(suburb), _word(postcode), _word(state))


def _street(words: str) -> str:
    return " ".join(normalise.STREET_WORDS.get(word, word) for word in words.split())


def _word(raw: str | None) -> str:
    plain = normalise.fold(raw).replace("'", "").replace(".", " ").replace("-", " ")
    return " ".join(plain.split())


def compare(one: Person, other: Person) -> Verdict:
    """Score two records. It does not matter which comes first."""
    found = [*_names(one, other), *_reach(one, other), *_birth(one.born, other.born), *_places(one, other)]
    total = sum(reason.points for reason in found)
    most, why = (_FULL, "between 0 and 100") if _certain(found) else (AUTOMATIC - 1, "may be two people of one household")
    score = min(most, max(0, total))
    if score != total:
        found.append(Reason("limit", why if score else "between 0 and 100", score - total))
    return Verdict(score, tuple(found))


def _certain(reasons: Iterable[Reason]) -> bool:
    """Whether it is the person who agrees, and not only the household: spouses share all but these, father and son all but one."""
    own = [reason.points for reason in reasons if reason.part in ("first_name", "name", "birth_date", "email")]
    return bool(own) and min(own) >= 0


def keys(one: Person) -> frozenset[str]:
    """What two records of one person have at least one of in common, so that not everybody is compared with everybody.

    A letter for the kind, then: phone, e-mail without dots and plus tag, birth date, sounds of both names in either
    order, the sound of a name with birth year, postcode or suburb, the house with its postcode, the street with its number.
    """
    found = {f"t:{phone}" for phone in one.phones} | {f"e:{_mailbox(email)}" for email in one.emails}
    sounds = sorted({_sound(name) for name in (one.first, one.last) if name})
    year = one.born[:4]
    if one.born:
        found.add(f"d:{one.born}")
    if len(sounds) > 1:
        found.add(f"n:{'-'.join(sounds)}")
    for sound in sounds:
        if year:
            found.add(f"y:{sound}-{year}")
            found.add(f"m:{sound}-{one.born[4:]}")
    for place in one.addresses:
        if place.postcode:
            found |= {f"p:{sound}-{place.postcode}" for sound in sounds}
            if place.number:
                found.add(f"h:{place.number}-{place.postcode}")
        if place.suburb:
            found |= {f"s:{sound}-{_sound(place.suburb)}" for sound in sounds}
        if place.street and place.number:
            found.add(f"a:{place.number} {_sound(place.street)} {place.street[-3:]}")
    return frozenset(found)


def _sound(word: str) -> str:
    """How a word sounds; of one in another script than Latin its beginning."""
    return soundex(word) or word[:4]


def _names(one: Person, other: Person) -> Iterator[Reason]:
    first, last = _first_names(one.first, other.first), _graded(one.last, other.last, _LAST)
    crossed = _graded(one.first, other.last, _CROSSED)[1] + _graded(one.last, other.first, _CROSSED)[1]
    if crossed > first[1] + last[1]:
        yield Reason("name", "first and last name the other way round", crossed)
        return
    for part, (result, points) in (("first_name", first), ("last_name", last)):
        if result != "missing":
            yield Reason(part, result, points)


def _first_names(one: str, other: str) -> tuple[str, int]:
    if one and other and one != other:
        if nicknames.same(one, other):
            return "short for the other", _FIRST[1] + 2
        if one[0] == other[0] and min(len(one), len(other)) == 1:
            return "initial", _FIRST[1] - 5
    return _graded(one, other, _FIRST)


def _graded(one: str, other: str, weights: tuple[int, int, int]) -> tuple[str, int]:
    """How two words compare, with its points."""
    agree, nearly, contradict = weights
    if not one or not other:
        return "missing", 0
    if one == other:
        return "agrees", agree
    result = _likeness(*sorted((one, other)))
    return result, contradict if result == "differs" else nearly if result == "nearly agrees" else nearly // 2


@lru_cache(maxsize=65_536)  # names, suburbs and states come again and again
def _likeness(one: str, other: str) -> str:
    # The letters that both have bound what either measure can come to, and most pairs are of strangers.
    common = sum(min(one.count(letter), other.count(letter)) for letter in set(one))
    most = 1 if min(len(one), len(other)) < _LONG_WORD else 2
    alike = 0.0
    if best_jaro_winkler(one, other, common) >= _PHONETIC:
        alike = jaro_winkler(one, other)
    if alike >= _SIMILAR or (common >= max(len(one), len(other)) - most and edits(one, other, most) <= most):
        return "nearly agrees"
    if alike >= _PHONETIC and soundex(one) == soundex(other):
        return "sounds alike"
    if one.replace(" ", "").startswith(other.replace(" ", "")) or other.replace(" ", "").startswith(one.replace(" ", "")):
        return "one begins with the other"
    return "differs"


def _reach(one: Person, other: Person) -> Iterator[Reason]:
    if set(one.emails) & set(other.emails):
        yield Reason("email", "agrees", _EMAIL)
    elif {_mailbox(email) for email in one.emails} & {_mailbox(email) for email in other.emails}:
        yield Reason("email", "same but for dots or a plus tag", _EMAIL_HINT)
    if set(one.phones) & set(other.phones):
        yield Reason("phone", "agrees", _PHONE)


def _mailbox(email: str) -> str:
    local, _, domain = email.rpartition("@")
    return f"{local.partition('+')[0].replace('.', '')}@{domain}"


def _birth(one: str, other: str) -> Iterator[Reason]:
    if not one or not other:
        return
    agree, nearly, contradict = _BORN
    if one == other:
        yield Reason("birth_date", "agrees", agree)
    elif edits(one, other, 1) == 1:
        yield Reason("birth_date", "one digit differs or two are swapped", nearly)
    elif one[:4] == other[:4] and (one[4:6], one[6:]) == (other[6:], other[4:6]):
        yield Reason("birth_date", "day and month the other way round", nearly)
    elif sum((one[:4] == other[:4], one[4:6] == other[4:6], one[6:] == other[6:])) == _ALL_BUT_ONE:
        yield Reason("birth_date", "two of year, month and day agree", nearly // 2)
    else:
        yield Reason("birth_date", "differs", contradict)


def _places(one: Person, other: Person) -> tuple[Reason, ...]:
    """The pair of their addresses that fits best."""
    pairs = [tuple(_place(mine, theirs)) for mine in one.addresses for theirs in other.addresses]
    return max(pairs, key=lambda reasons: sum(reason.points for reason in reasons), default=())


def _place(one: Address, other: Address) -> Iterator[Reason]:
    lines = [_graded(one.street, other.street, _STREET)]
    # The lines get swapped, and one of them left out.
    for mine, theirs in ((one.street, other.more), (one.more, other.street), (one.more, other.more)):
        result, points = _graded(mine, theirs, (_STREET[0] - 2, _STREET[1] - 2, _STREET[2]))
        if points > 0:
            lines.append((result, points))
    result, points = max(lines, key=lambda line: line[1])
    if result != "missing":
        yield Reason("street", result, points)
    rest = (
        ("street_number", one.number, other.number, _NUMBER),
        ("suburb", one.suburb, other.suburb, _SUBURB),
        ("postcode", one.postcode, other.postcode, _POSTCODE),
        ("state", one.state, other.state, _STATE),
    )
    for part, mine, theirs, weights in rest:
        result, points = _digits(mine, theirs, weights) if part in ("street_number", "postcode") else _graded(mine, theirs, weights)
        if result != "missing":
            yield Reason(part, result, points)


def _digits(one: str, other: str, weights: tuple[int, int, int]) -> tuple[str, int]:
    if not one or not other:
        return "missing", 0
    if one == other:
        return "agrees", weights[0]
    if edits(one, other, 1) == 1 and max(len(one), len(other)) > 1:
        return "one digit differs or two are swapped", weights[1]
    return "differs", weights[2]
