"""What becomes of lists, messages and suppressions when two contacts turn out to be one, and when that is taken back."""

from datetime import UTC, datetime, timedelta

import pytest

from clientway import db
from clientway.ids import uuid7
from clientway.messaging.suppressions import service as suppressions
from tests.messaging.campaigning import Stage


@pytest.fixture
def stage(admin_engine, tenant, invoke):
    return Stage(admin_engine, tenant, invoke)


def merge(invoke, survivor, merged):
    answer = invoke("lifecycle/contact_merge", method="POST", path={"contact_id": survivor}, body={"merged_id": merged},
                    headers={"Idempotency-Key": uuid7().hex})  # fmt: skip
    assert answer.status == 201, answer.body
    return answer.json["id"]


def undo(invoke, merge_id):
    answer = invoke("lifecycle/merge_undo", method="POST", path={"merge_id": merge_id}, headers={"Idempotency-Key": uuid7().hex})
    assert answer.status == 200, answer.body


def members(stage, segment):
    return {row[0] for row in stage.run("select contact_id from segment_members where tenant_id = :t and segment_id = :s", s=segment)}


def on_list(stage, invoke, segment):
    answer = invoke("messaging/segment_contacts", path={"segment_id": segment})
    assert answer.status == 200, answer.body
    return {one["id"] for one in answer.json["data"]}


def test_the_survivor_is_on_the_lists_of_both_until_it_is_taken_back(stage, invoke):
    survivor, merged, other = stage.person(), stage.person(), stage.person()
    mine, theirs, both = stage.listed(survivor), stage.listed(merged, other), stage.listed(survivor, merged)
    before = [members(stage, one) for one in (mine, theirs, both)]
    done = merge(invoke, survivor, merged)

    assert survivor in members(stage, theirs)
    assert on_list(stage, invoke, theirs) == {str(survivor), str(other)}
    assert on_list(stage, invoke, both) == {str(survivor)}
    undo(invoke, done)
    assert [members(stage, one) for one in (mine, theirs, both)] == before
    assert on_list(stage, invoke, theirs) == {str(merged), str(other)}


def test_who_was_taken_off_a_list_meanwhile_is_not_put_back(stage, invoke):
    survivor, merged = stage.person(), stage.person()
    theirs = stage.listed(merged)
    done = merge(invoke, survivor, merged)
    stage.run("delete from segment_members where tenant_id = :t and contact_id = :c", c=survivor)
    stage.add(theirs, survivor)
    undo(invoke, done)

    # The survivor was put on it anew, by somebody: that is no copy of the merge's.
    assert members(stage, theirs) == {survivor, merged}


def test_what_was_sent_and_what_is_suppressed_stay_as_they_are(stage, tenant, invoke):
    survivor = stage.person()
    merged = stage.person(email="old@bistro.example", email_norm="old@bistro.example")
    campaign = uuid7()
    stage.run(
        "insert into campaigns (tenant_id, id, name, channel, segment_id, quiet_hours) values (:t, :i, 'Spring', 'email', :s, false)",
        i=campaign, s=stage.listed(survivor, merged),
    )  # fmt: skip
    for one in (survivor, merged):
        stage.run(
            """insert into campaign_sends (tenant_id, campaign_id, contact_id, channel, chunk, state)
               values (:t, :c, :p, 'email', 0, 'sent')""",
            c=campaign, p=one,
        )  # fmt: skip
    with db.job_transaction(tenant.id) as tx:
        suppressions.suppress(tx, "email", "old@bistro.example", "complaint", contact_id=merged)
    sends = "select id, contact_id, state from campaign_sends where tenant_id = :t order by id"
    before = stage.run(sends)
    done = merge(invoke, survivor, merged)

    assert stage.run(sends) == before
    assert stage.run("select contact_id, lifted_at from suppressions where tenant_id = :t") == [(merged, None)]
    undo(invoke, done)
    assert stage.run(sends) == before


def test_a_reminder_planned_meanwhile_goes_to_whom_the_job_goes_back_to(stage, invoke):
    survivor, merged = stage.person(), stage.person()
    start = datetime.now(UTC) + timedelta(days=3)
    body = {"contact_id": str(merged), "title": "Windows", "start_at": start.isoformat()}
    booked = invoke("work/jobs", method="POST", headers={"Idempotency-Key": uuid7().hex}, body=body)
    assert booked.status == 201, booked.body
    job = booked.json["id"]
    done = merge(invoke, survivor, merged)
    ((version,),) = stage.run("select version from jobs where tenant_id = :t and id = :j", j=job)
    moved = {"start_at": (start + timedelta(days=1)).isoformat()}
    answer = invoke("work/job", method="PATCH", path={"job_id": job}, headers={"If-Match": f'"{version}"'}, body=moved)
    assert answer.status == 200, answer.body
    to_whom = "select distinct r.contact_id from reminders r where r.tenant_id = :t and r.job_id = :j and r.state = 'scheduled'"
    assert stage.run(to_whom, j=job) == [(survivor,)]

    undo(invoke, done)

    assert stage.run(to_whom, j=job) == [(merged,)]
