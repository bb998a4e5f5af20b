"""The freezing, and what is done to a campaign that is on its way."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from clientway import db
from clientway.messaging.campaigns import chunks, freezing, launching, sending
from tests.messaging import campaigning
from tests.test_db import proxy as _proxy

stage = campaigning.stage
counting_proxy = _proxy
SOON = datetime.now(UTC) + timedelta(days=1)


def test_freezing_again_writes_nothing(stage):
    campaign = stage.draft(*(stage.person() for _ in range(3)))
    stage.launch(campaign["id"])
    stage.freeze(campaign["id"])
    before = stage.run("select id, updated_at from campaign_sends where campaign_id = :c order by id", c=campaign["id"])

    assert stage.freeze(campaign["id"]) == 0
    assert stage.run("select id, updated_at from campaign_sends where campaign_id = :c order by id", c=campaign["id"]) == before
    assert stage.read(campaign["id"])["status"] == "sending"


def test_chunks_hold_a_hundred_each_and_count_only_who_gets_it(stage):
    segment = stage.listed()
    stage.run(
        """with people as (
             insert into contacts (tenant_id, id, slug, name_norm, search_text, email, email_norm, do_not_contact)
             select :t, gen_random_uuid(), 'p' || n, '', '', n || '@x.example', n || '@x.example', mod(n, 5) = 0 from generate_series(1, 300) n returning id)
           insert into segment_members (tenant_id, segment_id, contact_id) select :t, :s, id from people""",
        s=segment,
    )
    one = stage.sending(segment_id=segment)

    chunked = stage.run("select chunk, count(*) from campaign_sends where campaign_id = :c group by 1 order by 1", c=one)
    assert [tuple(row) for row in chunked] == [(-1, 60), (0, 100), (1, 100), (2, 40)]
    assert [row.chunk for row in stage.run("select chunk from campaign_chunks where campaign_id = :c order by 1", c=one)] == [0, 1, 2]


def test_nobody_to_send_to_ends_it(stage):
    one = stage.sending(stage.person(do_not_contact=True))

    now = stage.read(one)
    assert (now["status"], now["audience_count"], now["finished_at"] is not None) == ("finished", 1, True)
    assert now["dry_run"]["warnings"][0] == "Nobody gets it."


def test_a_scheduled_one_begins_at_its_time_and_tells_what_drifted(stage):
    leaving, staying = stage.person(), stage.person()
    segment = stage.listed(leaving, staying)
    campaign = stage.draft(segment_id=segment)
    launched = stage.launch(campaign["id"], scheduled_at=SOON)
    stage.run("delete from segment_members where contact_id = :c", c=leaving)

    def begin(now):
        with db.job_transaction(stage.tenant.id, now=now) as tx:
            return freezing.begin(tx, UUID(campaign["id"]))

    assert (launched["status"], stage.topics()) == ("scheduled", [])
    assert begin(SOON - timedelta(seconds=1)) is False
    assert stage.freeze(campaign["id"]) == 0
    assert begin(SOON) is True
    assert begin(SOON) is False
    # Its message was lost.
    assert begin(SOON + timedelta(hours=1)) is True
    assert stage.topics() == ["campaign.freeze"] * 2
    assert stage.freeze(campaign["id"], now=SOON) == 1
    now = stage.read(campaign["id"])
    assert now["drift"] == {
        "expected": {"total": 2, "to_send": 2, "excluded": {}}, "found": {"total": 1, "to_send": 1, "excluded": {}}, "changed": ["audience"],
    }  # fmt: skip
    assert stage.sends(campaign["id"]) == {staying: ("queued", None)}


def test_a_segment_that_is_gone_ends_a_scheduled_one_with_the_reason(stage):
    segment = stage.listed(stage.person())
    campaign = stage.draft(segment_id=segment)
    stage.launch(campaign["id"])
    stage.run("update segments set deleted_at = now() where id = :s", s=segment)

    assert stage.freeze(campaign["id"]) == 0
    now = stage.read(campaign["id"])
    assert (now["status"], now["status_reason"].startswith("its segment cannot be read")) == ("canceled", True)


def test_pause_resume_and_cancel(stage):
    one = stage.sending(*(stage.person() for _ in range(2)))

    paused = stage.post("pause", one)
    again = stage.post("pause", one)
    assert (paused.json["status"], again.status, again.json["version"]) == ("paused", 200, paused.json["version"])
    resumed = stage.post("resume", one)
    assert (resumed.json["status"], stage.post("resume", one).json["version"]) == ("sending", resumed.json["version"])
    canceled = stage.post("cancel", one)
    assert (canceled.json["status"], canceled.json["progress"]["states"]["canceled"], stage.post("cancel", one).status) == (
        "canceled",
        2,
        200,
    )
    for what in ("pause", "resume"):
        refused = stage.post(what, one)
        assert (refused.status, refused.json["legal"], refused.json["campaign_status"]) == (409, ["delete"], "canceled")
    assert {state for state, _ in stage.sends(one).values()} == {"canceled"}


def test_resuming_what_was_all_sent_meanwhile_finishes_it(stage):
    one = stage.sending(stage.person())
    stage.post("pause", one)
    stage.run("update campaign_sends set state = 'sent' where campaign_id = :c", c=one)
    stage.run("update campaign_chunks set state = 'done' where campaign_id = :c", c=one)

    assert stage.post("resume", one).json["status"] == "finished"


def test_a_canceled_one_is_not_frozen(stage):
    campaign = stage.draft(stage.person())
    stage.launch(campaign["id"])
    stage.post("cancel", campaign["id"])

    assert stage.freeze(campaign["id"]) == 0
    assert stage.sends(campaign["id"]) == {}


def test_what_was_stopped_for_complaints_takes_an_admin(stage, tenant):
    one = stage.sending(stage.person())
    stage.run("update campaigns set status = 'stopped', status_reason = 'complaints' where id = :c", c=one)

    refused = stage.post("resume", one, token=tenant.editor)
    resumed = stage.post("resume", one)

    assert refused.status == 403
    assert (resumed.status, resumed.json["status"], resumed.json["status_reason"]) == (200, "sending", None)


def test_resuming_takes_a_key(stage, invoke):
    one = stage.sending(stage.person())

    assert invoke("messaging/campaign_resume", path={"campaign_id": one}, headers={"Idempotency-Key": ""}).status == 400


def test_canceling_many_goes_on_in_the_background(stage, monkeypatch):
    monkeypatch.setattr(launching, "AT_ONCE", 2)
    one = stage.sending(*(stage.person() for _ in range(3)))

    answer = stage.post("cancel", one)
    assert (answer.json["progress"]["states"]["canceled"], stage.topics()[-1]) == (2, "campaign.cancel")
    message = {"id": str(uuid4()), "tenant_id": str(stage.tenant.id), "topic": "campaign.cancel", "payload": {"campaign_id": one}}
    assert sending.work(json.dumps(message)) == 0
    assert {state for state, _ in stage.sends(one).values()} == {"canceled"}


def test_nothing_is_claimed_once_a_pause_was_answered(stage):
    """A claim that is under way holds the campaign; the pause waits for it, and whoever claims later sees it paused."""
    one = UUID(stage.sending(stage.person()))
    with ThreadPoolExecutor(1) as pool:
        with db.job_transaction(stage.tenant.id) as tx:
            claimed = tx.execute(
                campaigning.text("select status from campaigns where tenant_id = app.tenant() and id = :c for share"), {"c": one}
            ).scalar_one()
            pausing = pool.submit(stage.post, "pause", one)
            with pytest.raises(TimeoutError):
                pausing.result(timeout=0.3)
        assert (claimed, pausing.result(timeout=5).json["status"]) == ("sending", "paused")
    with db.job_transaction(stage.tenant.id) as tx:
        assert chunks.pump(tx, one) == 0


def test_every_request_keeps_to_its_budget(stage, invoke, counting_proxy):
    counted = {}

    def call(name, function, **how):
        counting_proxy.reset(connects=False)
        answer = invoke(f"messaging/{function}", **how)
        assert answer.status < 300, answer.body
        counted[name] = counting_proxy.flights
        return answer.json

    def post(name, campaign_id, body=None):
        keyed = {"Idempotency-Key": uuid4().hex} if name in ("launch", "resume") else {}
        return call(name, f"campaign_{name}", path={"campaign_id": campaign_id}, body=body, headers=keyed)

    segment = stage.listed(stage.person())
    body = {"name": "Spring", "channel": "email", "segment_id": segment, **campaigning.WORDS}
    one = call("create", "campaigns", body=body)["id"]
    path = {"campaign_id": one}
    version = call("read", "campaign", path=path)["version"]
    call("change", "campaign", method="PATCH", path=path, body={"name": "May"}, headers={"If-Match": f'"{version}"'})
    post("preview", one, {"contact_id": stage.person()})
    looked_at = post("dry_run", one)
    post("launch", one, {"dry_run_hash": looked_at["hash"]})
    # As the freezing does, which is no request.
    stage.run("update campaigns set status = 'sending' where id = :c", c=one)
    stage.run(
        "insert into campaign_sends (tenant_id, campaign_id, contact_id, channel, chunk) select tenant_id, :c, id, 'email', 0 from contacts where tenant_id = :t",
        c=one,
    )
    stage.run("insert into campaign_chunks (tenant_id, campaign_id, chunk) values (:t, :c, 0)", c=one)
    call("list", "campaigns")
    call("sends", "campaign_sends", path=path)
    post("pause", one)
    post("resume", one)
    post("cancel", one)

    budget = {
        "create": 4,
        "read": 2,
        "change": 3,
        "preview": 4,
        "dry_run": 5,
        "launch": 6,
        "list": 2,
        "sends": 2,
        "pause": 4,
        "resume": 5,
        "cancel": 5,
    }
    print(counted)
    assert {name: count for name, count in counted.items() if count > budget[name]} == {}, counted
