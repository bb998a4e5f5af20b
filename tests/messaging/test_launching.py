"""The dry run, and the launch that quotes it."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from clientway.messaging.campaigns import launching, rules
from clientway.messaging.campaigns.schemas import CampaignDryRun, CampaignLaunch, CampaignWithProgress
from tests.billing.paying import as_admin
from tests.fixtures import make_tenant
from tests.messaging import campaigning
from tests.messaging.test_campaigns import patch

stage = campaigning.stage
SOON = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def everybody(stage):
    """One for each reason, and three who get marketing mail."""
    organization = uuid4()
    stage.run(
        """insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text, lifecycle_stage)
           values (:t, :o, 'Bad Bistro', 'o', '', '', 'blacklist')""",
        o=organization,
    )
    people = {
        "blacklisted": stage.person(organization_id=organization),
        "no_address": stage.person(email=None, email_norm=None),
        "do_not_contact": stage.person(do_not_contact=True),
        "unsubscribed": stage.person(unsubscribed_at=SOON),
        "consent_denied": stage.person(),
        "suppressed": stage.person(),
    }
    stage.consent(people["consent_denied"], "email", "denied")
    stage.run(
        """insert into suppressions (tenant_id, id, channel, address_hash, reason)
           select :t, gen_random_uuid(), 'email', encode(sha256(convert_to(cast(:t as text) || ':email:' || c.email_norm, 'UTF8')), 'hex'), 'hard_bounce'
             from contacts c where c.id = :c""",
        c=people["suppressed"],
    )
    return people, [stage.person() for _ in range(3)]


def test_a_dry_run_tells_who_and_why_not(stage, everybody):
    reasons, three = everybody
    deleted = stage.person(deleted_at=SOON)
    campaign = stage.draft(*reasons.values(), *three, deleted)

    answer = stage.post("dry_run", campaign["id"])

    assert answer.status == 200, answer.body
    CampaignDryRun.model_validate_json(answer.body)
    found = answer.json
    assert found["audience"] == {"total": 9, "to_send": 3, "excluded": dict.fromkeys(sorted(reasons), 1)}
    assert {UUID(one["contact_id"]): one["reason"] for one in found["sample"]} == dict.fromkeys(three) | {
        person: reason for reason, person in reasons.items()
    }
    assert sum(one["count"] for one in found["when"]) == 3
    assert (found["cost_micros"], found["currency"], found["sms_segments"]) == (300, "USD", None)
    assert found["warnings"] == ["More than half of the audience (6 of 9) gets nothing."]
    now = stage.read(campaign["id"])
    assert now["dry_run_hash"] == found["hash"]
    assert now["dry_run"] == {name: value for name, value in found.items() if name not in ("campaign_id", "version")}
    assert (answer.etag, now["version"]) == (f'"{now["version"]}"', campaign["version"] + 1)
    assert stage.sends(campaign["id"]) == {}
    assert stage.topics() == []


def test_the_launch_sends_to_whom_the_dry_run_showed(stage, everybody):
    reasons, three = everybody
    campaign = stage.draft(*reasons.values(), *three)

    launched = stage.launch(campaign["id"])
    count = stage.freeze(campaign["id"])

    assert (launched["status"], launched["drift"], launched["launched_by"] is not None) == ("freezing", None, True)
    assert count == 9
    assert stage.sends(campaign["id"]) == dict.fromkeys(three, ("queued", None)) | {
        person: ("skipped", reason) for reason, person in reasons.items()
    }
    now = stage.read(campaign["id"])
    CampaignWithProgress.model_validate(now, strict=False)
    assert (now["status"], now["audience_count"], now["drift"]) == ("sending", 9, None)
    assert (now["progress"]["total"], now["progress"]["states"]["queued"], now["progress"]["states"]["skipped"]) == (9, 3, 6)
    assert now["progress"]["skipped"] == dict.fromkeys(reasons, 1)
    assert stage.topics() == ["campaign.freeze", "campaign.chunk"]
    assert [action for action, _ in stage.audited()] == ["campaign.created", "campaign.launched", "campaign.frozen"]


def test_one_number_gets_one_message(stage):
    number = "+13055550199"
    first, second = sorted(stage.person(phone_e164=number) for _ in range(2))
    other = stage.person(phone_e164="+13055550188")
    for person in (first, second, other):
        stage.consent(person, "sms", "granted")
    one = stage.sending(first, second, other, channel="sms")

    assert stage.sends(one) == {first: ("queued", None), second: ("skipped", "same_address"), other: ("queued", None)}


def test_what_changed_since_the_dry_run_stops_the_launch(stage, invoke):
    leaving, staying, coming = stage.person(), stage.person(), stage.person()
    segment = stage.listed(leaving, staying)
    campaign = stage.draft(segment_id=segment)
    looked_at = stage.dry_run(campaign["id"])["hash"]
    stage.run("update contacts set unsubscribed_at = now() where id = :c", c=leaving)
    stage.add(segment, coming)

    refused = stage.post("launch", campaign["id"], {"dry_run_hash": looked_at})

    assert (refused.status, refused.json["code"], refused.json["changed"]) == (409, "audience_drifted", ["audience"])
    assert refused.json["expected"] == {"total": 2, "to_send": 2, "excluded": {}}
    assert refused.json["found"] == {"total": 3, "to_send": 2, "excluded": {"unsubscribed": 1}}
    assert refused.json["by_reason"] == {"unsubscribed": {"expected": 0, "found": 1}}
    assert (stage.read(campaign["id"])["status"], stage.topics()) == ("draft", [])
    accepted = stage.post("launch", campaign["id"], {"dry_run_hash": looked_at, "accept_drift": True})
    assert (accepted.status, accepted.json["drift"]["found"]["total"]) == (200, 3)


def test_the_same_number_of_others_is_another_audience(stage):
    first, second = stage.person(), stage.person()
    segment = stage.listed(first)
    campaign = stage.draft(segment_id=segment)
    looked_at = stage.dry_run(campaign["id"])["hash"]
    stage.run("update segment_members set contact_id = :c where segment_id = :s", c=second, s=segment)

    refused = stage.post("launch", campaign["id"], {"dry_run_hash": looked_at})

    assert (refused.status, refused.json["expected"], refused.json["changed"]) == (409, refused.json["found"], ["audience"])


@pytest.mark.parametrize(
    ("change", "part"), [({"subject": "Other"}, "content"), ({"ends_at": SOON}, "schedule"), ({"purpose": "transactional"}, "content")]
)
def test_other_words_or_another_time_are_drift_too(stage, invoke, change, part):
    campaign = stage.draft(stage.person())
    looked_at = stage.dry_run(campaign["id"])
    assert patch(invoke, {"id": campaign["id"], "version": looked_at["version"]}, change).status == 200

    refused = stage.post("launch", campaign["id"], {"dry_run_hash": looked_at["hash"]})

    assert (refused.status, refused.json["changed"]) == (409, [part])


def test_a_hash_of_no_dry_run_launches_nothing(stage):
    campaign = stage.draft(stage.person())

    for given in ({}, {"accept_drift": True}):
        refused = stage.post("launch", campaign["id"], {"dry_run_hash": "0" * 64, **given})
        assert (refused.status, refused.json["code"]) == (409, "dry_run_required")
    assert stage.post("launch", campaign["id"], {"dry_run_hash": "x"}).status == 422
    assert stage.post("launch", campaign["id"], {}).json["errors"][0]["pointer"] == "#/dry_run_hash"


def test_a_launch_takes_a_key_and_is_replayed(stage, invoke):
    campaign = stage.draft(stage.person())
    body = {"dry_run_hash": stage.dry_run(campaign["id"])["hash"]}
    how = {"path": {"campaign_id": campaign["id"]}, "body": body}

    unkeyed = invoke("messaging/campaign_launch", **how, headers={"Idempotency-Key": ""})
    first = invoke("messaging/campaign_launch", **how, headers={"Idempotency-Key": "one"})
    again = invoke("messaging/campaign_launch", **how, headers={"Idempotency-Key": "one"})
    other = invoke("messaging/campaign_launch", **how, headers={"Idempotency-Key": "two"})

    assert unkeyed.status == 400
    assert (first.status, again.status, again.body, again.headers["Idempotent-Replayed"]) == (200, 200, first.body, "true")
    assert (other.status, other.json["code"], other.json["legal"]) == (409, "campaign_move_refused", ["cancel"])
    assert stage.topics() == ["campaign.freeze"]


def test_of_two_launches_at_once_one_wins(stage):
    campaign = stage.draft(stage.person())
    wanted = CampaignLaunch(dry_run_hash=stage.dry_run(campaign["id"])["hash"])

    def launch(_):
        try:
            with as_admin(stage.tenant) as tx:
                launching.launch(tx, UUID(campaign["id"]), wanted)
        except rules.MoveRefused:
            return "refused"
        return "launched"

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(launch, range(2)))

    assert sorted(answers) == ["launched", "refused"]
    assert stage.topics() == ["campaign.freeze"]


def test_marketing_mail_shows_an_address(stage):
    campaign = stage.draft(stage.person())
    stage.settings(postal_address=None)

    for what, body in (("dry_run", None), ("launch", {"dry_run_hash": "0" * 64})):
        refused = stage.post(what, campaign["id"], body)
        assert (refused.status, refused.json["errors"][0]["code"]) == (422, "postal_address_missing")
    assert stage.dry_run(stage.draft(stage.person(), purpose="transactional")["id"])["audience"]["to_send"] == 1


def test_the_template_is_taken_over_at_the_launch(stage):
    template_id = stage.template()
    campaign = stage.draft(stage.person(), template_id=template_id, subject=None, body_text=None)
    launched = stage.launch(campaign["id"])
    stage.run("update message_templates set body_text = 'edited' where id = :i", i=template_id)

    assert launched["body_text"] == campaigning.WORDS["body_text"]
    assert stage.post("preview", campaign["id"], {}).json["text"].startswith("Hello Ana, it is spring.")


def test_a_template_that_changed_is_drift_and_one_that_is_gone_a_refusal(stage):
    template_id = stage.template()
    campaign = stage.draft(stage.person(), template_id=template_id, subject=None, body_text=None)
    looked_at = stage.dry_run(campaign["id"])["hash"]
    stage.run("update message_templates set body_text = 'edited' where id = :i", i=template_id)
    drifted = stage.post("launch", campaign["id"], {"dry_run_hash": looked_at})
    stage.run("update message_templates set deleted_at = now() where id = :i", i=template_id)
    gone = stage.post("launch", campaign["id"], {"dry_run_hash": looked_at})

    assert (drifted.status, drifted.json["changed"]) == (409, ["content"])
    assert (gone.status, gone.json["errors"][0]["code"]) == (422, "unknown_template")


def test_when_goes_by_the_recipients_hours(stage, invoke):
    stage.run("update tenants set time_zone = 'America/New_York' where tenant_id = :t")
    east = [stage.person(phone_e164=f"+1212555010{n}", time_zone="America/New_York") for n in range(2)]
    west = stage.person(phone_e164="+12125550108", time_zone="America/Los_Angeles")
    for person in (*east, west):
        stage.consent(person, "sms", "granted")
    june = datetime(datetime.now(UTC).year + 1, 6, 1, tzinfo=UTC)
    wednesday = june + timedelta(days=(2 - june.weekday()) % 7)
    at, ends = wednesday + timedelta(hours=6), wednesday + timedelta(hours=15, minutes=30)
    nine_in_the_east, nine_in_the_west = ((wednesday + timedelta(hours=hours)).isoformat() for hours in (13, 16))
    campaign = stage.draft(*east, west, channel="sms", scheduled_at=at)

    found = stage.dry_run(campaign["id"])
    assert {one["at"]: one["count"] for one in found["when"]} == {nine_in_the_east: 2, nine_in_the_west: 1}
    assert (found["sms_segments"], found["cost_micros"]) == (1.0, 30_000)
    patch(invoke, {"id": campaign["id"], "version": found["version"]}, {"ends_at": ends})
    shorter = stage.dry_run(campaign["id"])
    assert {one["at"]: one["count"] for one in shorter["when"]} == {nine_in_the_east: 2, None: 1}
    assert (shorter["cost_micros"], shorter["warnings"]) == (20_000, ["1 cannot be reached before it ends."])


def test_what_a_campaign_has_no_value_for_is_told(stage):
    campaign = stage.draft(stage.person(), body_text="See you {% if job.date %}on {{ job.date }}{% endif %}")

    assert stage.dry_run(campaign["id"])["warnings"] == ["job.date: a campaign has no such values, they stay empty."]


def test_the_audience_stays_with_its_tenant(stage, admin_engine, invoke):
    theirs = campaigning.Stage(admin_engine, make_tenant(admin_engine), invoke)
    theirs.person()
    mine = stage.person()
    body = {"name": "All", "channel": "email", "segment": {"field": "status", "op": "eq", "value": "active"}, **campaigning.WORDS}
    one = invoke("messaging/campaigns", body=body).json["id"]
    stage.launch(one)
    stage.freeze(one)

    assert stage.sends(one) == {mine: ("queued", None)}


@pytest.mark.parametrize("channel", ["email", "sms"])
@pytest.mark.parametrize("purpose", ["marketing", "transactional"])
def test_what_is_written_down_is_what_the_dry_run_said(stage, channel, purpose):
    """A random crowd: the numbers by reason, the hash, and one row for each of the audience."""
    chance, numbers = random.Random(f"{channel} {purpose}"), [f"+1305555{n:04}" for n in range(100, 112)]
    people = []
    for _ in range(40):
        given = {
            "phone_e164": chance.choice([*numbers, None]),
            "do_not_contact": chance.random() < 0.1,
            "unsubscribed_at": SOON if chance.random() < 0.2 else None,
            **({"email": None, "email_norm": None} if chance.random() < 0.1 else {}),
        }
        people.append(stage.person(**given))
        for kind in ("marketing", "transactional"):
            if chance.random() < 0.6:
                stage.consent(people[-1], channel, chance.choice(["granted", "granted", "denied"]), kind)
    campaign = stage.draft(*people, channel=channel, purpose=purpose)
    first, again = stage.dry_run(campaign["id"]), stage.dry_run(campaign["id"])
    assert stage.post("launch", campaign["id"], {"dry_run_hash": first["hash"]}).status == 200
    stage.freeze(campaign["id"])

    written = stage.sends(campaign["id"])
    assert first["hash"] == again["hash"]
    assert written.keys() == set(people)
    assert Counter(reason for state, reason in written.values() if state == "skipped") == first["audience"]["excluded"]
    assert sum(state == "queued" for state, _ in written.values()) == first["audience"]["to_send"] > 0
    assert stage.read(campaign["id"])["drift"] is None
    sent_to = stage.run(
        "select c.phone_e164 from campaign_sends s join contacts c on c.id = s.contact_id where s.campaign_id = :c and s.state = 'queued'",
        c=campaign["id"],
    )
    assert channel == "email" or len(sent_to) == len(set(sent_to))
