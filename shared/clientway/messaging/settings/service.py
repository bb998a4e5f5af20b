"""What a tenant decided about its messages; before it did, the defaults."""

from dataclasses import dataclass, fields
from datetime import time
from typing import Any

from sqlalchemy import text

from clientway.db import Tx


@dataclass(frozen=True, slots=True)
class MessagingSettings:
    """What is needed to send: the tenant's name and zone, and its settings. `reminder_rules` is null where the defaults hold."""

    tenant_name: str
    time_zone: str
    reminder_rules: list[dict[str, Any]] | None
    from_name: str | None
    reply_to: str | None
    postal_address: str | None
    sms_sender: str | None
    marketing_email_needs_consent: bool
    quiet_from: time
    quiet_until: time
    complaint_stop_bps: int
    complaint_stop_count: int
    email_cost_micros: int
    sms_segment_cost_micros: int

    @property
    def sender_name(self) -> str:
        """Who a mail is from: the name that was set, else the tenant's."""
        return self.from_name or self.tenant_name

    @property
    def variables(self) -> dict[str, str | None]:
        """What templates call `tenant`."""
        return {"name": self.tenant_name, "postal_address": self.postal_address}


DEFAULTS: dict[str, str] = {
    "reminder_rules": "null::jsonb", "from_name": "null", "reply_to": "null", "postal_address": "null", "sms_sender": "null",
    "marketing_email_needs_consent": "false", "quiet_from": "time '20:00'", "quiet_until": "time '09:00'", "complaint_stop_bps": "30",
    "complaint_stop_count": "3", "email_cost_micros": "100", "sms_segment_cost_micros": "10000",
}  # fmt: skip
"""SQL of what holds without a row: the columns' own defaults."""

_NAMES = [one.name for one in fields(MessagingSettings) if one.name in DEFAULTS]
_OF = text(f"""
select t.name, t.time_zone, {", ".join(f"case when s.tenant_id is null then {DEFAULTS[name]} else s.{name} end" for name in _NAMES)}
  from tenants t left join messaging_settings s on s.tenant_id = app.tenant() where t.tenant_id = app.tenant()
""")


def of(tx: Tx) -> MessagingSettings:
    """The tenant's settings, with its name and time zone: one statement."""
    return MessagingSettings(*tx.execute(_OF).one())
