"""A tenant's people, a list of them, and campaigns to it: what the tests of campaigns arrange."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from clientway import db
from clientway.ids import uuid7
from clientway.messaging.campaigns import chunks, freezing
from tests.fixtures import Answer, Invoke, Tenant

WORDS = {"subject": "Spring at {{ tenant.name }}", "body_text": "Hello {{ contact.first_name }}, it is spring."}


class Stage:
    """One tenant's."""

    def __init__(self, engine: Engine, tenant: Tenant, invoke: Invoke) -> None:
        self.engine, self.tenant, self.invoke = engine, tenant, invoke

    def run(self, statement: str, **given: Any) -> Any:
        """As the superuser; :t is the tenant."""
        with self.engine.connect() as connection:
            result = connection.execute(text(statement), {"t": self.tenant.id, **given} if ":t" in statement else given)
            return result.all() if result.returns_rows else result.rowcount

    def settings(self, **columns: Any) -> None:
        """Set the messaging settings."""
        names = ", ".join(columns)
        places = ", ".join(f":{name}" for name in columns)
        self.run("delete from messaging_settings where tenant_id = :t")
        self.run(f"insert into messaging_settings (tenant_id, {names}) values (:t, {places})", **columns)

    def person(self, **columns: Any) -> UUID:
        """Somebody with an address of their own, and a number unless one is given."""
        one = uuid7()
        mail = f"{one.hex}@people.example"
        row = {
            "id": one,
            "slug": one.hex,
            "first_name": "Ana",
            "email": mail,
            "email_norm": mail,
            "name_norm": "",
            "search_text": "",
            **columns,
        }
        names = ", ".join(row)
        self.run(f"insert into contacts (tenant_id, {names}) values (:t, {', '.join(f':{name}' for name in row)})", **row)
        return one

    def consent(self, contact_id: UUID, channel: str, state: str, purpose: str = "marketing") -> None:
        """What somebody said, in the ledger and as it is now."""
        event, given = uuid7(), {"c": contact_id, "ch": channel, "p": purpose, "s": state}
        self.run(
            """insert into consent_events (tenant_id, id, contact_id, channel, purpose, state, source, actor_type, occurred_at)
               values (:t, :e, :c, :ch, :p, :s, 'form', 'job', now())""",
            e=event, **given,
        )  # fmt: skip
        self.run(
            """insert into contact_consents (tenant_id, contact_id, channel, purpose, state, event_id, since)
               values (:t, :c, :ch, :p, :s, :e, now())
               on conflict (tenant_id, contact_id, channel, purpose) do update set state = excluded.state, event_id = excluded.event_id""",
            e=event, **given,
        )  # fmt: skip

    def listed(self, *people: UUID) -> UUID:
        """A list of these people."""
        one = uuid7()
        self.run("insert into segments (tenant_id, id, name, kind) values (:t, :i, :n, 'manual')", i=one, n=f"List {one.hex}")
        for person in people:
            self.add(one, person)
        return one

    def add(self, segment_id: UUID, person: UUID) -> None:
        """Somebody more on a list."""
        self.run("insert into segment_members (tenant_id, segment_id, contact_id) values (:t, :s, :c)", s=segment_id, c=person)

    def template(self, channel: str = "email", **columns: Any) -> UUID:
        """A template of the tenant's."""
        one = uuid7()
        row = {"id": one, "key": f"k{one.hex[-12:]}", "name": "Spring", "channel": channel, **WORDS, **columns}
        if channel == "sms":
            row["subject"] = None
        names = ", ".join(row)
        self.run(f"insert into message_templates (tenant_id, {names}) values (:t, {', '.join(f':{name}' for name in row)})", **row)
        return one

    def draft(self, *people: UUID, segment_id: UUID | None = None, **changes: Any) -> dict[str, Any]:
        """A draft to these people, made by the API."""
        body = {"name": "Spring", "channel": "email", "segment_id": segment_id or self.listed(*people), **WORDS, **changes}
        if body["channel"] == "sms":
            del body["subject"]
        answer = self.invoke("messaging/campaigns", body={name: value for name, value in body.items() if value is not None})
        assert answer.status == 201, answer.body
        return answer.json

    def post(self, what: str, campaign_id: Any, body: Any = None, **how: Any) -> Answer:
        """POST to a sub-resource of a campaign, with a key of its own."""
        headers = {"Idempotency-Key": uuid4().hex, **how.pop("headers", {})}
        return self.invoke(f"messaging/campaign_{what}", path={"campaign_id": campaign_id}, body=body, headers=headers, **how)

    def read(self, campaign_id: Any) -> dict[str, Any]:
        """A campaign as it is."""
        return self.invoke("messaging/campaign", path={"campaign_id": campaign_id}).json

    def dry_run(self, campaign_id: Any) -> dict[str, Any]:
        """Look at it."""
        answer = self.post("dry_run", campaign_id)
        assert answer.status == 200, answer.body
        return answer.json

    def launch(self, campaign_id: Any, **changes: Any) -> dict[str, Any]:
        """Look at it and send it."""
        answer = self.post("launch", campaign_id, {"dry_run_hash": self.dry_run(campaign_id)["hash"], **changes})
        assert answer.status == 200, answer.body
        return answer.json

    def freeze(self, campaign_id: Any, *, now: datetime | None = None) -> int:
        """What the queue's worker does first."""
        with db.job_transaction(self.tenant.id, now=now) as tx:
            count = freezing.freeze(tx, UUID(str(campaign_id)))
            chunks.pump(tx, UUID(str(campaign_id)))
        return count

    def sending(self, *people: UUID, **changes: Any) -> str:
        """A campaign that is being sent to these people; its id."""
        one = self.draft(*people, **changes)["id"]
        self.launch(one)
        self.freeze(one)
        return one

    def sends(self, campaign_id: Any) -> dict[UUID, tuple[str, str | None]]:
        """Contact → state and reason."""
        rows = self.run("select contact_id, state, reason from campaign_sends where tenant_id = :t and campaign_id = :c", c=campaign_id)
        return {row.contact_id: (row.state, row.reason) for row in rows}

    def topics(self) -> list[str]:
        """What waits in the outbox of the queue of campaigns."""
        return [topic for (topic,) in self.run("select topic from outbox where tenant_id = :t and topic ^@ 'campaign.' order by id")]

    def audited(self) -> list[tuple[str, Any]]:
        """What the audit trail says of campaigns."""
        rows = self.run("select action, changes from audit_log where tenant_id = :t and object_type = 'campaign' order by at, id")
        return [(row.action, row.changes if isinstance(row.changes, dict) else json.loads(row.changes)) for row in rows]


@pytest.fixture
def stage(admin_engine: Engine, tenant: Tenant, invoke: Callable[..., Answer]) -> Stage:
    """A tenant that may send marketing mail."""
    one = Stage(admin_engine, tenant, invoke)
    one.settings(postal_address="1 Main St, Miami FL")
    return one
