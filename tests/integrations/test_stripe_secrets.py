"""Where Stripe's keys and signing secrets are kept: how often they are read, under which key, and for which endpoints."""

import json
from uuid import uuid4

import pytest

from clientway.integrations.stripe import secrets

ENDPOINT = "0d5d1f0e-6a37-4a4b-9d0f-0b1d3f8e2a11"


def test_secrets_are_read_once_in_five_minutes(outside, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(secrets.time, "monotonic", lambda: now[0])
    endpoint = outside.connect("rk_test_oldoldold")
    assert secrets.read(endpoint).key == "rk_test_oldoldold"
    value = json.dumps({"key": "rk_test_newnewnew", "webhook_secret": "whsec_b", "previous_webhook_secret": "whsec_a"})
    outside.ssm.put_parameter(Name=f"/clientway/stripe/{endpoint}", Value=value, Type="SecureString", Overwrite=True)

    now[0] += 299
    assert secrets.read(endpoint).key == "rk_test_oldoldold"
    now[0] += 2
    assert secrets.read(endpoint).key == "rk_test_newnewnew"
    assert secrets.webhook_secrets(endpoint) == ("whsec_b", "whsec_a")


def test_an_endpoint_that_is_not_there_is_looked_for_again_soon(outside, monkeypatch):
    now, endpoint = [1000.0], str(uuid4())
    monkeypatch.setattr(secrets.time, "monotonic", lambda: now[0])
    assert secrets.webhook_secrets(endpoint) == ()
    value = json.dumps({"key": "rk_test_k", "webhook_secret": "whsec_a"})
    outside.ssm.put_parameter(Name=f"/clientway/stripe/{endpoint}", Value=value, Type="SecureString")

    now[0] += 21
    assert secrets.webhook_secrets(endpoint) == ("whsec_a",)


def test_secrets_are_encrypted_with_the_installations_own_key(outside, monkeypatch):
    import boto3

    own = boto3.client("kms", region_name="us-east-1").create_key()["KeyMetadata"]["Arn"]
    monkeypatch.setenv("SECRETS_KMS_ID", own)
    monkeypatch.setenv("STRIPE_SECRETS", "/another-stack/stripe")

    outside.connect("rk_test_k", ENDPOINT)

    (parameter,) = outside.ssm.describe_parameters()["Parameters"]
    assert (parameter["Name"], parameter["Type"], parameter["KeyId"]) == (f"/another-stack/stripe/{ENDPOINT}", "SecureString", own)


@pytest.mark.parametrize(
    "name", ["", "x", "../clientway/stripe/connect", "CONNECT", f"{ENDPOINT}/x", ENDPOINT.upper(), ENDPOINT.replace("-", "")]
)
def test_what_is_no_endpoint_is_not_even_looked_for(name, monkeypatch):
    monkeypatch.setattr(secrets, "_ssm", lambda: pytest.fail("asked"))

    assert secrets.read(name) is None


def test_secrets_show_nothing_of_themselves():
    shown = repr(secrets.Secrets("rk_test_hidden", "whsec_hidden", "whsec_before"))

    assert "hidden" not in shown
    assert "whsec" not in shown
