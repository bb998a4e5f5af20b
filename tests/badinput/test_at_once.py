"""Many callers at once against the served system: one effect, one answer, and nobody overwrites what they have not seen."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from tests.served import served

CALLERS = 32


@pytest.fixture(scope="module")
def stack():
    with served() as running:
        yield running


def at_once(count, call):
    """The answers of `count` threads that all start at the same moment."""
    barrier = threading.Barrier(count)

    def one(number):
        barrier.wait()
        return call(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def until_answered(stack, seen, *arguments, **more):
    """A caller as it should be: told that its request is in flight, it waits as long as it is told and asks again."""
    for _ in range(60):
        answer = stack.call(*arguments, **more)
        seen.append(answer)
        if not (answer.status == 409 and answer.json["code"] == "idempotency_in_flight"):
            return answer
        assert float(answer.headers["retry-after"]) >= 1
        time.sleep(float(answer.headers["retry-after"]))
    raise AssertionError(answer)


def test_one_key_and_one_body(stack):
    name, key, seen = f"Same {uuid4().hex}", uuid4().hex, []
    body = {"legal_name": name, "tags": ["one", "two"]}
    answers = at_once(CALLERS, lambda _: until_answered(stack, seen, "POST", "/api/organizations", body, headers={"Idempotency-Key": key}))

    assert {answer.status for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert Counter(answer.headers.get("idempotent-replayed") for answer in answers) == {"true": CALLERS - 1, None: 1}
    assert len({answer.headers["etag"] for answer in answers}) == 1
    assert {answer.status for answer in seen} <= {201, 409}
    found = stack.call("GET", f"/api/organizations?q={name.split()[1]}").json["data"]
    assert [one["legal_name"] for one in found] == [name]
    # The members in another order are the same body; a key belongs to its route.
    again = stack.call(
        "POST", "/api/organizations", b'{"tags": ["one","two"],  "legal_name": "' + name.encode() + b'"}', headers={"Idempotency-Key": key}
    )
    assert (again.status, again.content, again.headers["idempotent-replayed"]) == (201, answers[0].content, "true")


def test_one_key_and_two_bodies(stack):
    mark, key, seen = uuid4().hex, uuid4().hex, []
    answers = at_once(
        CALLERS,
        lambda number: until_answered(
            stack,
            seen,
            "POST",
            "/api/organizations",
            {"legal_name": f"{'Even' if number % 2 else 'Odd'} {mark}"},
            headers={"Idempotency-Key": key},
        ),
    )

    assert Counter(answer.status for answer in answers) == {201: CALLERS // 2, 422: CALLERS // 2}
    assert {answer.json["code"] for answer in answers if answer.status == 422} == {"idempotency_key_reused"}
    assert {answer.json["errors"][0]["pointer"] for answer in answers if answer.status == 422} == {"#/header/idempotency-key"}
    made = {answer.content for answer in answers if answer.status == 201}
    assert len(made) == 1
    assert len({number % 2 for number, answer in enumerate(answers) if answer.status == 201}) == 1
    assert len(stack.call("GET", f"/api/organizations?q={mark}").json["data"]) == 1


def test_a_refused_request_does_not_spend_its_key(stack):
    key = uuid4().hex
    refused = at_once(8, lambda _: stack.call("POST", "/api/organizations", {"legal_name": ""}, headers={"Idempotency-Key": key}))
    assert {answer.status for answer in refused} == {422}
    assert {answer.json["code"] for answer in refused} == {"unprocessable"}

    assert stack.call("POST", "/api/organizations", {"legal_name": f"After {key}"}, headers={"Idempotency-Key": key}).status == 201


def test_effects_of_one_key_are_one(stack):
    """A payment is the case that hurts: one payment, one line on the timeline."""
    made = stack.call("POST", "/api/organizations", {"legal_name": f"Payer {uuid4().hex}"}).json["id"]
    key, seen = uuid4().hex, []
    answers = at_once(
        CALLERS,
        lambda _: until_answered(
            stack,
            seen,
            "POST",
            f"/api/organizations/{made}/activity",
            {"activity_type": "email_replied", "title": "Yes"},
            headers={"Idempotency-Key": key},
        ),
    )
    assert {(answer.status, answer.content) for answer in answers} == {(201, answers[0].content)}
    lines = stack.call("GET", f"/api/organizations/{made}/activity?activity_type=email_replied").json["data"]
    assert len(lines) == 1
    transitions = stack.call("GET", f"/api/organizations/{made}/transitions").json["data"]
    assert len({one["to_stage"] for one in transitions}) == len(transitions)


def test_of_many_changes_to_one_version_one_is_made(stack):
    made = stack.call("POST", "/api/organizations", {"legal_name": f"Contested {uuid4().hex}"})
    path, tag = f"/api/organizations/{made.json['id']}", made.headers["etag"]
    answers = at_once(16, lambda number: stack.call("PATCH", path, {"notes": f"by {number}"}, headers={"If-Match": tag}))

    assert Counter(answer.status for answer in answers) == {200: 1, 412: 15}
    winner = next(answer for answer in answers if answer.status == 200)
    now = stack.call("GET", path)
    assert (now.json["notes"], now.json["version"]) == (winner.json["notes"], made.json["version"] + 1)
    assert {answer.headers["etag"] for answer in answers} == {now.headers["etag"]}
    assert {answer.json["code"] for answer in answers if answer.status == 412} == {"stale"}


def test_of_many_who_take_one_address_one_has_it(stack):
    made = stack.call("POST", "/api/organizations", {"legal_name": f"Crowd {uuid4().hex}"}).json["id"]
    email = f"{uuid4().hex}@crowd.example"
    answers = at_once(
        16, lambda number: stack.call("POST", f"/api/organizations/{made}/contacts", {"first_name": f"N{number}", "email": email})
    )

    assert Counter(answer.status for answer in answers) == {201: 1, 409: 15}
    assert len(stack.call("GET", f"/api/admin/contacts?email={email}").json["data"]) == 1


def test_deleting_and_changing_at_once_leaves_one_story(stack):
    made = stack.call("POST", "/api/organizations", {"legal_name": f"Torn {uuid4().hex}"})
    path, tag = f"/api/organizations/{made.json['id']}", made.headers["etag"]
    methods = ["DELETE", "PATCH"] * 8
    answers = at_once(
        16,
        lambda number: stack.call(methods[number], path, {"notes": "x"} if methods[number] == "PATCH" else None, headers={"If-Match": tag}),
    )

    assert sum(answer.status in {200, 204} for answer in answers) == 1
    assert {answer.status for answer in answers} <= {200, 204, 404, 412}
