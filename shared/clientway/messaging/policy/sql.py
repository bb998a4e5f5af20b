"""Whom nothing is sent to, and why: the one place that says so, for dry run, freeze, claim and reminder alike.

Text of SQL over an alias of `contacts`. Nothing in it comes from a caller but the two closed words of channel and purpose.
"""

from typing import Final, Literal

from clientway.messaging.delivery.message import Channel

Purpose = Literal["marketing", "transactional"]
Reason = Literal[
    "deleted", "blacklisted", "no_address", "do_not_contact", "suppressed", "unsubscribed", "consent_denied", "consent_missing"
]  # fmt: skip

_COLUMNS: Final[dict[Channel, str]] = {"email": "email_norm", "sms": "phone_e164"}
ADDRESS: Final[dict[Channel, str]] = {channel: f"c.{column}" for channel, column in _COLUMNS.items()}
"""Where a message of a channel goes: the address in the one form that suppressions know it by."""
CONSENT: Final = "k.event_id"
"""The line of the ledger that a message relies on; null where none is needed."""
ZONES: Final = (
    "c.time_zone as contact_zone, a.time_zone as address_zone, a.state as address_state, c.phone_e164 as phone, "
    "(select t.time_zone from tenants t where t.tenant_id = app.tenant()) as tenant_zone"
)
"""What rules.zones and rules.opening want to know, as columns of a select list."""


def joins(channel: Channel, purpose: Purpose, alias: str = "c", *, few: bool = False) -> str:
    """The joins that `exclusion` looks at: consent `k`, suppressed addresses `s`, default address `a`, settings `ms`, organization `o`.

    For `few` contacts their addresses are looked up one by one; for many, all that is suppressed is read once.
    """
    channel, purpose = _closed(channel, purpose)
    hashed = f"app.address_hash('{channel}', {alias}.{_COLUMNS[channel]})"
    standing = f"x.tenant_id = app.tenant() and x.channel = '{channel}' and x.lifted_at is null"
    # Hashed in a query of its own: the functions are not leakproof, and in the condition they would keep it from the index.
    one_by_one = f"""left join lateral (select {hashed} as address_hash offset 0) h on true
  left join lateral (select x.address_hash from suppressions x where {standing} and x.address_hash = h.address_hash limit 1) s on true"""
    all_at_once = f"left join (select distinct x.address_hash from suppressions x where {standing}) s on s.address_hash = {hashed}"
    # Likewise by itself: of a table that nobody has counted yet the planner would rather read all consents of the tenant, each time.
    given = f"""left join lateral (select x.state, x.event_id from contact_consents x
       where x.tenant_id = app.tenant() and x.contact_id = {alias}.id and x.channel = '{channel}' and x.purpose = '{purpose}'
      offset 0) k on true"""
    all_given = f"""left join contact_consents k on k.tenant_id = app.tenant() and k.contact_id = {alias}.id and k.channel = '{channel}'
       and k.purpose = '{purpose}'"""
    return f"""
  {given if few else all_given}
  {one_by_one if few else all_at_once}
  left join contact_addresses a on a.tenant_id = app.tenant() and a.id = {alias}.default_address_id and a.deleted_at is null
  left join messaging_settings ms on ms.tenant_id = app.tenant()
  left join organizations o on o.tenant_id = app.tenant() and o.id = {alias}.organization_id"""


def exclusion(channel: Channel, purpose: Purpose, alias: str = "c") -> str:
    """An expression that is null for somebody who may be sent to, else why not; the first reason that holds."""
    channel, purpose = _closed(channel, purpose)
    consent = ""
    if purpose == "marketing":
        unsubscribed = f" when {alias}.unsubscribed_at is not null then 'unsubscribed'" if channel == "email" else ""
        needed = "" if channel == "sms" else " and coalesce(ms.marketing_email_needs_consent, false)"
        consent = f"{unsubscribed} when k.state = 'denied' then 'consent_denied' when k.state is null{needed} then 'consent_missing'"
    else:
        consent = " when k.state = 'denied' then 'consent_denied'"
    return (
        f"case when {alias}.deleted_at is not null then 'deleted' when o.lifecycle_stage = 'blacklist' then 'blacklisted'"
        f" when {alias}.{_COLUMNS[channel]} is null then 'no_address' when {alias}.do_not_contact then 'do_not_contact'"
        f" when s.address_hash is not null then 'suppressed'{consent} end"
    )


def _closed(channel: Channel, purpose: Purpose) -> tuple[Channel, Purpose]:
    """The two words, if they are of ours: they become text of a statement."""
    if channel not in _COLUMNS or purpose not in ("marketing", "transactional"):
        message = f"no such message: {channel} {purpose}"
        raise ValueError(message)
    return channel, purpose
