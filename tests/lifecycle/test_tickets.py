"""Tickets and how they were answered."""

import pytest

from clientway.errors import Unprocessable
from clientway.lifecycle.tickets import rules
from clientway.lifecycle.tickets.schemas import Ticket, TicketWithOrganization
from clientway.schemas import Page

NOW = "2026-11-21T08:00:00Z"


@pytest.mark.parametrize(
    ("before", "sent", "written"),
    [
        ("open", {"status": "resolved"}, {"resolved_at": NOW}),
        ("pending", {"status": "resolved", "csat": 5}, {"resolved_at": NOW, "csat_at": NOW}),
        ("resolved", {"csat": 2}, {"csat_at": NOW}),
        ("resolved", {"csat": None}, {"csat_at": None}),
        ("resolved", {"status": "open"}, {"resolved_at": None}),
        ("resolved", {"status": "resolved"}, {}),
        ("open", {"status": "pending", "subject": "x"}, {}),
    ],
)
def test_times_follow_the_status(before, sent, written):
    assert rules.revise({"status": before}, sent, NOW) == {**sent, **written}


def test_only_what_is_resolved_is_rated():
    with pytest.raises(Unprocessable):
        rules.revise({"status": "resolved"}, {"status": "open", "csat": 3}, NOW)


@pytest.fixture
def organization(invoke):
    return invoke("lifecycle/organizations", method="POST", body={"legal_name": "Blue Bistro"}).json


@pytest.fixture
def ticket(invoke, organization):
    path = {"organization_id": organization["id"]}
    contact = invoke("lifecycle/organization_contacts", method="POST", path=path, body={"first_name": "Ana"}).json
    body = {"subject": " Printer ", "description": "Out of paper.", "priority": "high", "contact_id": contact["id"]}
    answer = invoke("lifecycle/organization_tickets", method="POST", path=path, body=body)
    assert answer.status == 201, answer.body
    return Ticket.model_validate_json(answer.body)


def change(invoke, ticket_id, body, version):
    return invoke("lifecycle/ticket", method="PATCH", path={"ticket_id": str(ticket_id)}, body=body, headers={"If-Match": f'"{version}"'})


def test_a_ticket_is_opened_resolved_rated_and_told_of(invoke, ticket, organization):
    assert (ticket.subject, ticket.status, ticket.version) == ("Printer", "open", 1)
    assert change(invoke, ticket.id, {"csat": 4}, 1).json["errors"][0]["pointer"] == "#/csat"
    resolved = change(invoke, ticket.id, {"status": "resolved", "csat": 4}, 1)
    assert (resolved.status, resolved.etag, resolved.json["csat"]) == (200, '"2"', 4)
    assert resolved.json["resolved_at"] == resolved.json["csat_at"] is not None
    assert change(invoke, ticket.id, {"subject": "late"}, 1).status == 412
    assert change(invoke, ticket.id, {"priority": None}, 2).status == 422
    assert invoke("lifecycle/ticket", path={"ticket_id": str(ticket.id)}).json == resolved.json
    timeline = invoke("lifecycle/organization_activity", path={"organization_id": organization["id"]}).json["data"]
    assert [(line["activity_type"], line["contact_id"], line["client_visible"]) for line in timeline] == [
        ("ticket_resolved", str(ticket.contact_id), True),
        ("ticket_created", str(ticket.contact_id), True),
    ]


def test_lists_are_filtered_and_paged(invoke, ticket, organization):
    path = {"organization_id": organization["id"]}
    for subject in ("B", "C"):
        invoke("lifecycle/organization_tickets", method="POST", path=path, body={"subject": subject})
    change(invoke, ticket.id, {"status": "pending"}, 1)

    first = invoke("lifecycle/organization_tickets", path=path, query={"limit": 2})
    assert [one.subject for one in Page[Ticket].model_validate_json(first.body).data] == ["C", "B"]
    rest = invoke("lifecycle/organization_tickets", path=path, query={"limit": 2, "cursor": first.json["next_cursor"]})
    assert ([one["subject"] for one in rest.json["data"]], rest.json["has_more"]) == (["Printer"], False)
    everything = invoke("lifecycle/tickets", query={"status": "pending"})
    [found] = Page[TicketWithOrganization].model_validate_json(everything.body).data
    assert (found.id, found.organization.name) == (ticket.id, "Blue Bistro")
    assert invoke("lifecycle/tickets", query={"priority": "low"}).json["data"] == []
    assert invoke("lifecycle/tickets", query={"priority": "lowest"}).status == 400
    assert len(invoke("lifecycle/tickets", query={"updated_since": "2020-01-01T00:00:00Z"}).json["data"]) == 3


def test_a_ticket_is_its_tenants_own(invoke, ticket, organization, tenant, other_tenant):
    path, one = {"organization_id": organization["id"]}, {"ticket_id": str(ticket.id)}
    assert invoke("lifecycle/ticket", path=one, token=other_tenant.admin).status == 404
    assert invoke("lifecycle/organization_tickets", path=path, token=other_tenant.admin).status == 404
    assert invoke("lifecycle/organization_tickets", method="POST", path=path, body={"subject": "x"}, token=other_tenant.admin).status == 404
    assert invoke("lifecycle/organization_tickets", method="POST", path=path, body={"subject": "x"}, token=tenant.viewer).status == 403
    stolen = invoke(
        "lifecycle/ticket", method="PATCH", path=one, body={"subject": "x"}, headers={"If-Match": '"1"'}, token=other_tenant.admin
    )
    assert stolen.status == 404
    elsewhere = invoke("lifecycle/organizations", method="POST", body={"legal_name": "Other"}).json
    body = {"subject": "x", "contact_id": str(ticket.contact_id)}
    refused = invoke("lifecycle/organization_tickets", method="POST", path={"organization_id": elsewhere["id"]}, body=body)
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "#/contact_id")


def test_a_deleted_organization_gets_no_tickets_but_keeps_its_own(invoke, ticket, organization):
    path = {"organization_id": organization["id"]}
    version = invoke("lifecycle/organization", path=path).etag
    assert invoke("lifecycle/organization", method="DELETE", path=path, headers={"If-Match": version}).status == 204
    assert invoke("lifecycle/organization_tickets", method="POST", path=path, body={"subject": "x"}).status == 404
    assert [one["id"] for one in invoke("lifecycle/organization_tickets", path=path).json["data"]] == [str(ticket.id)]
