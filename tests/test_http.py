"""The edge, through a real handler."""

import json

import pytest

from tests.fixtures import EVENTS, LambdaContext


def test_it_is_up(invoke):
    answer = invoke("operations/healthz", token=None)

    assert (answer.status, answer.json["status"]) == (200, "ok")


def test_no_credential_is_401(invoke):
    answer = invoke("lifecycle/organization_transitions", token=None)

    assert (answer.status, answer.json["code"]) == (401, "unauthorized")
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_an_unknown_credential_is_401(invoke):
    from clientway import tokens

    assert invoke("lifecycle/organization_transitions", token=tokens.new("key")).status == 401


def test_an_unknown_organization_is_404(invoke):
    assert invoke("lifecycle/organization_transitions").status == 404


def test_an_unknown_query_parameter_is_400(invoke):
    answer = invoke("lifecycle/organization_transitions", query={"colour": "red"})

    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "#/query/colour")


@pytest.mark.parametrize(("body", "status"), [("x" * 300_000, 413), ("\ud800", 400)])
def test_a_body_refused_before_anybody_reads_it_is_refused_under_its_own_id(invoke, body, status):
    from lifecycle import upsert_person

    invoke("lifecycle/upsert_person", body={"phone": "+13055550188"})
    event = json.loads((EVENTS / "lifecycle/upsert_person.json").read_text()) | {"body": body}
    event["requestContext"]["requestId"] = "its own"
    answer = upsert_person.handler(event, LambdaContext())

    said = (answer["statusCode"], json.loads(answer["body"])["instance"], answer["headers"]["X-Request-Id"])
    assert said == (status, "its own", "its own")
