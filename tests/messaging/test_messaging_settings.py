"""How a tenant writes to its clients."""

from datetime import time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientway import db
from clientway.messaging.settings import rules, service
from clientway.messaging.settings.schemas import MessagingSettings
from clientway.work.reminders import rules as reminders
from tests.messaging.campaigning import Stage

SETTINGS = "messaging/messaging_settings"
NEXT_DAY = {"type": "job_upcoming", "name": "day_before", "offset": 1440, "max_lateness": 60, "channels": ["sms"], "enabled": True}


def patch(invoke, body, etag='"1"', **how):
    return invoke(SETTINGS, method="PATCH", body=body, headers={"If-Match": etag}, **how)


def test_before_anybody_says_so_there_are_defaults(invoke, tx, admin_engine):
    of = service.of(tx)
    answer = invoke(SETTINGS)

    MessagingSettings.model_validate_json(answer.body)
    assert answer.etag == '"1"'
    assert answer.json.pop("reminder_rules") == [
        {**one, "channels": list(one["channels"])} for one in reminders.as_rows(reminders.DEFAULTS)
    ]
    shown = {name: value for name, value in answer.json.items() if name != "reminder_rules"}
    assert shown == {
        "reminder_rules_are_default": True, "from_name": None, "reply_to": None, "postal_address": None, "sms_sender": None,
        "marketing_email_needs_consent": False, "quiet_until": "09:00", "quiet_from": "20:00", "complaint_stop_bps": 30,
        "complaint_stop_count": 3, "email_cost_micros": 100, "sms_segment_cost_micros": 10_000, "version": 1,
    }  # fmt: skip
    assert (of.tenant_name, of.sender_name, ZoneInfo(of.time_zone).key, of.reminder_rules) == ("Test tenant", "Test tenant", "UTC", None)
    # What holds without a row is what the columns say.
    stage = Stage(admin_engine, type("Of", (), {"id": tx.tenant_id}), invoke)
    stage.run("insert into messaging_settings (tenant_id) values (:t)")
    assert service.of(tx) == of
    assert invoke(SETTINGS).body == answer.body


def test_settings_change_and_are_read_back(invoke, tenant, tx):
    body = {
        "from_name": "Clean & Co", "reply_to": "Desk@Clean.Example", "postal_address": "1 Main St\nMiami, FL",
        "marketing_email_needs_consent": True, "quiet_until": "10:00", "quiet_from": "18:30", "complaint_stop_bps": 10,
        "complaint_stop_count": 5, "email_cost_micros": 90, "sms_segment_cost_micros": 8_300,
    }  # fmt: skip

    changed = patch(invoke, body)

    assert changed.status == 200, changed.body
    MessagingSettings.model_validate_json(changed.body)
    assert {name: changed.json[name] for name in body} == {**body, "reply_to": "desk@clean.example"}
    assert (changed.etag, invoke(SETTINGS, token=tenant.viewer).json) == ('"2"', changed.json)
    of = service.of(tx)
    assert (of.sender_name, of.quiet_until, of.quiet_from, of.marketing_email_needs_consent) == ("Clean & Co", time(10), time(18, 30), True)
    assert of.variables == {"name": "Test tenant", "postal_address": "1 Main St\nMiami, FL"}
    again = patch(invoke, {"from_name": None}, '"2"')
    assert (again.json["from_name"], again.json["quiet_until"], again.json["version"]) == (None, "10:00", 3)


def test_who_may_change_them_and_when(invoke, tenant, other_tenant):
    assert patch(invoke, {"from_name": "x"}, token=tenant.editor).status == 403
    assert invoke(SETTINGS, method="PATCH", body={"from_name": "x"}).status == 428
    assert patch(invoke, {"from_name": "x"}, '"2"').status == 412
    assert patch(invoke, {"from_name": "x"}).status == 200
    assert patch(invoke, {"from_name": "y"}).status == 412
    assert invoke(SETTINGS, token=other_tenant.admin).json["from_name"] is None


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"reply_to": "nobody"}, "#/reply_to", "invalid_email"),
        ({"from_name": "Eve\r\nBcc: all@x.example"}, "#/from_name", "string_pattern_mismatch"),
        ({"from_name": "Eve <eve@x.example>"}, "#/from_name", "string_pattern_mismatch"),
        # Another tenant's number would be texted from, and its answers heard: the operator assigns it.
        ({"sms_sender": "+13055550100"}, "#/sms_sender", "extra_forbidden"),
        ({"quiet_until": "7:00"}, "#/quiet_until", "string_pattern_mismatch"),
        ({"quiet_until": "07:59"}, "#/quiet_until", "too_early"),
        ({"quiet_from": "21:01"}, "#/quiet_from", "too_late"),
        ({"quiet_from": "10:59"}, "#/quiet_from", "too_short"),
        ({"quiet_until": "19:00"}, "#/quiet_from", "too_short"),
        ({"quiet_until": "20:00", "quiet_from": "08:00"}, "#/quiet_from", "too_short"),
        ({"quiet_until": None}, "#/quiet_until", "value_error"),
        ({"complaint_stop_bps": 0}, "#/complaint_stop_bps", "greater_than_equal"),
        ({"email_cost_micros": -1}, "#/email_cost_micros", "greater_than_equal"),
        ({"postal_address": " "}, "#/postal_address", "string_too_short"),
        ({"reminder_rules": [NEXT_DAY, NEXT_DAY]}, "#/reminder_rules/1/name", "duplicate"),
        ({"reminder_rules": [{**NEXT_DAY, "offset": 5}]}, "#/reminder_rules/0/offset", "out_of_range"),
        ({"replan_since": None}, "#/replan_since", "extra_forbidden"),
    ],
)
def test_what_makes_no_sense_says_where(invoke, body, pointer, code):
    refused = patch(invoke, body)

    assert (refused.status, [(one["pointer"], one["code"]) for one in refused.json["errors"]]) == (422, [(pointer, code)])
    assert invoke(SETTINGS).json["version"] == 1


def test_reminders_follow_changed_rules(invoke, admin_engine, tenant):
    stage = Stage(admin_engine, tenant, invoke)
    planned = "select replan_since, replan_after from messaging_settings where tenant_id = :t"

    changed = patch(invoke, {"reminder_rules": [NEXT_DAY]})
    assert (changed.json["reminder_rules"], changed.json["reminder_rules_are_default"]) == ([NEXT_DAY], False)
    [first] = stage.run(planned)
    assert first.replan_since is not None

    # What says nothing new, or nothing of the rules, plans nothing anew.
    stage.run("update messaging_settings set replan_since = null, replan_after = null where tenant_id = :t")
    patch(invoke, {"reminder_rules": [NEXT_DAY]}, '"2"')
    patch(invoke, {"from_name": "x"}, '"3"')
    assert stage.run(planned) == [(None, None)]

    back = patch(invoke, {"reminder_rules": None}, '"4"')
    assert (back.json["reminder_rules_are_default"], len(back.json["reminder_rules"])) == (True, len(reminders.DEFAULTS))
    assert stage.run(planned)[0].replan_since is not None
    none_at_all = patch(invoke, {"reminder_rules": []}, '"5"')
    assert (none_at_all.json["reminder_rules"], none_at_all.json["reminder_rules_are_default"]) == ([], False)


def test_two_who_change_at_once_do_not_undo_each_other(invoke, tenant):
    with db.job_transaction(tenant.id) as tx:
        service.change(tx, service.MessagingSettingsPatch(from_name="first"), version=1)

    assert patch(invoke, {"from_name": "second"}).status == 412
    assert invoke(SETTINGS).json["from_name"] == "first"


@given(until=st.times(), quiet_from=st.times())
def test_hours_only_narrow_the_laws(until, quiet_from):
    until, quiet_from = (one.replace(second=0, microsecond=0) for one in (until, quiet_from))

    fits = not rules.hours(until, quiet_from)

    minutes = (quiet_from.hour - until.hour) * 60 + quiet_from.minute - until.minute
    assert fits == (time(8) <= until and quiet_from <= time(21) and minutes >= 120)
