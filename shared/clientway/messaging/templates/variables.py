"""What a template may name: a closed list, and beside it `data.*`, which whoever asks for a single mail sends along."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

VARIABLES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "contact": {
            "first_name": "The recipient's first name.",
            "last_name": "The recipient's last name.",
            "name": "First and last name.",
            "email": "The recipient's address.",
            "phone": "The recipient's number, as +13055550199.",
        },
        "tenant": {"name": "Your business's name.", "postal_address": "Of the messaging settings."},
        "organization": {"name": "The recipient's organization; empty for a household."},
        "job": {
            "title": "What is done; reminders only.",
            "date": "As Monday, January 7, 2030; reminders only.",
            "time": "As 9:00 AM; reminders only.",
            "address": "Where; reminders only.",
            "assignee": "Who comes; reminders only.",
        },
        "invoice": {
            "number": "As INV-1042; reminders only.",
            "balance": "What is still due, as $120.00; reminders only.",
            "due_date": "As January 7, 2030; reminders only.",
            "payment_url": "Where to pay; reminders only, and empty without a payment page.",
        },
    }
)
"""Root → field → what it holds. What a message has nothing for renders empty."""

URLS: Final = frozenset({"unsubscribe_url"})
"""Variables without a field."""
UNSUBSCRIBE_URL: Final = "Where the recipient unsubscribes; appended to marketing mail that does not show it."
LINKS: Final = frozenset({"unsubscribe_url", "invoice.payment_url"})
"""What becomes a link where HTML is made from text."""

SAMPLE: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "contact": {
            "first_name": "Ana",
            "last_name": "Ruiz",
            "name": "Ana Ruiz",
            "email": "ana@example.com",
            "phone": "+13055550199",
        },
        "organization": {"name": "Blue Bistro"},
        "job": {
            "title": "Deep clean",
            "date": "Monday, January 7, 2030",
            "time": "9:00 AM",
            "address": "1 Main St, Miami",
            "assignee": "Rosa",
        },
        "invoice": {
            "number": "INV-1042",
            "balance": "$120.00",
            "due_date": "January 7, 2030",
            "payment_url": "https://pay.example.com/sample",
        },
        "unsubscribe_url": "https://api.example.com/u/sample",
    }
)
"""What a preview shows when it is made for nobody."""
