"""A transactional campaign passes over consent to marketing: who may send one, whichever way it came to be one."""

from datetime import UTC, datetime, timedelta

import pytest

from clientway.access import PERMISSIONS
from tests.messaging import campaigning
from tests.messaging.test_campaigns import patch

stage = campaigning.stage
SOON = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def left(stage):
    """Somebody who wants no marketing."""
    return stage.person(unsubscribed_at=SOON)


def refused(answer):
    assert (answer.status, answer.headers["Content-Type"]) == (403, "application/problem+json")
    assert (answer.json["code"], answer.json["permission"]) == ("forbidden", "campaigns:transactional")
    assert "unsubscribed" in answer.json["detail"]
    return True


def test_admins_alone_may_send_one():
    assert PERMISSIONS["campaigns:transactional"] == ("admin",)


@pytest.mark.parametrize("when", [{}, {"scheduled_at": SOON}])
def test_an_editor_prepares_one_and_an_admin_sends_it(stage, invoke, tenant, left, when):
    body = {"name": "Recall", "channel": "email", "purpose": "transactional", "segment_id": stage.listed(left), **campaigning.WORDS}
    campaign = invoke("messaging/campaigns", body=body, token=tenant.editor).json
    looked_at = stage.post("dry_run", campaign["id"], token=tenant.editor).json
    wanted = {"dry_run_hash": looked_at["hash"], **when}

    assert looked_at["audience"]["to_send"] == 1
    assert refused(stage.post("launch", campaign["id"], wanted, token=tenant.editor))
    assert (stage.read(campaign["id"])["status"], stage.topics()) == ("draft", [])
    assert stage.post("launch", campaign["id"], wanted, token=tenant.admin).json["status"] == ("scheduled" if when else "freezing")


def test_what_became_one_after_the_dry_run_is_one(stage, invoke, tenant, left):
    campaign = stage.draft(left)
    looked_at = stage.dry_run(campaign["id"])
    assert looked_at["audience"]["excluded"] == {"unsubscribed": 1}
    changed = patch(invoke, {**campaign, "version": looked_at["version"]}, {"purpose": "transactional"}, token=tenant.editor)
    assert changed.status == 200, changed.body

    for given in ({}, {"accept_drift": True}, {"scheduled_at": SOON, "accept_drift": True}):
        assert refused(stage.post("launch", campaign["id"], {"dry_run_hash": looked_at["hash"], **given}, token=tenant.editor))
    # Nor is it what an admin looked at.
    drifted = stage.post("launch", campaign["id"], {"dry_run_hash": looked_at["hash"]}, token=tenant.admin)
    assert (drifted.status, drifted.json["changed"]) == (409, ["audience", "content"])


def test_one_that_is_scheduled_is_an_admins_to_change_and_anybodys_to_stop(stage, invoke, tenant, left):
    ours, theirs = stage.draft(left), stage.draft(left, purpose="transactional")
    ours, theirs = (stage.launch(one["id"], scheduled_at=SOON) for one in (ours, theirs))
    later = {"scheduled_at": SOON + timedelta(days=1)}

    # Marketing that was launched does not become anything else.
    assert patch(invoke, ours, {"purpose": "transactional"}, token=tenant.editor).status == 409
    assert patch(invoke, ours, later, token=tenant.editor).status == 200
    for changes in (later, {"name": "Other"}, {"ends_at": SOON + timedelta(days=3)}):
        assert refused(patch(invoke, theirs, changes, token=tenant.editor))
    assert stage.read(theirs["id"])["version"] == theirs["version"]
    assert patch(invoke, theirs, later, token=tenant.admin).status == 200
    assert stage.post("cancel", theirs["id"], token=tenant.editor).json["status"] == "canceled"
