"""What providers tell of messages, in the books: once, in any order, for the right tenant."""

import importlib
import json
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from itertools import permutations
from uuid import UUID

import pytest

from clientway.db import job_transaction
from clientway.ids import uuid7
from clientway.messaging.campaigns import claims
from clientway.messaging.campaigns.claims import Content, Result
from clientway.messaging.events import service
from clientway.messaging.events.reading import UnreadableEventError, read
from clientway.messaging.settings import service as settings
from clientway.messaging.templates.rules import Source
from tests.fixtures import LambdaContext
from tests.messaging.books import ANA, Books
from tests.messaging.events import PERSON, mail_event


@pytest.fixture
def books(admin_engine, tenant):
    return Books(admin_engine, tenant)


def test_a_delivery_is_written_once_however_often_it_is_told(books):
    told = books.told("Delivery")

    assert [service.apply(told) for _ in range(3)] == ["applied", "duplicate", "duplicate"]
    assert books.value("count(*)", "message_events") == 1
    assert books.sends("state", "delivered_at is not null", "bounced_at is null") == ("sent", True, True)


def test_the_handler_takes_a_batch_and_hands_back_what_is_no_event(books):
    handler = importlib.import_module("messaging.apply_message_events").handler
    bodies = (books.told("Delivery"), "not an event", books.told("Open"))
    sample = {"eventSource": "aws:sqs", "attributes": {"SentTimestamp": "1795226400000"}}
    records = [{**sample, "messageId": str(number), "body": body} for number, body in enumerate(bodies)]

    assert handler({"Records": records}, LambdaContext()) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert books.sends("delivered_at is not null", "opened_at is not null") == (True, True)


def test_events_come_in_any_order(admin_engine, tenant):
    outcomes = set()
    for number, order in enumerate(permutations(("Send", "Delivery", "Open", "Click"))):
        books = Books(admin_engine, tenant, phone=f"+1415555{number:04}")
        at = datetime(2026, 11, 20, 9, tzinfo=UTC)
        for kind in order:
            service.apply(books.told(kind, at=at))
        outcomes.add(books.sends("state", "delivered_at", "opened_at", "clicked_at"))
        books.run("update contacts set email = null, email_norm = null where tenant_id = :t and id = :c")

    assert outcomes == {("sent", at, at, at)}


def test_an_open_counts_once_moves_the_stage_and_stands_on_the_timeline(books):
    books.run("update organizations set lifecycle_stage = 'prospect' where tenant_id = :t and id = :o")

    for minute in (1, 2):
        service.apply(books.told("Open", at=datetime(2026, 11, 20, 9, minute, tzinfo=UTC)))

    assert books.value("total_emails_opened", "contacts", "id = :c") == 1
    assert books.value("lifecycle_stage", "organizations", "id = :o") == "mql"
    assert books.value("count(*)", "activities", "contact_id = :c and activity_type = 'email_opened'") == 1
    assert books.value("count(*)", "message_events") == 2
    # The first time it was opened is the one that is kept.
    assert books.sends("opened_at") == (datetime(2026, 11, 20, 9, 1, tzinfo=UTC),)


def test_a_machines_open_moves_nothing(books):
    books.run("update organizations set lifecycle_stage = 'prospect' where tenant_id = :t and id = :o")

    service.apply(books.told("Open", userAgent="Mozilla/5.0"))
    service.apply(books.told("Click", userAgent="python-requests/2"))

    assert books.value("total_emails_opened", "contacts", "id = :c") == 0
    assert books.value("lifecycle_stage", "organizations", "id = :o") == "prospect"
    assert books.value("bool_and(machine)", "activities", "contact_id = :c and activity_type in ('email_opened', 'email_clicked')")
    assert books.sends("opened_at", "clicked_at") == (None, None)
    assert books.sends("machine_opened_at is not null") == (True,)


def test_the_tenant_may_have_it_literally(books):
    books.run("update organizations set lifecycle_stage = 'prospect' where tenant_id = :t and id = :o")
    books.run("update tenants set counts_machine_opens = true where tenant_id = :t")

    service.apply(books.told("Open", userAgent="Mozilla/5.0"))

    assert books.value("lifecycle_stage", "organizations", "id = :o") == "mql"


def test_a_hard_bounce_is_the_end_of_an_address_and_a_soft_one_is_not(books):
    service.apply(books.told("Bounce", bounceType="Transient"))
    assert books.value("count(*)", "suppressions") == 0

    service.apply(books.told("Bounce"))
    assert books.run("select channel, reason, address, contact_id from suppressions where tenant_id = :t") == [
        ("email", "hard_bounce", ANA, books.contact)
    ]
    assert books.sends("bounced_at is not null") == (True,)


def test_a_complaint_suppresses_revokes_and_is_told(books):
    service.apply(books.told("Complaint"))

    assert books.value("reason", "suppressions") == "complaint"
    assert books.run("select purpose, state from contact_consents where tenant_id = :t and contact_id = :c") == [("marketing", "denied")]
    assert books.value("unsubscribed_at is not null", "contacts", "id = :c")
    assert books.value("count(*)", "activities", "contact_id = :c and activity_type = 'consent_changed'") == 1
    assert books.value("status", "campaigns") == "sending"


def test_too_many_complaints_stop_a_campaign(admin_engine, tenant, books):
    books.run("insert into messaging_settings (tenant_id, complaint_stop_count, complaint_stop_bps) values (:t, 2, 5000)")
    books.run(
        """with c as (insert into contacts (tenant_id, id, slug, name_norm, search_text)
                      select :t, gen_random_uuid(), 'n' || n, '', '' from generate_series(1, 3) n returning id)
           insert into campaign_sends (tenant_id, campaign_id, contact_id, channel, chunk, state) select :t, :k, c.id, 'email', 0, 'sent' from c"""
    )
    ids = [row.id for row in books.run("select id from campaign_sends where tenant_id = :t order by id")]

    def complained(send):
        service.apply(mail_event("Complaint", tenant_id=tenant.id, subject="campaign_send", subject_id=send, address=f"{send}@x.example"))
        return books.value("status", "campaigns")

    # One of four is below two, two of four are half.
    assert [complained(send) for send in ids[:2]] == ["sending", "stopped"]
    assert books.value("status_reason", "campaigns") == "too many complaints"
    assert books.value("count(*)", "outbox", "topic = 'messaging.campaign_stopped'") == 1
    assert complained(ids[2]) == "stopped"
    assert books.value("count(*)", "outbox", "topic = 'messaging.campaign_stopped'") == 1


def test_of_complaints_at_once_the_last_sees_them_all(admin_engine, tenant, books):
    books.run("insert into messaging_settings (tenant_id, complaint_stop_count, complaint_stop_bps) values (:t, 2, 1)")
    other = uuid7()
    books.run("insert into contacts (tenant_id, id, slug, name_norm, search_text) values (:t, :v, 'v', '', '')", v=other)
    ((second,),) = books.run(
        """insert into campaign_sends (tenant_id, campaign_id, contact_id, channel, chunk, state) values (:t, :k, :v, 'email', 0, 'sent')
           returning id""", v=other,
    )  # fmt: skip
    first = read(books.told("Complaint"), now=datetime.now(UTC))
    with ThreadPoolExecutor(1) as pool:
        with job_transaction(tenant.id) as tx:
            service._told(tx, first)
            told = mail_event("Complaint", tenant_id=tenant.id, subject="campaign_send", subject_id=second, address="bob@x.example")
            at_once = pool.submit(service.apply, told)
            # It waits for the first, or has been through before that one was over.
            wait([at_once], timeout=0.3)
        assert at_once.result() == "applied"

    assert books.value("status", "campaigns") == "stopped"


@pytest.mark.parametrize("kind", ["Send", "Delivery", "Open", "Click", "Bounce", "Complaint"])
def test_what_is_unknown_was_sent_when_the_provider_tells_of_it(admin_engine, tenant, kind):
    books = Books(admin_engine, tenant, state="unknown")

    service.apply(books.told(kind))

    assert books.sends("state", "reason", "sent_at is not null") == ("sent", "known by its events", True)
    assert books.value("count(*)", "activities", "activity_type = 'email_sent'") == 1
    assert books.value("total_emails_received", "contacts", "id = :c") == 1


def test_an_event_that_was_there_first_settles_what_becomes_unknown_later(admin_engine, tenant):
    books = Books(admin_engine, tenant, state="sending")
    service.apply(books.told("Delivery"))
    # The worker may still be at it: the event alone does not take the send from it.
    assert books.sends("state", "delivered_at is not null") == ("sending", True)
    books.run("update campaign_sends set state = 'unknown' where tenant_id = :t")

    with job_transaction(tenant.id) as tx:
        assert service.settle_unknown(tx) == 1
    with job_transaction(tenant.id) as tx:
        assert service.settle_unknown(tx) == 0
    assert books.sends("state") == ("sent",)


@pytest.mark.parametrize("state", ["sending", "sent", "unknown"])
def test_a_mail_that_ses_took_and_then_refused_has_failed(admin_engine, tenant, state):
    """Also where it is told before the worker has written down that it was taken."""
    books, token = Books(admin_engine, tenant, state=state), uuid7()
    books.run("update campaign_sends set lease_token = :token where tenant_id = :t", token=token)

    service.apply(books.told("Reject", reason="Bad content"))
    with job_transaction(tenant.id) as tx:
        of = Content(books.campaign, "Spring", "email", "marketing", Source("x", "x"), False, None, settings.of(tx))
        assert claims.record(tx, of, token, [Result(books.send, "sent", provider_message_id="m")]) == 0

    assert books.sends("state", "reason") == ("failed", "provider: reject")


def test_nobody_is_told_of_another_tenants_message(books, other_tenant):
    foreign = mail_event("Bounce", tenant_id=other_tenant.id, subject="campaign_send", subject_id=books.send, address=ANA)

    assert service.apply(foreign) == "unknown"
    assert service.apply(mail_event("Bounce", tenant_id=UUID(int=7), subject="campaign_send", subject_id=books.send)) == "foreign"
    assert books.sends("bounced_at") == (None,)
    assert books.value("count(*)", "suppressions") == 0


def test_what_is_no_event_is_not_swallowed():
    with pytest.raises(UnreadableEventError):
        service.apply("{}")


@pytest.mark.parametrize(("subject", "table"), [("email_message", "email_messages"), ("reminder", "reminders")])
def test_events_of_single_mails_and_reminders(books, subject, table):
    one = uuid7()
    if subject == "email_message":
        books.run(
            "insert into email_messages (tenant_id, id, contact_id, to_addresses, template, subject, body_text, status)"
            " values (:t, :id, :c, array['ana@bistro.example'], 'welcome', 'x', 'x', 'sent')", id=one,
        )  # fmt: skip
    else:
        books.run(
            """with j as (insert into jobs (tenant_id, id, organization_id, contact_id, title, start_at, end_at, time_zone, currency)
                          values (:t, gen_random_uuid(), :o, :c, 'x', now(), now() + interval '1 hour', 'UTC', 'USD') returning id)
               insert into reminders (tenant_id, id, contact_id, job_id, type, rule, anchor_at, send_at, next_at, expires_at, channel, state)
               select :t, :id, :c, j.id, 'job_upcoming', 'before_2h', now(), now(), now(), now(), 'email', 'sent' from j""", id=one,
        )  # fmt: skip

    for kind in ("Delivery", "Bounce"):
        assert service.apply(mail_event(kind, tenant_id=books.tenant.id, subject=subject, subject_id=one, address=ANA)) == "applied"

    assert books.value("delivered_at is not null and bounced_at is not null and provider_message_id is not null", table)
    assert books.value("reason", "suppressions") == "hard_bounce"
    service.apply(mail_event("Reject", tenant_id=books.tenant.id, subject=subject, subject_id=one))
    status, why = ("status", "error") if subject == "email_message" else ("state", "state_reason")
    assert books.run(f"select {status}, {why} from {table} where tenant_id = :t") == [("failed", "provider: reject")]


def test_of_somebody_who_was_merged_the_survivor_is_told(books):
    survivor = uuid7()
    books.run(
        "insert into contacts (tenant_id, id, organization_id, slug, name_norm, search_text) values (:t, :v, :o, 'v', '', '')", v=survivor
    )
    books.run("update contacts set merged_into = :v, deleted_at = now() where tenant_id = :t and id = :c", v=survivor)

    service.apply(books.told("Click"))

    assert books.value("contact_id", "activities", "activity_type = 'email_clicked'") == survivor


def test_a_person_is_somebody_that_is_no_machine():
    assert json.loads(mail_event("Open", tenant_id=1, subject="x", subject_id=1))["open"]["userAgent"] == PERSON
