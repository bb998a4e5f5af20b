"""Whom a campaign goes to, and why not to whom: the one path of the dry run, the launch and the freezing."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import text

from clientway.db import Tx
from clientway.messaging.policy import sql as policy
from clientway.messaging.segments import service as segments
from clientway.messaging.segments.service import Where


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of an audience get the message, and how many do not for each reason."""

    total: int
    to_send: int
    excluded: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """As the answers have it."""
        return {"total": self.total, "to_send": self.to_send, "excluded": self.excluded}

    @classmethod
    def of(cls, by_reason: Mapping[str, int]) -> Self:
        """From reason → number, "" for who gets it."""
        excluded = {reason: by_reason[reason] for reason in sorted(by_reason) if reason}
        return cls(sum(by_reason.values()), by_reason.get("", 0), excluded)


def where(tx: Tx, campaign: Mapping[str, Any]) -> Where:
    """The campaign's segment as SQL over contacts `c`. Raises what segments.service.where does."""
    if campaign["segment_id"] is not None:
        return segments.where(tx, segment_id=campaign["segment_id"])
    return segments.where(tx, definition=campaign["segment"], pointer="#/segment")


def decided(campaign: Mapping[str, Any], segment: Where, *, zones: bool = False) -> str:
    """CTEs that end in `decided`: each contact of the audience with `reason`, null for who gets it; `zones` adds those columns.

    Two contacts of one address get one message: the one who was there first. An e-mail address is one contact's, always.
    """
    channel, purpose = campaign["channel"], campaign["purpose"]
    more, names = (f", {policy.ZONES}", f", {ZONE_COLUMNS}") if zones else ("", "")
    found = f"""found as materialized (
      select c.id, {policy.exclusion(channel, purpose)} as reason, {policy.ADDRESS[channel]} as address{more}
        from contacts c {policy.joins(channel, purpose)}
       where c.tenant_id = app.tenant() and c.deleted_at is null and ({segment.sql}))"""
    if channel == "email":
        return f"{found}, decided as (select id, reason{names} from found)"
    return f"""{found}, decided as materialized (
      select id, reason{names} from found where reason is not null
      union all
      select id, case when row_number() over (partition by address order by id) > 1 then 'same_address' end{names}
        from found where reason is null)"""


ZONE_COLUMNS = "contact_zone, address_zone, address_state, phone, tenant_zone"
HASH = """encode(sha256(convert_to(coalesce((select string_agg(id::text || ' ' || coalesce(reason, ''), ',' order by id) from decided), ''),
  'UTF8')), 'hex')"""
BY_REASON = (
    "(select coalesce(json_object_agg(r, n), '{}') from (select coalesce(reason, '') as r, count(*) as n from decided group by 1) x)"
)


def count(tx: Tx, campaign: Mapping[str, Any], segment: Where) -> tuple[Counts, str]:
    """How many, and the hash over (contact, decision) of all of them. One statement."""
    statement = f"with {decided(campaign, segment)} select {HASH} as hash, {BY_REASON} as by_reason"
    row = tx.execute(text(statement), segment.parameters).one()
    return Counts.of(row.by_reason), row.hash


def digest(value: Any) -> str:
    """SHA-256 of a value as JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def parts(campaign: Mapping[str, Any], audience_hash: str) -> dict[str, str]:
    """What a launch must find as the dry run did: hashes of the audience, the content and the schedule."""
    content = [campaign[name] for name in ("channel", "purpose", "subject", "body_text", "body_html")]
    schedule = [campaign[name] for name in ("scheduled_at", "ends_at", "quiet_hours")]
    return {"audience": audience_hash, "content": digest(content), "schedule": digest(schedule)}
