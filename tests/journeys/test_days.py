"""A service business's days from outside: a job booked, done, paid on the local page, a client merged; reminders and a campaign.

Messages arrive in the local mailbox, and its buttons do what readers do with them.
"""

import re
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tests.served import eventually, served

NUMBER = "+14155550123"


@pytest.fixture(scope="module")
def stack():
    with served() as running:
        yield running


def ask(stack, method, path, body=None, status=200, **headers):
    """One call with a key of its own; its answer must have this status."""
    sent = {"Idempotency-Key": uuid4().hex} if method == "POST" else {}
    answer = stack.call(method, path, body, headers={**sent, **headers})
    assert answer.status == status, (answer.status, answer.content)
    return answer.json


def pay(url, card):
    """Fill in the page and press the button, as a person would; what the next page says."""
    with urllib.request.urlopen(url, timeout=10) as page:
        html = page.read().decode()
    session = re.search(r'name="session" value="([^"]+)"', html)[1]
    form = {"session": session, "email": "jane@smith.example", "card": card, "name": "Jane Smith"}
    with urllib.request.urlopen(url, urlencode(form).encode(), timeout=10) as page:
        return page.read().decode()


def test_from_a_call_to_a_paid_invoice(stack):
    name = f"jane-{uuid4().hex[:8]}@smith.example"
    start = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0)
    client = {"first_name": "Jane", "last_name": "Smith", "email": name, "phone": "+1 415 555 2671", "address": {
        "address1": "123 Main St", "city": "San Francisco", "state": "CA", "postal": "94102"}}  # fmt: skip
    wanted = {"client": client, "title": "Deep clean", "start_at": start.isoformat(), "price_cents": 15000}
    key = uuid4().hex
    booked = ask(stack, "POST", "/api/create-job-with-client", wanted, status=201, **{"Idempotency-Key": key})
    assert ask(stack, "POST", "/api/create-job-with-client", wanted, status=201, **{"Idempotency-Key": key}) == booked
    job, contact = f"/api/jobs/{booked['job']['id']}", booked["client"]["contact_id"]
    assert booked["client"]["is_new"]
    assert len(ask(stack, "GET", f"{job}/reminders")["data"]) == 4

    for version, status in enumerate(("in_progress", "completed"), booked["job"]["version"]):
        assert ask(stack, "PATCH", job, {"status": status}, **{"If-Match": f'"{version}"'})["status"] == status
    assert {one["state"] for one in ask(stack, "GET", f"{job}/reminders")["data"]} == {"canceled"}

    invoice = ask(stack, "POST", "/api/invoices", {"job_id": booked["job"]["id"], "open": True}, status=201)
    path = f"/api/invoices/{invoice['id']}"
    assert (invoice["status"], invoice["balance_cents"]) == ("open", 15000)
    url = eventually(lambda: ask(stack, "GET", path)["payment_url"], seconds=30)

    assert "declined" in pay(url, "4000000000000002").lower()
    assert ask(stack, "GET", path)["status"] == "open"
    pay(url, "4242424242424242")
    paid = eventually(lambda: (found := ask(stack, "GET", path))["status"] == "paid" and found, seconds=30)
    assert (paid["balance_cents"], paid["payment_state"], paid["payment_url"]) == (0, "paid", None)

    known = ask(stack, "GET", f"/api/contacts/{contact}")
    assert (known["ltv_cents"], known["status"]) == (15000, "active")
    assert ask(stack, "GET", f"/api/organizations/{known['organization_id']}")["lifecycle_stage"] == "client"
    told = [line["activity_type"] for line in ask(stack, "GET", f"/api/clients/{contact}/timeline")["data"]]
    assert {"job_scheduled", "job_completed", "invoice_opened", "payment_received", "invoice_paid"} <= set(told)

    [payment] = [one for one in ask(stack, "GET", f"/api/payments?contact_id={contact}")["data"] if one["status"] == "succeeded"]
    asked = {"amount_cents": 5000, "reason": "A window was missed"}
    assert ask(stack, "POST", f"/api/payments/{payment['id']}/refunds", asked, status=201)["status"] == "pending"
    eventually(lambda: ask(stack, "GET", f"/api/contacts/{contact}")["ltv_cents"] == 10000, seconds=30)
    # Given back, not owed again.
    assert ask(stack, "GET", path)["status"] == "paid"

    other = ask(stack, "POST", "/api/upsert-person", {"email": f"j-{name}", "first_name": "Jane", "last_name": "Smith"}, status=201)[
        "person_id"
    ]
    merge = ask(stack, "POST", f"/api/contacts/{contact}/merge", {"merged_id": other, "reason": "One Jane"}, status=201)
    merged = ask(stack, "GET", f"/api/contacts/{other}")
    assert (merged["id"], len(merged["emails"])) == (contact, 2)
    ask(stack, "POST", f"/api/merges/{merge['id']}/undo")
    assert [one["email"] for one in ask(stack, "GET", f"/api/contacts/{other}")["emails"]] == [f"j-{name}"]
    assert ask(stack, "GET", "/api/clients/stats?verify=true")["verification"]["agrees"]
    assert ask(stack, "GET", f"/api/clients/{contact}/ledger?verify=true")["verification"]["agrees"]


def mailbox(stack, **query):
    """The messages in the mailbox, newest first, as its page shows them to scripts."""
    return stack.call("GET", f"/mailbox.json?{urlencode(query)}", token=None).json["data"]


def press(stack, message, what, **form):
    """Press one of the mailbox's buttons."""
    request = urllib.request.Request(f"{stack.url}/mailbox/{message['id']}/{what}", urlencode(form).encode())
    with urllib.request.urlopen(request, timeout=10) as page:
        return page.geturl()


def in_minutes(minutes):
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


def reminders(stack, job):
    return {(one["rule"], one["channel"]): one["state"] for one in ask(stack, "GET", f"/api/jobs/{job}/reminders")["data"]}


def test_reminders_a_campaign_and_what_readers_do(stack):
    # Where it is noon now, whatever time the tests run at: texts keep quiet hours.
    noon = f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
    client = {"first_name": "Ana", "email": "ana@silva.example", "phone": NUMBER, "time_zone": noon, "tags": ["journey"]}
    ana = ask(stack, "POST", "/api/clients", client, status=201)["id"]
    ben = ask(stack, "POST", "/api/clients", {"first_name": "Ben", "email": "ben@silva.example", "tags": ["journey"]}, status=201)["id"]
    job = {"contact_id": ana, "title": "Windows", "start_at": in_minutes(20)}
    first = ask(stack, "POST", "/api/jobs", job, status=201)["id"]

    segment = {"name": "Journey", "definition": {"field": "tags", "op": "has", "value": "journey"}}
    segment_id = ask(stack, "POST", "/api/segments", segment, status=201)["id"]
    template = next(one for one in ask(stack, "GET", "/api/message-templates?key=menus_that_pay")["data"])
    drafted = {"name": "Journey", "channel": "email", "segment_id": segment_id, "template_id": template["id"]}
    campaign = f"/api/campaigns/{ask(stack, 'POST', '/api/campaigns', drafted, status=201)['id']}"
    dry = ask(stack, "POST", f"{campaign}/dry-run")
    assert dry["audience"] == {"total": 2, "to_send": 2, "excluded": {}}
    ask(stack, "POST", f"{campaign}/launch", {"dry_run_hash": dry["hash"]})
    done = eventually(lambda: (found := ask(stack, "GET", campaign))["status"] == "finished" and found, seconds=40)
    assert done["progress"]["states"]["sent"] == 2

    [sent] = [one for one in mailbox(stack, to="ben@silva") if one["kind"] == "Campaign"]
    assert sent["subject"] == "Ben, does your menu pay?"
    assert "1 Main Street" in sent["text"]
    assert {"name": "List-Unsubscribe-Post", "value": "List-Unsubscribe=One-Click"} in sent["headers"]
    press(stack, next(one for one in mailbox(stack, to="ana@silva") if one["kind"] == "Campaign"), "open")
    assert "answered+200" in press(stack, sent, "unsubscribe").replace("%20", "+")
    assert ask(stack, "POST", f"{campaign}/preview", {"contact_id": ben})["excluded"] == "unsubscribed"

    text = eventually(lambda: next(iter(mailbox(stack, to=NUMBER)), None))
    assert (text["kind"], "Windows" in text["text"]) == ("Reminder", True)
    assert eventually(lambda: set((found := reminders(stack, first)).values()) == {"sent"} and found) == {
        ("before_2h", "email"): "sent", ("before_2h", "sms"): "sent"}  # fmt: skip
    press(stack, text, "reply", text="STOP")
    eventually(lambda: ask(stack, "GET", "/api/suppressions?channel=sms")["data"])
    second = ask(stack, "POST", "/api/jobs", {**job, "title": "Gutters", "start_at": in_minutes(25)}, status=201)["id"]
    told = eventually(lambda: "scheduled" not in (found := reminders(stack, second)).values() and "claimed" not in found.values() and found)
    assert told == {("before_2h", "email"): "sent", ("before_2h", "sms"): "skipped"}

    outcomes = {"delivered": 2, "opened": 1, "unsubscribed": 1}
    eventually(lambda: outcomes.items() <= ask(stack, "GET", campaign)["progress"]["outcomes"].items())
    assert [one["text"] for one in mailbox(stack, to=NUMBER) if one["incoming"]] == ["STOP"]
