"""Campaigns that are about to be sent, arranged in the database itself, and a provider that remembers what it was given."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from clientway.db import job_transaction
from clientway.ids import uuid7
from clientway.messaging.campaigns import chunks
from clientway.messaging.campaigns.rules import CHUNK
from clientway.messaging.delivery.message import Outgoing
from tests.fixtures import Tenant

_PEOPLE = """
insert into contacts (tenant_id, id, first_name, last_name, email, email_norm, phone, phone_e164, slug, name_norm, search_text)
select :t, md5(:s || n)::uuid, 'Ana', 'N' || n, mail, mail, phone, phone, 'c-' || left(:s, 8) || '-' || n, 'ana n' || n,
       'ana n' || n || chr(10) || mail || ' ' || phone
  from (select n, n || '.' || left(:s, 8) || '@mail.example' as mail, '+1305' || lpad(n::text, 7, '0') as phone
          from generate_series(1, :people) n) x;

with said as (
  insert into consent_events (tenant_id, id, contact_id, channel, purpose, state, source, actor_type, occurred_at)
  select :t, gen_random_uuid(), c.id, :channel, :purpose, 'granted', 'form', 'user', now() from contacts c
   where c.tenant_id = :t and c.id in (select md5(:s || n)::uuid from generate_series(1, :people) n) returning *)
insert into contact_consents (tenant_id, contact_id, channel, purpose, state, event_id, since)
select tenant_id, contact_id, channel, purpose, state, id, occurred_at from said
"""
_CAMPAIGN = """
insert into campaigns (tenant_id, id, name, channel, purpose, status, segment, subject, body_text, quiet_hours, ends_at, audience_count, frozen_at)
values (:t, :c, 'Spring', :channel, :purpose, 'sending', '{}', case when :channel = 'email' then 'Hello {{ contact.first_name }}' end,
        :body, :quiet_hours, :ends_at, :people, now());

insert into campaign_sends (tenant_id, campaign_id, contact_id, channel, chunk)
select :t, :c, id, :channel, (row_number() over (order by id) - 1) / :size
  from (select md5(:s || n)::uuid as id from generate_series(1, :people) n) x;

insert into campaign_chunks (tenant_id, campaign_id, chunk) select distinct tenant_id, campaign_id, chunk from campaign_sends where campaign_id = :c
"""


@dataclass(frozen=True)
class Launched:
    """A campaign that has been frozen."""

    engine: Engine
    tenant: Tenant
    id: UUID

    def rows(self, what: str = "*", where: str = "true") -> list[Any]:
        """Its sends."""
        statement = text(f"select {what} from campaign_sends s where s.campaign_id = :c and {where} order by s.chunk, s.id")
        with self.engine.connect() as connection:
            return list(connection.execute(statement, {"c": self.id}).all())

    @property
    def states(self) -> Counter[str]:
        """How many of its sends are what."""
        return Counter(row.state for row in self.rows("state"))

    def one(self, what: str, **given: Any) -> Any:
        """What a statement about it (`:c`, `:t`) finds, or does."""
        with self.engine.connect() as connection:
            result = connection.execute(text(what), {"c": self.id, "t": self.tenant.id, **given} if ":" in what else {})
            return result.scalar() if result.returns_rows else None

    @property
    def status(self) -> str:
        """What it is."""
        return str(self.one("select status from campaigns where id = :c and tenant_id = :t"))

    def pump(self, now: datetime | None = None) -> int:
        """Bring its first chunks into the queue."""
        with job_transaction(self.tenant.id, now=now) as tx:
            return chunks.pump(tx, self.id)

    def relayed(self, *, all_of_it: bool = True) -> list[str]:
        """What a relay would take to the queue, oldest first."""
        due = "true" if all_of_it else "available_at <= now()"
        return relayed(self.engine, f"tenant_id = '{self.tenant.id}' and {due}")

    def send(self, work: Callable[[str], Any], *, most: int = 1000) -> int:
        """Relay and work until nothing is in the queue; returns how many messages were worked on."""
        done = 0
        while bodies := self.relayed():
            for body in bodies:
                work(body)
                done += 1
                assert done < most, "it does not come to an end"
        return done


def relayed(engine: Engine, where: str = "true") -> list[str]:
    """What a relay would take to the queue of campaigns, oldest first."""
    statement = text(f"""
        with due as (
          update outbox set sent_at = now() where sent_at is null and topic like 'campaign.%' and {where}
          returning id, tenant_id, topic, payload)
        select jsonb_build_object('id', id, 'tenant_id', tenant_id, 'topic', topic, 'payload', payload) from due order by id""")
    with engine.connect() as connection:
        return [json.dumps(one) for one in connection.scalars(statement)]


def launched(
    engine: Engine, tenant: Tenant, people: int = 3, *, channel: str = "email", purpose: str = "marketing", quiet_hours: bool = False,
    ends_at: datetime | None = None, body: str = "Dear {{ contact.name }}", chunk: int = CHUNK,
) -> Launched:  # fmt: skip
    """A campaign that is `sending`, to new people who agreed to it; none of its chunks is in the queue yet."""
    campaign = Launched(engine, tenant, uuid7())
    given = {
        "t": tenant.id, "c": campaign.id, "s": str(campaign.id)[::-1], "people": people, "channel": channel, "purpose": purpose, "body": body,
        "quiet_hours": quiet_hours, "ends_at": ends_at, "size": chunk,
    }  # fmt: skip
    with engine.connect() as connection:
        for statement in f"{_PEOPLE};\n{_CAMPAIGN}".split(";\n"):
            used = {name: value for name, value in given.items() if f":{name}" in statement}
            connection.execute(text(statement.replace("{}", "{}")), used)
    return campaign


@dataclass
class Provider:
    """Takes what it is given. `before` is asked first and may raise, `after` once it has been taken."""

    sent: list[Outgoing] = field(default_factory=list)
    before: Callable[[Outgoing], Any] = lambda _message: None
    after: Callable[[Outgoing], Any] = lambda _message: None
    guard: threading.Lock = field(default_factory=threading.Lock)

    def send(self, message: Outgoing, *, once: bool) -> str:
        """As messaging.delivery.providers.send."""
        assert once, "a provider that repeats a campaign's message may send it twice"
        self.before(message)
        with self.guard:
            self.sent.append(message)
        self.after(message)
        return f"provider-{message.id}"

    @property
    def ids(self) -> Counter[UUID]:
        """How often each send was taken."""
        return Counter(one.id for one in self.sent)
