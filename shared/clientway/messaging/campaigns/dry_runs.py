"""What a launch would do: who gets it, who does not and why, when, and what it costs."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from clientway.db import Tx
from clientway.messaging.campaigns import audience, content, launching, queries, rules
from clientway.messaging.campaigns.audience import Counts
from clientway.messaging.campaigns.schemas import CampaignDryRun
from clientway.messaging.campaigns.service import held
from clientway.messaging.policy import rules as policy
from clientway.messaging.segments.service import Where
from clientway.messaging.settings import service as settings
from clientway.messaging.settings.service import MessagingSettings
from clientway.messaging.templates.rules import Rendered, segments_of

SHOWN: Final = 5
SHOWN_OF_REASON: Final = 3
MEASURED: Final = 200
"""Recipients whose message is made, to see how long a text gets and whether it says something at all."""


def run(tx: Tx, campaign_id: UUID) -> CampaignDryRun:
    """Look at a draft, or once more at one that is scheduled, and keep what was found with it: the launch quotes its hash.

    Raises NotFound (404), MoveRefused, AudienceTooLarge (409), CampaignRefused (422).
    """
    campaign = held(tx, campaign_id)
    rules.after(campaign["status"], "dry_run")
    campaign |= launching.ready(campaign, tx.now)
    segment = audience.where(tx, campaign)
    of = settings.of(tx)
    found = _look(tx, campaign, segment)
    counts = Counts.of(found.by_reason)
    launching.within(counts)
    parts = audience.parts(campaign, found.hash)
    when = _when(campaign, of, found.zones, max(tx.now, campaign["scheduled_at"] or tx.now))
    expired = sum(count for at, count in when if at is None)
    made = _made(campaign, of, found.people)
    parts_each = None if campaign["channel"] == "email" else _average([segments_of(one.text) for one in made])
    each = of.email_cost_micros if parts_each is None else of.sms_segment_cost_micros * parts_each
    looked_at = {
        "at": tx.now,
        "hash": audience.digest(parts),
        "parts": parts,
        "audience": counts.as_json(),
        "segment": segment.english,
        "sample": found.sample,
        "when": [{"at": at, "count": count} for at, count in when],
        "cost_micros": round(each * (counts.to_send - expired)),
        "currency": found.currency,
        "sms_segments": parts_each,
        "warnings": _warnings(campaign, counts, expired, parts_each, made),
    }
    queries.write(tx, campaign_id, {"dry_run": looked_at, "dry_run_hash": looked_at["hash"], "dry_run_at": tx.now})
    version = campaign["version"] + 1
    return CampaignDryRun.model_validate({**looked_at, "campaign_id": campaign_id, "version": version}, strict=False)


def _look(tx: Tx, campaign: Mapping[str, Any], segment: Where) -> Any:
    """The whole audience in one statement: its hash, numbers, a sample, whom to measure, and who is where."""
    held_back = campaign["quiet_hours"]
    grouped = f"""(
      select coalesce(json_agg(g), '[]') from (
        select d.contact_zone, d.address_zone, d.address_state, min(d.phone) as phone, d.tenant_zone, count(*) as count from decided d
         where d.reason is null
         group by d.contact_zone, d.address_zone, d.address_state, d.tenant_zone,
                  case when d.contact_zone is null and d.address_zone is null then left(d.phone, {_PREFIX}) end) g)"""
    measured = f"""(
      select coalesce(json_agg(p), '[]') from (
        select {content.PERSON} from reached r join contacts c on c.tenant_id = app.tenant() and c.id = r.id
         where mod(r.n - 1, greatest(1, (r.total + {MEASURED} - 1) / {MEASURED})) = 0) p)"""
    statement = f"""
      with {audience.decided(campaign, segment, zones=held_back)},
      reached as (select id, row_number() over (order by id) as n, count(*) over () as total from decided where reason is null),
      picked as (
        select id, reason from (select id, reason, row_number() over (partition by reason order by id) as n from decided) x
         where x.n <= case when x.reason is null then {SHOWN} else {SHOWN_OF_REASON} end)
      select {audience.HASH} as hash, {audience.BY_REASON} as by_reason,
             (select t.currency from tenants t where t.tenant_id = app.tenant()) as currency,
             (select coalesce(json_agg(s order by s.reason nulls first, s.contact_id), '[]') from (
                select c.id as contact_id, p.reason,
                       coalesce(nullif(concat_ws(' ', c.first_name, c.last_name), ''), c.email, c.phone, '') as name
                  from picked p join contacts c on c.tenant_id = app.tenant() and c.id = p.id) s) as sample,
             {measured} as people,
             {grouped if held_back else "(select json_build_array(json_build_object('count', count(*))) from reached)"} as zones"""
    return tx.execute(text(statement), segment.parameters).one()


# A number's zones and state are those of its first digits: its area code in North America, and enough of any other country's
# while nothing better is known. It is an estimate: each number is looked at whole when it is sent to.
_PREFIX: Final = """case when d.phone ^@ '+1' then 5 when d.contact_zone is null and d.address_zone is null then 8 else 0 end"""


def _when(
    campaign: Mapping[str, Any], of: MessagingSettings, groups: Iterable[Mapping[str, Any]], start: datetime
) -> list[tuple[datetime | None, int]]:
    """From which hour on how many can be sent to; None for those whom nothing reaches before it ends."""
    window = policy.hours(
        campaign["channel"],
        campaign["purpose"],
        quiet_hours=campaign["quiet_hours"],
        quiet_from=of.quiet_from,
        quiet_until=of.quiet_until,
    )
    hours: Counter[datetime] = Counter()
    never = 0
    for group in groups:
        at: datetime | None = start
        if window is not None:
            zones = policy.zones(group["contact_zone"], group["address_zone"], group["tenant_zone"], group["phone"])
            at = policy.opening(start, zones, window, group["address_state"], group["phone"])
        if at is None or (campaign["ends_at"] is not None and at >= campaign["ends_at"]):
            never += group["count"]
        elif group["count"]:
            hours[at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)] += group["count"]
    return [*sorted(hours.items()), *([(None, never)] if never else [])]


def _made(campaign: Mapping[str, Any], of: MessagingSettings, people: Iterable[Mapping[str, Any]]) -> list[Rendered]:
    """The messages of some of the recipients."""
    source, url = content.source(campaign), content.sample_url()
    kind = {"channel": campaign["channel"], "purpose": campaign["purpose"], "of": of, "unsubscribe_url": url}
    return [content.message(source, recipient=content.variables(person), **kind) for person in people]


def _average(parts: list[int]) -> float:
    return round(sum(parts) / len(parts), 2) if parts else 0.0


def _warnings(campaign: Mapping[str, Any], counts: Counts, expired: int, parts_each: float | None, made: list[Rendered]) -> list[str]:
    """What somebody who looks at it should not miss."""
    told = []
    if not counts.to_send:
        told.append("Nobody gets it.")
    if empty := sum(one.empty for one in made):
        told.append(f"It says nothing to {empty} of {len(made)} recipients looked at, for whom it renders empty: they get nothing.")
    if expired:
        told.append(f"{expired:,} cannot be reached before it ends.")
    if counts.to_send < counts.total / 2:
        told.append(f"More than half of the audience ({counts.total - counts.to_send:,} of {counts.total:,}) gets nothing.")
    named = sorted({found for name in ("subject", "body_text", "body_html") for found in _ELSEWHERE.findall(campaign[name] or "")})
    if named:
        told.append(f"{', '.join(named)}: a campaign has no such values, they stay empty.")
    if parts_each is not None and parts_each > _MANY_PARTS:
        told.append(f"A text message of {parts_each:g} parts is paid for as often.")
    return told


# What only reminders and single mails have values for.
_ELSEWHERE: Final = re.compile(r"{[{%][^}]*?\b((?:job|invoice|data)\.\w+)")
_MANY_PARTS: Final = 2
