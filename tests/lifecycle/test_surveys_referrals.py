"""NPS answers and referrals."""

from datetime import UTC, datetime, timedelta

import pytest

from clientway.lifecycle.referrals.schemas import Referral
from clientway.lifecycle.surveys.schemas import NpsAnswer
from clientway.schemas import Page


@pytest.fixture
def organization(invoke):
    return invoke("lifecycle/organizations", method="POST", body={"legal_name": "Blue Bistro"}).json


@pytest.fixture
def path(organization):
    return {"organization_id": organization["id"]}


def test_answers_are_recorded_and_listed_by_when_they_were_given(invoke, path, tenant, other_tenant):
    contact = invoke("lifecycle/organization_contacts", method="POST", path=path, body={"first_name": "Ana"}).json
    earlier = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    made = invoke(
        "lifecycle/organization_nps_answers", method="POST", path=path, body={"score": 9, "contact_id": contact["id"], "comment": "Good"}
    )
    assert NpsAnswer.model_validate_json(made.body).score == 9
    invoke("lifecycle/organization_nps_answers", method="POST", path=path, body={"score": 3, "answered_at": earlier})
    listed = invoke("lifecycle/organization_nps_answers", path=path)
    assert [one.score for one in Page[NpsAnswer].model_validate_json(listed.body).data] == [9, 3]
    for body in ({"score": 11}, {"score": -1}, {"score": 5, "answered_at": "2999-01-01T00:00:00Z"}, {"score": 5, "comment": " "}):
        assert invoke("lifecycle/organization_nps_answers", method="POST", path=path, body=body).status == 422, body
    assert invoke("lifecycle/organization_nps_answers", method="POST", path=path, body={"score": 1}, token=tenant.viewer).status == 403
    assert invoke("lifecycle/organization_nps_answers", method="POST", path=path, body={"score": 1}, token=other_tenant.admin).status == 404
    assert invoke("lifecycle/organization_nps_answers", path=path, token=other_tenant.admin).status == 404


def test_an_answer_counts_for_the_health_score(invoke, path):
    account = invoke("lifecycle/organization_convert_to_client", method="POST", path=path, body={"reason": "signed"}).json
    invoke("lifecycle/organization_nps_answers", method="POST", path=path, body={"score": 8})
    health = invoke("lifecycle/client_account_health", path={"client_account_id": account["id"]}).json
    satisfaction = next(part for part in health["components"] if part["name"] == "satisfaction")
    assert (satisfaction["points"], satisfaction["inputs"]["nps_answers_180d"]) == (80, 1)


def test_a_referral_names_what_it_became(invoke, path, organization, tenant, other_tenant):
    friend = invoke("lifecycle/organizations", method="POST", body={"legal_name": "Friend"}).json
    stranger = invoke("lifecycle/organizations", method="POST", body={"legal_name": "Stranger"}, token=other_tenant.admin).json
    made = invoke("lifecycle/organization_referrals", method="POST", path=path, body={"referred_name": "Friend"})
    referral = Referral.model_validate_json(made.body)
    assert (referral.status, referral.referred_organization_id) == ("received", None)

    def change(body, version, **more):
        one = {"referral_id": str(referral.id)}
        return invoke("lifecycle/referral", method="PATCH", path=one, body=body, headers={"If-Match": f'"{version}"'}, **more)

    for one in (stranger, organization):
        refused = change({"referred_organization_id": one["id"]}, 1)
        assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "#/referred_organization_id")
    changed = change({"referred_organization_id": friend["id"], "status": "converted"}, 1)
    assert (changed.status, changed.json["referred_organization_id"]) == (200, friend["id"])
    assert change({"status": "declined"}, 1).status == 412
    assert change({"status": "declined"}, 2, token=other_tenant.admin).status == 404
    assert change({"status": "declined"}, 2, token=tenant.viewer).status == 403
    assert invoke("lifecycle/referral", path={"referral_id": str(referral.id)}).json == changed.json
    listed = invoke("lifecycle/organization_referrals", path=path)
    assert [one.id for one in Page[Referral].model_validate_json(listed.body).data] == [referral.id]
