"""What the demo tenant needs to write to its contacts: who it is, to whom it may write what, templates and segments."""

import json
from typing import Any
from uuid import UUID

from clientway.db import Tx
from clientway.lifecycle.consents import service as consents
from clientway.lifecycle.consents.schemas import ConsentCreate
from clientway.messaging.segments import service as segments
from clientway.messaging.segments.schemas import SegmentCreate
from clientway.messaging.settings import service as settings
from clientway.messaging.settings.schemas import MessagingSettingsPatch
from clientway.messaging.templates import service as templates
from clientway.messaging.templates.schemas import MessageTemplateCreate

# Of the numbers that are kept for stories.
SENDER = "+14155550199"
_FORM = "Yes, send me news by text message. Up to four a month; rates may apply; reply STOP to end."
# Of ten contacts: who agreed to marketing by text, and who wants no marketing mail.
_AGREED, _DECLINED = {1, 3, 4, 6, 8, 9}, {5}
_TEMPLATES: tuple[dict[str, str], ...] = (
    {
        "key": "menus_that_pay", "channel": "email", "name": "Menus that pay",
        "subject": "{{ contact.first_name|default('Hello') }}, does your menu pay?",
        "body_text": "Hello {{ contact.first_name|default('there') }},\n\n"
        "Three changes to its menu raised a restaurant's average ticket by 11%. "
        "They would suit {{ organization.name|default('your place') }} as well:\n\n"
        "https://demo.example/menus-that-pay\n\n"
        "Kind regards,\n{{ tenant.name }}",
        "body_html": '<div style="font-family:Georgia,serif;max-width:34rem;margin:0 auto;padding:1.5rem;color:#2b2320">'
        "<h1 style=\"color:#a8481f;font-size:1.6rem\">Does your menu pay?</h1><p>Hello {{ contact.first_name|default('there') }},</p>"
        "<p>Three changes to its menu raised a restaurant's average ticket by <b>11%</b>. They would suit "
        "{{ organization.name|default('your place') }} as well.</p>"
        '<p><a href="https://demo.example/menus-that-pay" style="background:#a8481f;color:#fff;padding:.7rem 1.2rem;border-radius:6px;'
        'text-decoration:none;display:inline-block">Show me the three</a></p><p>Kind regards,<br>{{ tenant.name }}</p></div>',
    },
    {
        "key": "tasting", "channel": "sms", "name": "Tasting",
        "body_text": "{{ tenant.name }}: {{ contact.first_name|default('hello') }}, taste the spring menu with us on Thursday. "
        "demo.example/taste",
    },
)  # fmt: skip
_SEGMENTS: tuple[dict[str, Any], ...] = (
    {"name": "Clients", "definition": {"field": "organization.lifecycle_stage", "op": "eq", "value": "client"}},
    {
        "name": "Leads who opened a mail",
        "description": "People, not their mail programs, and no clients yet.",
        "definition": {
            "all": [
                {"event": "email_opened", "within_days": 90, "count": {"op": "gte", "n": 1}},
                {"field": "organization.lifecycle_stage", "op": "ne", "value": "client"},
            ]
        },
    },
    {"name": "May be texted", "definition": {"field": "consent.sms_marketing", "op": "eq", "value": "granted"}},
)


def prepare(tx: Tx) -> None:
    """Settings, templates and segments, once: what somebody changed or deleted since stays so. Raises Conflict where a name is taken."""
    if json.loads(settings.read(tx))["version"] > 1:
        return
    for template in _TEMPLATES:
        templates.create(tx, MessageTemplateCreate.model_validate(template))
    for segment in _SEGMENTS:
        segments.create(tx, SegmentCreate.model_validate(segment))
    address = "Demo Consulting, 1 Main Street, Springfield, IL 62701"
    settings.change(tx, MessagingSettingsPatch(postal_address=address), version=1)


def phone(number: int) -> str:
    """The phone of the contact of this number, of those kept for stories."""
    return f"(512) 555-{100 + number:04}"


def agree(tx: Tx, contact_id: UUID, number: int) -> None:
    """What a contact said about being written to."""
    if number % 10 in _AGREED:
        given = ConsentCreate(channel="sms", purpose="marketing", state="granted", source="web_form", text_shown=_FORM, ip="192.0.2.7")
        consents.add(tx, contact_id, given)
    if number % 10 in _DECLINED:
        consents.add(tx, contact_id, ConsentCreate(channel="email", purpose="marketing", state="denied", source="phone"))
