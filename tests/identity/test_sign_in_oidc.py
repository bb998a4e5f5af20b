"""Signing in through the identity provider; the gateway has verified the token, its claims decide."""

from uuid import uuid4

import pytest


@pytest.fixture
def claims(staff_email):
    """What a provider says of the tenant's administrator."""
    return {"iss": "https://idp.example.com", "sub": uuid4().hex, "email": staff_email, "email_verified": "true", "name": "Ada Admin"}


@pytest.fixture
def sign_in(invoke):
    def run(claims, **body):
        return invoke("identity/sign_in_oidc", body=body, token="header.payload.signature", claims=claims)

    return run


def test_a_member_signs_in(invoke, sign_in, claims, tenant):
    answer = sign_in(claims)

    assert (answer.status, answer.json["role"], answer.json["tenant"]["slug"]) == (200, "admin", tenant.slug)
    assert invoke("identity/me", token=answer.json["token"]).json["id"] == str(tenant.user_id)
    assert invoke("identity/sessions").json["data"][0]["method"] == "oidc"


@pytest.mark.parametrize("verified", ["false", "", None])
def test_an_unverified_address_is_refused(sign_in, claims, verified):
    answer = sign_in({**claims, "email_verified": verified})

    assert (answer.status, answer.json["code"]) == (403, "email_not_verified")


def test_without_the_gateways_authorizer_nobody_gets_in(sign_in):
    assert sign_in({}).status == 403


def test_a_stranger_is_not_a_member(sign_in, claims):
    answer = sign_in({**claims, "email": "stranger@nowhere.example"})

    assert (answer.status, answer.json["code"]) == (403, "not_a_member")


def test_the_subject_stays_the_same_person_when_the_address_changes(sign_in, claims, tenant):
    sign_in(claims)

    assert sign_in({**claims, "email": "married@example.com"}).json["tenant"]["slug"] == tenant.slug


def test_who_gets_the_address_later_does_not_get_the_account(sign_in, claims):
    sign_in(claims)

    assert sign_in({**claims, "sub": "somebody else"}).status == 403
    assert sign_in({**claims, "iss": "https://other.example.com"}).status == 403


def test_the_tenant_can_be_chosen_and_only_ones_own(sign_in, claims, tenant, other_tenant):
    assert sign_in(claims, tenant=tenant.slug).status == 200
    assert sign_in(claims, tenant=other_tenant.slug).status == 403


def test_a_removed_member_is_refused(sign_in, claims, sql, tenant):
    sign_in(claims)
    sql("update memberships set revoked_at = now() where tenant_id = :t", t=tenant.id)

    assert sign_in(claims).status == 403
