"""What a tenant decided about its messages; before it did, the defaults."""

import json
from dataclasses import dataclass, fields
from datetime import time
from typing import Any

from sqlalchemy import text

from clientway import effects, normalise, wake
from clientway.db import Tx
from clientway.errors import FieldError, PreconditionFailed, Unprocessable, check_version
from clientway.messaging.settings import rules
from clientway.messaging.settings.schemas import MessagingSettings as Shown
from clientway.messaging.settings.schemas import MessagingSettingsPatch
from clientway.paging import one
from clientway.work.reminders import rules as reminders


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


_BUILT_IN = json.dumps(reminders.as_rows(reminders.DEFAULTS))
_QUIET_UNTIL, _QUIET_FROM = "09:00", "20:00"
_SHOWN = {
    "reminder_rules": "coalesce(s.reminder_rules, cast(:rules as jsonb))",
    "reminder_rules_are_default": "s.reminder_rules is null",
    "quiet_until": "left(s.quiet_until::text, 5)",
    "quiet_from": "left(s.quiet_from::text, 5)",
}
_COLUMNS = ", ".join(f"{_SHOWN.get(name, f's.{name}')} as {name}" for name in Shown.model_fields)
_ANSWER = f"select row_to_json(r)::text, r.version from (select {_COLUMNS} from {{source}} s) r"
_EITHER = f"""(select x.* from (
  select {", ".join(f"m.{name}" for name in DEFAULTS)}, m.version from messaging_settings m where m.tenant_id = app.tenant()
  union all select {", ".join(DEFAULTS.values())}, 1) x limit 1)"""
_READ = text(_ANSWER.format(source=_EITHER))
_LOCK = text("""
select s.version, s.reminder_rules, left(s.quiet_until::text, 5) as quiet_until, left(s.quiet_from::text, 5) as quiet_from
  from messaging_settings s where s.tenant_id = app.tenant() for no key update of s
""")


def read(tx: Tx) -> Any:
    """The settings as they are shown."""
    return one(tx.execute(_READ, {"rules": _BUILT_IN}).one())


def change(tx: Tx, patch: MessagingSettingsPatch, *, version: int) -> Any:
    """Change the settings; reminders that are planned follow changed rules.

    Raises PreconditionFailed (412), Unprocessable (422) for hours that the law does not leave, rules that clash and an
    address that is none.
    """
    before = tx.execute(_LOCK).one_or_none()
    check_version(before.version if before else 1, version)
    changes = _checked(patch.model_dump(exclude_unset=True), before)
    moved = "reminder_rules" in changes and changes["reminder_rules"] != (before.reminder_rules if before else None)
    replan = {"replan_since": tx.now, "replan_after": None} if moved else {}
    names = [*changes, *replan]
    # Whoever made the row in the meantime was first.
    statement = f"""
with written as (
  insert into messaging_settings as s ({"".join(f"{name}, " for name in names)}version, created_at, updated_at)
  select {"".join(f"g.{name}, " for name in names)}2, :now, :now
    from jsonb_populate_record(null::messaging_settings, cast(:row as jsonb)) g
  on conflict (tenant_id) do update set {"".join(f"{name} = excluded.{name}, " for name in names)}version = s.version + 1,
     updated_at = excluded.updated_at
   where s.version = :version returning s.*)
{_ANSWER.format(source="written")}"""
    given = {"row": json.dumps({**changes, **replan}, default=str), "version": version, "now": tx.now, "rules": _BUILT_IN}
    row = tx.execute(text(statement), given).one_or_none()
    if row is None:
        raise PreconditionFailed("This was changed since you read it.")
    effects.audit(tx, "messaging_settings.updated", "messaging_settings", None, changes)
    if moved:
        wake.at(tx, tx.now, "reminders")
    return one(row)


def _checked(sent: dict[str, Any], before: Any) -> dict[str, Any]:
    """What was sent, in the form that is kept."""
    errors = []
    if sent.get("reply_to") is not None:
        address = normalise.email(sent["reply_to"])
        if address is None:
            errors.append(FieldError("#/reply_to", "invalid_email", "not an e-mail address"))
        sent["reply_to"] = address
    if {"quiet_until", "quiet_from"} & sent.keys():
        until = sent.get("quiet_until") or (before.quiet_until if before else _QUIET_UNTIL)
        quiet_from = sent.get("quiet_from") or (before.quiet_from if before else _QUIET_FROM)
        errors += rules.hours(rules.of_day(until), rules.of_day(quiet_from))
    if errors:
        raise Unprocessable("The settings break a rule.", errors=errors)
    if sent.get("reminder_rules") is not None:
        # In JSON's own types, to be compared with what is kept.
        sent["reminder_rules"] = json.loads(json.dumps(reminders.as_rows(reminders.parse(sent["reminder_rules"]))))
    return sent
