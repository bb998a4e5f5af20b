"""How often a warm request of this feature turns to the database: over a network each turn costs a millisecond."""

import pytest

from tests.test_db import proxy as _proxy

counting_proxy = _proxy


@pytest.fixture
def flights(counting_proxy, invoke):
    """Call a handler and count."""

    def call(function, **how):
        counting_proxy.reset(connects=False)
        answer = invoke(f"lifecycle/{function}", **how)
        assert answer.status < 400, answer.body
        return counting_proxy.flights, answer

    return call


def test_every_request_keeps_to_its_budget(flights, invoke):
    rep = invoke("lifecycle/reps", method="POST", body={"name": "Ada"}).json
    counted = {}
    counted["create"], organization = flights(
        "organizations", method="POST", body={"legal_name": "A", "tags": ["x"], "assigned_rep_id": rep["id"]}
    )
    path = {"organization_id": organization.json["id"]}
    body = {"name": "Main", "phone": "305 555 0123", "website_url": "a.example"}
    counted["add location"], location = flights("organization_locations", method="POST", path=path, body=body)
    counted["add contact"], contact = flights(
        "organization_contacts", method="POST", path=path, body={"first_name": "Ann", "phone": "305 555 0199"}
    )

    def change(kind, row, body):
        return flights(kind, method="PATCH", path={f"{kind}_id": row["id"]}, body=body, headers={"If-Match": f'"{row["version"]}"'})

    counted["change organization"], organization = change("organization", organization.json, {"notes": "x", "tags": []})
    counted["change external id"], _ = change("organization", organization.json, {"hubspot_company_id": "h"})
    counted["change location"], _ = change("location", location.json, {"phone": "786 555 0144"})
    counted["change contact"], contact = change("contact", contact.json, {"phone": "786 555 0145"})
    # The stage moves with it: one more for the move, and one for its lines on the timeline.
    counted["change contact and stage"], contact = change("contact", contact.json, {"email": "ann@a.example"})
    counted["delete contact"], _ = flights(
        "contact", method="DELETE", path={"contact_id": contact.json["id"]}, headers={"If-Match": f'"{contact.json["version"]}"'}
    )
    counted["read"], _ = flights("organization", path=path)
    counted["list"], _ = flights("organizations", query={"q": "main"})
    counted["contacts"], _ = flights("admin_contacts")
    counted["clients"], _ = flights("rep_clients", path={"slug": rep["slug"]})

    budget = dict.fromkeys(counted, 4) | dict.fromkeys(("read", "list", "contacts", "clients"), 2) | {"change contact and stage": 5}
    assert {name: count for name, count in counted.items() if count > budget[name]} == {}, counted
