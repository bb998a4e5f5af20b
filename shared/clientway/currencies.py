"""Currencies: amounts are whole numbers of the smallest unit (the `_cents` of every answer), which is not a hundredth in all of them.

Source: Stripe, "Zero-decimal currencies" and "Three-decimal currencies", whose amounts these are. The Icelandic and the Ugandan
currency are hundredths there, although nobody pays in such.
"""

from typing import Final

_WHOLE: Final = frozenset(["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"])
_THOUSANDTHS: Final = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])


def decimals(currency: str) -> int:
    """How many decimals an amount in this currency has (ISO 4217 code, in capitals)."""
    return 0 if currency in _WHOLE else 3 if currency in _THOUSANDTHS else 2


def written(units: int, currency: str, *, thousands: str = "") -> str:
    """An amount of a currency's smallest units as people write it, with this between the thousands: 123450 USD → 1234.50."""
    places = decimals(currency)
    whole, part = divmod(abs(units), 10**places)
    return f"{'-' if units < 0 else ''}{whole:{thousands}}" + (f".{part:0{places}}" if places else "")
