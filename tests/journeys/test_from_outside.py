"""What a user does from end to end, over HTTP against the served system alone."""

import csv
import io
import re
from collections import Counter
from itertools import pairwise
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest

from tests.data import shared_data
from tests.served import eventually, served

FINAL = {"completed", "failed", "cancelled"}


@pytest.fixture(scope="module")
def stack():
    with served() as running:
        yield running


def status_of(stack, one, *wanted):
    """The import, once it stands at one of these."""

    def look():
        found = stack.call("GET", f"/api/imports/{one}").json
        return found if found["status"] in wanted else None

    return eventually(look, seconds=40)


def a_sample():
    """The first 300 lines of a real list, as rows."""
    text = shared_data("listings/sf_lives_businesses.csv").read_bytes().decode("cp1252")
    return [dict(row) for _, row in zip(range(300), csv.DictReader(io.StringIO(text)), strict=False)]


def test_from_a_list_to_a_healthy_client(stack):
    rows = a_sample()
    started = stack.call("POST", "/api/imports", {"source": "sf", "rows": rows}, headers={"Idempotency-Key": uuid4().hex})
    assert started.status == 201, started
    one = started.json["id"]
    status_of(stack, one, "previewed")
    preview = stack.call("GET", f"/api/imports/{one}/preview").json
    assert preview["total"] == len(rows) == preview["created"] + preview["updated"] + preview["skipped"] + preview["failed"]
    assert stack.call("GET", "/api/organizations?source=sf").json["data"] == []

    assert stack.call("POST", f"/api/imports/{one}/commit").status == 202
    done = status_of(stack, one, *FINAL)
    assert done["status"] == "completed"
    assert {name: done["counts"][name] for name in ("total", "created", "updated", "skipped", "failed")} == {
        name: preview[name] for name in ("total", "created", "updated", "skipped", "failed")
    }

    name = next(row["name"] for row in rows if len(row["name"]) > 12 and row["name"].isascii())
    [found] = [hit for hit in stack.call("GET", f"/api/organizations?q={quote(name)}&source=sf").json["data"] if hit["legal_name"] == name][
        :1
    ]
    organization = f"/api/organizations/{found['id']}"
    assert stack.call("GET", organization).json == found

    contact = stack.call(
        "POST", f"{organization}/contacts", {"first_name": "Ana", "last_name": "Ruiz", "email": f"ana-{uuid4().hex}@example.com"}
    )
    assert (contact.status, contact.json["is_primary"]) == (201, True)
    assert stack.call("GET", organization).json["primary_contact"]["id"] == contact.json["id"]
    before = stack.call("GET", organization).json["lifecycle_stage"]
    said = stack.call(
        "POST", f"{organization}/activity", {"activity_type": "email_replied", "title": "Tell me more", "contact_id": contact.json["id"]}
    )
    assert said.status == 201
    moved = stack.call("POST", f"{organization}/stage-change", {"stage": "opportunity", "reason": "They asked for a quote"})
    assert (moved.status, moved.json["stage"]) == (200, "opportunity")
    account = stack.call(
        "POST",
        f"{organization}/convert-to-client",
        {"support_plan_tier": "core", "mrr_cents": 49_900},
        headers={"Idempotency-Key": uuid4().hex},
    )
    assert account.status in {200, 201}, account

    health = stack.call("GET", f"/api/client-accounts/{account.json['id']}/health").json
    assert 0 <= health["score"] <= 100
    assert health["churn_risk"] in {"low", "medium", "high"}
    transitions = stack.call("GET", f"{organization}/transitions").json["data"]
    chain = [(step["from_stage"], step["to_stage"]) for step in sorted(transitions, key=lambda step: step["sequence"])]
    assert chain[-1][1] == "client"
    assert chain[-1][0] == "opportunity"
    assert all(earlier[1] == later[0] for earlier, later in pairwise(chain))
    assert before in {stage for step in chain for stage in step}
    timeline = stack.call("GET", f"{organization}/activity?limit=100").json["data"]
    assert Counter(line["activity_type"] for line in timeline)["stage_changed"] == len(chain)
    assert said.json["id"] in {line["id"] for line in timeline}

    assert stack.call("POST", f"/api/imports/{one}/undo").status == 202
    status_of(stack, one, "undone")
    left = stack.call("GET", "/api/organizations?source=sf").json["data"]
    assert [kept["id"] for kept in left] == [found["id"]]


def link_to(stack, address):
    """The link that the local stack shows, in its mailbox and on its console."""
    mail = eventually(lambda: next((one for one in reversed(stack.mails) if address in one["recipients"]), None), seconds=30)
    link = re.search(r"https?://[^\s#]+#[^\s)]+", mail["text"])
    assert link, mail
    assert eventually(lambda: link[0] in stack.output())
    assert stack.call("GET", urlsplit(link[0]).path, token=None).status == 200
    return dict(part.split("=", 1) for part in urlsplit(link[0]).fragment.split("&"))


def test_a_member_signs_in_by_mail_and_out_again(stack):
    address = "owner@demo.example"
    asked = stack.call("POST", "/api/sign-in/email", {"email": address}, token=None)
    assert asked.status == 202
    nonce = asked.cookies["__Host-clientway-nonce"]
    link = link_to(stack, address)

    elsewhere = stack.call("POST", "/api/sign-in/email/verify", {"token": link["token"]}, token=None)
    assert elsewhere.status == 401
    here = {"Cookie": f"__Host-clientway-nonce={nonce}"}
    signed_in = stack.call("POST", "/api/sign-in/email/verify", {"token": link["token"]}, token=None, headers=here)
    assert signed_in.status == 200, signed_in
    cookie = {"Cookie": f"__Host-clientway={signed_in.cookies['__Host-clientway']}"}
    me = stack.call("GET", "/api/me", token=None, headers=cookie)
    assert (me.status, me.json["email"], me.json["role"]) == (200, address, "admin")
    assert stack.call("GET", "/api/me", token=signed_in.json["token"]).json == me.json
    assert stack.call("POST", "/api/sign-in/email/verify", {"token": link["token"]}, token=None, headers=here).status == 401

    assert stack.call("POST", "/api/sign-out", token=None, headers=cookie).status == 403
    out = stack.call("POST", "/api/sign-out", token=None, headers={**cookie, "X-Clientway-CSRF": "1"})
    assert out.status == 204
    assert stack.call("GET", "/api/me", token=None, headers=cookie).status == 401
    assert stack.call("GET", "/api/me", token=signed_in.json["token"]).status == 401


def test_a_contact_opens_the_portal_from_their_mail(stack):
    made = stack.call("POST", "/api/organizations", {"legal_name": f"Portal {uuid4().hex}"}).json["id"]
    address = f"ana-{uuid4().hex}@client.example"
    contact = stack.call(
        "POST", f"/api/organizations/{made}/contacts", {"first_name": "Ana", "email": address, "portal_enabled": True}
    ).json
    stack.call(
        "POST", f"/api/organizations/{made}/activity", {"activity_type": "note_added", "title": "For your eyes", "client_visible": True}
    )
    stack.call(
        "POST", f"/api/organizations/{made}/activity", {"activity_type": "note_added", "title": "Ours alone", "client_visible": False}
    )
    portal = f"/api/portal/{contact['slug']}"
    asked = stack.call("POST", f"{portal}/sign-in", {"tenant": "demo", "email": address}, token=None)
    assert asked.status == 202
    nonce = {"Cookie": f"__Host-clientway-portal-nonce={asked.cookies['__Host-clientway-portal-nonce']}"}
    link = link_to(stack, address)

    signed_in = stack.call("POST", f"{portal}/sign-in/verify", {"token": link["token"]}, token=None, headers=nonce)
    assert signed_in.status == 200, signed_in
    token = signed_in.json["token"]
    info = stack.call("GET", f"{portal}/info", token=token)
    assert (info.status, [line["title"] for line in info.json["recent_activities"]]) == (200, ["For your eyes"])
    assert b"Ours alone" not in info.content
    assert stack.call("GET", f"/api/organizations/{made}", token=token).status == 403
    assert stack.call("POST", f"{portal}/sign-out", token=token).status == 204
    assert stack.call("GET", f"{portal}/info", token=token).status == 401
