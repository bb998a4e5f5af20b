"""How often a warm request about templates, mails and settings turns to the database."""

import pytest

from tests.messaging.campaigning import stage as _stage
from tests.test_db import proxy as _proxy

stage, counting_proxy = _stage, _proxy


@pytest.fixture
def flights(counting_proxy, invoke):
    """Call a handler and count."""

    def call(function, **how):
        counting_proxy.reset(connects=False)
        answer = invoke(f"messaging/{function}", **how)
        assert answer.status < 400, answer.body
        return counting_proxy.flights, answer

    return call


def test_every_request_keeps_to_its_budget(flights, invoke, stage):
    contact_id, counted = stage.person(), {}
    invoke("messaging/message_templates")
    template = {"key": "spring", "channel": "email", "name": "Spring", "subject": "x", "body_text": "x"}

    counted["create template"], made = flights("message_templates", method="POST", body=template)
    path = {"template_id": made.json["id"]}
    counted["read template"], _ = flights("message_template", path=path)
    counted["list templates"], _ = flights("message_templates")
    counted["defaults"], _ = flights("message_template_defaults")
    counted["preview"], _ = flights("message_template_preview", body={"template": "spring", "contact_id": contact_id})
    counted["change template"], _ = flights("message_template", method="PATCH", path=path, body={"name": "y"}, headers={"If-Match": '"1"'})
    mail = {"contact_id": contact_id, "template": "spring"}
    counted["send"], sent = flights("email_messages", method="POST", body=mail, headers={"Idempotency-Key": "k"})
    counted["read mail"], _ = flights("email_message", path={"email_message_id": sent.json["id"]})
    counted["list mails"], _ = flights("email_messages")
    counted["read settings"], _ = flights("messaging_settings")
    settings = {"from_name": "x", "reminder_rules": []}
    counted["change settings"], _ = flights("messaging_settings", method="PATCH", body=settings, headers={"If-Match": '"1"'})
    counted["delete template"], _ = flights("message_template", method="DELETE", path=path, headers={"If-Match": '"2"'})

    # Reads one and commits; the key of a mail is reserved first, then contact with template, settings, the mail, and the commit.
    budget = {"read": 2, "list": 2, "defaults": 2, "preview": 4, "create": 3, "change": 3, "delete": 3, "send": 5}
    assert {name: count for name, count in counted.items() if count > budget[name.split()[0]]} == {}, counted
