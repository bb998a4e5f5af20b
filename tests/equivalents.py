"""What tests/mutations.py changes, the tests that must notice, and the changes that make no difference, each with its reason."""

from typing import Final

RULES: Final[dict[str, tuple[str, ...]]] = {
    "clientway.billing.invoices.rules": ("tests/billing/test_invoice_rules.py",),
    "clientway.billing.ledger.rules": ("tests/billing/test_books.py",),
    "clientway.billing.payments.rules": ("tests/billing/test_invoice_rules.py",),
    "clientway.currencies": ("tests/billing/test_invoice_rules.py",),
    "clientway.billing.refunds.rules": ("tests/billing/test_invoice_rules.py",),
    "clientway.lifecycle.merges.rules": ("tests/lifecycle/test_merge_rules.py",),
    "clientway.recurrence": ("tests/test_recurrence.py",),
    "clientway.moments": ("tests/test_moments.py", "tests/messaging/test_quiet_hours.py"),
    "clientway.work.jobs.rules": ("tests/work/test_job_rules.py",),
    "clientway.work.series.plan": ("tests/work/test_series_changes.py", "tests/work/test_reminder_rules.py"),
    "clientway.work.reminders.rules": ("tests/work/test_reminder_rules.py", "tests/work/test_reminders.py"),
    "clientway.work.reminders.clock": ("tests/work/test_reminder_rules.py", "tests/work/test_reminder_clock.py"),
    "clientway.work.reminders.decisions": ("tests/work/test_reminder_rules.py", "tests/work/test_reminders.py"),
    "clientway.messaging.policy.rules": ("tests/messaging/test_quiet_hours.py",),
    "clientway.messaging.policy.states": ("tests/messaging/test_quiet_hours.py",),
    "clientway.messaging.policy.windows": ("tests/messaging/test_quiet_hours.py",),
    "clientway.messaging.links": ("tests/messaging/test_links.py",),
    "clientway.messaging.unsubscribe.forms": ("tests/messaging/test_unsubscribe.py",),
    "clientway.messaging.campaigns.rules": ("tests/messaging/test_campaigns.py",),
    "clientway.messaging.delivery.pace": ("tests/messaging/test_pace.py",),
    "clientway.messaging.events.rules": ("tests/messaging/test_event_rules.py",),
    "clientway.messaging.templates.rules": ("tests/messaging/test_template_rules.py",),
    "clientway.messaging.templates.filters": ("tests/messaging/test_template_rules.py",),
    "clientway.messaging.templates.tree": ("tests/messaging/test_template_rules.py",),
    "clientway.messaging.templates.markup": ("tests/messaging/test_template_rules.py",),
    "clientway.integrations.stripe.signature": ("tests/integrations/test_stripe_signature.py",),
    "clientway.lifecycle.custom_fields.values": ("tests/lifecycle/test_people_rules.py",),
    "clientway.lifecycle.people.rules": ("tests/lifecycle/test_people_rules.py",),
    "clientway.lifecycle.duplicates.rules": ("tests/lifecycle/test_duplicates_rules.py",),
    "clientway.lifecycle.duplicates.similarity": ("tests/lifecycle/test_duplicates_rules.py",),
    "clientway.lifecycle.stages.rules": ("tests/lifecycle/test_stage_rules.py",),
}
EQUIVALENT: Final[dict[tuple[str, str], str]] = {}
