"""What was sent to somebody, in one list."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from clientway.messaging.histories.schemas import ContactMessage
from clientway.schemas import Page
from tests.messaging import campaigning

stage = campaigning.stage
NOW = datetime.now(UTC)


def test_campaigns_reminders_and_mails_are_one_list(stage, invoke, tenant, other_tenant):
    ana = stage.person()
    former = stage.person()
    stage.sending(ana, former, name="Spring")
    stage.run("update contacts set deleted_at = now(), merged_into = :a where id = :f", a=ana, f=former)
    stage.run(
        """insert into email_messages (tenant_id, id, contact_id, to_addresses, template, subject, body_text, created_at)
           values (:t, gen_random_uuid(), :c, array['ana@people.example'], 'welcome', 'Welcome', 'x', :at)""",
        c=ana, at=NOW - timedelta(days=2),
    )  # fmt: skip
    org, job = uuid4(), uuid4()
    stage.run(
        "insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text) values (:t, :o, 'x', 'x', '', '')", o=org
    )
    stage.run(
        """insert into jobs (tenant_id, id, organization_id, contact_id, title, start_at, end_at, time_zone, currency, price_cents)
           values (:t, :j, :o, :c, 'x', :at, :end, 'UTC', 'USD', 0)""",
        j=job, o=org, c=ana, at=NOW + timedelta(days=2), end=NOW + timedelta(days=2, hours=1),
    )  # fmt: skip
    stage.run(
        """insert into reminders (tenant_id, id, contact_id, job_id, type, rule, anchor_at, send_at, next_at, expires_at, channel)
           values (:t, gen_random_uuid(), :c, :j, 'job_upcoming', 'before_24h', :at, :at, :at, :at, 'sms')""",
        c=ana, j=job, at=NOW + timedelta(days=1),
    )  # fmt: skip
    path = {"contact_id": ana}

    seen, cursor = [], None
    for _ in range(2):
        answer = invoke(
            "messaging/contact_messages", path=path, query={"limit": 2, **({"cursor": cursor} if cursor else {})}, token=tenant.viewer
        )
        Page[ContactMessage].model_validate_json(answer.body)
        seen += answer.json["data"]
        cursor = answer.json["next_cursor"]

    assert ([(one["kind"], one["title"]) for one in seen], cursor) == (
        [("reminder", "job_upcoming"), *[("campaign_send", "Spring")] * 2, ("email_message", "Welcome")], None,
    )  # fmt: skip
    assert {one["contact_id"] for one in seen} == {str(ana), str(former)}
    assert invoke("messaging/contact_messages", path=path, token=other_tenant.admin).status == 404
    assert invoke("messaging/contact_messages", path={"contact_id": stage.person()}).json["data"] == []
