"""The templates that every tenant has from the start; one of its own with the same key and channel takes its place.

The first five are the seed's, sent as single mails with the values in `data`; the others are what reminders say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clientway.messaging.delivery.message import Channel
from clientway.messaging.templates.rules import Source


@dataclass(frozen=True)
class Default:
    """A built-in template: `data` says what each of its `data.*` holds, `sample` shows them filled in."""

    key: str
    channel: Channel
    name: str
    source: Source
    data: Mapping[str, str] = field(default_factory=dict)
    sample: Mapping[str, Any] = field(default_factory=dict)


_GREETING = "Hello{% if contact.first_name %} {{ contact.first_name }}{% endif %},\n\n"
_REGARDS = "\nKind regards,\n{{ tenant.name }}\n"

_ALL: Final = (
    Default(
        "welcome",
        "email",
        "Welcome",
        Source(
            "Welcome to {{ tenant.name }}",
            _GREETING + "Thank you for choosing {{ tenant.name }}. {% if data.message %}{{ data.message }}{% else %}"
            "We look forward to working with you."
            "{% endif %}\n{% if data.portal_url %}\nYour portal: {{ data.portal_url }}\n{% endif %}" + _REGARDS,
        ),
        {"message": "A sentence of your own, in place of ours.", "portal_url": "Where the client signs in."},
        {"portal_url": "https://api.example.com/portal/sample"},
    ),
    Default(
        "assessment_results",
        "email",
        "Assessment results",
        Source(
            "Your assessment: {{ data.score }} of {{ data.max_score|default(100) }}",
            _GREETING + "{% if organization.name %}{{ organization.name }}{% else %}Your business{% endif %} reached {{ data.score }} of "
            "{{ data.max_score|default(100) }} points{% if data.tier %}: {{ data.tier }}{% endif %}.\n"
            "{% if data.summary %}\n{{ data.summary }}\n{% endif %}"
            "{% if data.recommendations %}\nWhat we recommend:\n{{ data.recommendations }}\n{% endif %}"
            "{% if data.report_url %}\nThe whole report: {{ data.report_url }}\n{% endif %}" + _REGARDS,
        ),
        {
            "score": "Points reached.",
            "max_score": "Points there are; 100 when left out.",
            "tier": "What the score is called, such as Ready for AI.",
            "summary": "What they mean, in a few sentences.",
            "recommendations": "One on each line.",
            "report_url": "Where the whole report is.",
        },
        {"score": 72, "tier": "Ready for AI", "summary": "Your processes are well documented.", "recommendations": "- Automate invoicing"},
    ),
    Default(
        "roi_report",
        "email",
        "Return on investment",
        Source(
            "What you could save: {{ data.annual_savings_cents|money(data.currency|default('USD')) }} a year",
            _GREETING + "By your own figures, you would save {{ data.annual_savings_cents|money(data.currency|default('USD')) }} a year"
            "{% if data.hours_saved_per_week %} and {{ data.hours_saved_per_week }} hours a week{% endif %}.\n\n"
            "{% if data.investment_cents %}Investment: {{ data.investment_cents|money(data.currency|default('USD')) }}\n{% endif %}"
            "{% if data.payback_months %}Paid back after: {{ data.payback_months }} months\n{% endif %}"
            "{% if data.roi_percent %}Return after {{ data.years|default(1) }} year(s): {{ data.roi_percent }}%\n{% endif %}"
            "{% if data.report_url %}\nThe whole calculation: {{ data.report_url }}\n{% endif %}" + _REGARDS,
        ),
        {
            "annual_savings_cents": "Saved in a year, in cents.",
            "hours_saved_per_week": "Hours saved in a week.",
            "investment_cents": "What it costs, in cents.",
            "payback_months": "Months until it is paid back.",
            "roi_percent": "Return in per cent.",
            "years": "Over how many years; 1 when left out.",
            "currency": "Of the amounts; USD when left out.",
            "report_url": "Where the whole calculation is.",
        },
        {
            "annual_savings_cents": 4_800_000,
            "hours_saved_per_week": 12,
            "investment_cents": 1_500_000,
            "payback_months": 4,
            "roi_percent": 220,
        },
    ),
    Default(
        "follow_up",
        "email",
        "Follow-up",
        Source(
            "{{ data.subject|default('Following up') }}",
            _GREETING + "{% if data.message %}{{ data.message }}{% else %}We wanted to ask whether you have any questions. "
            "Just reply to this e-mail.{% endif %}\n{% if data.booking_url %}\nPick a time: {{ data.booking_url }}\n{% endif %}" + _REGARDS,
        ),
        {"subject": "The subject.", "message": "What you want to say.", "booking_url": "Where a meeting can be booked."},
        {"message": "How did you like our proposal?"},
    ),
    Default(
        "meeting_reminder",
        "email",
        "Meeting reminder",
        Source(
            "{{ data.title|default('Our meeting') }}: {{ data.meeting_date|date }}"
            "{% if data.meeting_time %}, {{ data.meeting_time }}{% endif %}",
            _GREETING + "This is a reminder of {{ data.title|default('our meeting') }}.\n\n"
            "When: {{ data.meeting_date|date }}{% if data.meeting_time %}, {{ data.meeting_time }}{% endif %}\n"
            "{% if data.location %}Where: {{ data.location }}\n{% endif %}"
            "{% if data.meeting_url %}Join: {{ data.meeting_url }}\n{% endif %}"
            "{% if data.reschedule_url %}\nNeed another time? {{ data.reschedule_url }}\n{% endif %}" + _REGARDS,
        ),
        {
            "title": "What the meeting is about.",
            "meeting_date": "Such as 2030-01-07, or in words.",
            "meeting_time": "With its zone, such as 3:00 PM EST.",
            "location": "Where it is.",
            "meeting_url": "Where to join.",
            "reschedule_url": "Where to pick another time.",
        },
        {
            "title": "Strategy call",
            "meeting_date": "2030-01-07",
            "meeting_time": "3:00 PM EST",
            "meeting_url": "https://meet.example.com/x",
        },
    ),
    Default(
        "job_upcoming",
        "email",
        "Job reminder",
        Source(
            "{{ job.title }} on {{ job.date }}, {{ job.time }}",
            _GREETING + "This is a reminder of your appointment with {{ tenant.name }}.\n\nWhat: {{ job.title }}\n"
            "When: {{ job.date }}, {{ job.time }}\n{% if job.address %}Where: {{ job.address }}\n{% endif %}"
            "{% if job.assignee %}Who is coming: {{ job.assignee }}\n{% endif %}\nHas something changed? Just reply to this e-mail.\n"
            + _REGARDS,
        ),
    ),
    Default(
        "job_upcoming",
        "sms",
        "Job reminder",
        Source(None, "{{ tenant.name }}: {{ job.title|truncate(60) }} on {{ job.date }}, {{ job.time }}. Reply STOP to opt out"),
    ),
    Default(
        "invoice_due",
        "email",
        "Invoice reminder",
        Source(
            "Invoice {{ invoice.number }} is due on {{ invoice.due_date }}",
            _GREETING + "{{ invoice.balance }} for invoice {{ invoice.number }} is due on {{ invoice.due_date }}.\n"
            "{% if invoice.payment_url %}\nPay here: {{ invoice.payment_url }}\n{% endif %}\n"
            "If you have already paid, thank you: there is nothing left to do.\n" + _REGARDS,
        ),
    ),
    Default(
        "invoice_due",
        "sms",
        "Invoice reminder",
        Source(
            None,
            "{{ tenant.name }}: {{ invoice.balance }} for invoice {{ invoice.number }} is due on {{ invoice.due_date }}."
            "{% if invoice.payment_url %} {{ invoice.payment_url }}{% endif %} Reply STOP to opt out",
        ),
    ),
)

DEFAULTS: Final[Mapping[tuple[str, str], Default]] = {(one.key, one.channel): one for one in _ALL}
"""By key and channel."""
