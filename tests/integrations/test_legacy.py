"""The legacy migration, on real PostgreSQL and generated SQLite files."""

import pytest
from sqlalchemy import text

from clientway import db
from clientway.integrations.legacy import service
from tests.integrations.legacy import CLIENT, LEAD, PERSON, build


def test_one_client_that_is_a_lead_and_a_hubspot_contact_too_is_one_organization(old, migrate, rows):
    build(old, clients=[CLIENT], restaurant_leads=[LEAD], hubspot_contacts=[PERSON])

    done = migrate()

    assert done.tables == {"clients": [1, 0, 0, 0], "restaurant_leads": [0, 1, 0, 0], "hubspot_contacts": [0, 1, 0, 0]}
    [organization], [place], [contact], [account] = rows("organizations"), rows("locations"), rows("contacts"), rows("client_accounts")
    assert (organization.legal_name, organization.dba_name, organization.slug) == ("Juniper & Salt, LLC", "Juniper & Salt", "juniper")
    assert (organization.lifecycle_stage, organization.source, organization.source_id) == ("client", "legacy:clients", "c1")
    assert organization.created_at.timestamp() == 1_600_000_000
    assert (place.address_line1, place.state, place.phone_e164, place.website_url) == (
        "12 Main Street",
        "TX",
        "+15124721234",
        "https://juniper.example",
    )
    assert (contact.email_norm, contact.first_name, contact.last_name) == ("ana@juniper.example", "Ana", "Ruiz")
    assert (contact.hubspot_contact_id, contact.title, contact.is_primary, contact.slug) == ("9001", "Owner", True, "juniper")
    assert "ana ruiz" in contact.search_text
    assert (account.client_since.timestamp(), account.support_plan_started_at.timestamp()) == (1_700_000_000, 1_700_000_000)
    assert (account.status, account.support_plan_tier, account.support_plan_status) == ("active", "core", "active")
    assert (account.support_minutes_included, account.support_minutes_used, account.mrr_cents) == (300, 90, 49_900)
    assert (account.health_score, account.churn_risk) == (83, "low")
    assert account.health_dirty_at is not None
    [move] = rows("lifecycle_transitions")
    assert (move.from_stage, move.to_stage, move.trigger, move.automatic) == ("lead", "client", "migrated", True)
    assert move.reason == "Client in the old system since 2023-11-14."
    assert {(one.source, one.source_id): one.organization_id for one in rows("source_records")} == {
        ("legacy:clients", "c1"): organization.id, ("legacy:restaurant_leads", "l1"): organization.id, ("legacy:hubspot_contacts", "9001"): organization.id,
    }  # fmt: skip


def test_the_old_view_shows_migrated_clients_with_the_old_columns(old, migrate, tenant):
    build(
        old,
        clients=[CLIENT, {"id": "c2", "name": "Gone", "email": "gone@x.example", "support_plan_status": "cancelled"}],
        restaurant_leads=[LEAD],
    )
    migrate()

    with db.job_transaction(tenant.id) as tx:
        shown = tx.execute(text("select * from clients_legacy where tenant_id = app.tenant()")).mappings().all()

    [row] = shown
    assert {name: value for name, value in row.items() if name not in ("tenant_id", "id")} == {
        "name": "Juniper & Salt", "company": "Juniper & Salt, LLC", "email": "ana@juniper.example", "phone": "(512) 472-1234", "slug": "juniper",
        "support_plan_tier": "core", "support_plan_status": "active", "health_score": 83,
    }  # fmt: skip


def test_another_tenant_is_untouched(old, migrate, everything, tenant, other_tenant):
    build(old, clients=[CLIENT], restaurant_leads=[LEAD], hubspot_contacts=[PERSON])
    service.migrate(other_tenant.id, old)
    before = everything(other_tenant)

    done = migrate()

    assert everything(other_tenant) == before
    assert done.new["organizations"] == 1


def test_awkward_rows_are_cleaned_counted_or_named_as_failed(old, migrate, rows):
    leads = [
        {"id": "1", "business_name": "N/A", "address": "Nowhere"},
        {
            "id": "2",
            "business_name": "  Ñandú\x00 Grill  ",
            "zip": 2134,
            "state": "Massachusetts",
            "address": "5 Oak",
            "phone": "555",
            "email": "not an address",
            "status": "ACTIVE",
        },
        {"id": "3", "business_name": "x" * 500, "email": "noreply@place.example", "created_at": 99_999_999_999},
        {"id": None, "business_name": "No id", "tags": "A; b,a", "estimated_annual_revenue": 1234.5},
        {"id": "5", "business_name": "Nameless reach", "contact_name": "Bo Lee", "phone": "", "notes": "Likes tea"},
        {"id": "6", "business_name": "Stop", "email": "stop@stop.example", "status": "do_not_contact", "unsubscribed_at": "2024-05-06"},
        {"id": "7", "business_name": b"Caf\xe9 Bytes", "email": "B@BYTES.example", "favourite_colour": "green"},
    ]
    schema = "create table restaurant_leads (id, business_name, address, city, state, zip, phone, email, contact_name, website, pos_system, status, notes, tags, estimated_annual_revenue, unsubscribed_at, created_at, favourite_colour)"
    build(old, schema, restaurant_leads=leads)

    done = migrate()

    assert done.tables == {"restaurant_leads": [6, 0, 0, 1]}
    [failure] = done.report.failures
    assert (failure.source_id, failure.reason) == ("1", "no name: neither a business, a person nor an e-mail address is named")
    found = {one.legal_name[:9]: one for one in rows("organizations")}
    places = {one.name[:9]: one for one in rows("locations")}
    contacts = {one.email_norm: one for one in rows("contacts")}
    assert {one.lifecycle_stage for one in found.values()} == {"lead", "prospect"}
    assert (found["Ñandú Gri"].lifecycle_stage, places["Ñandú Gri"].zip, places["Ñandú Gri"].phone_e164) == ("prospect", "02134", None)
    assert len(found["xxxxxxxxx"].legal_name) == 300
    assert places["No id"].estimated_annual_revenue_cents == 123_450
    assert found["Nameless "].notes == "Likes tea\nContact in the old system: Bo Lee"
    assert set(contacts) == {"stop@stop.example", "b@bytes.example"}
    assert (contacts["stop@stop.example"].do_not_contact, contacts["stop@stop.example"].unsubscribed_at.isoformat()[:10]) == (
        True,
        "2024-05-06",
    )
    assert sorted(one.tag for one in rows("organization_tags")) == ["a", "b"]
    [table] = done.report.tables
    assert table.not_taken == {"favourite_colour": 1}
    assert migrate().tables == {"restaurant_leads": [0, 0, 6, 1]}


def test_ids_that_stand_twice_are_told_apart(old, migrate):
    rows = [{"id": "1", "name": "One"}, {"id": "1", "name": "One"}, {"id": "1", "name": "Two"}]
    build(old, "create table clients (id, name)", clients=rows)

    done = migrate()

    assert done.tables == {"clients": [1, 0, 1, 1]}
    assert "its id is that of row 1" in done.report.failures[0].reason


@pytest.mark.parametrize(
    ("row", "stages", "account"),
    [
        ({"support_plan_status": "active", "support_plan_tier": "pro"}, ["client"], ("active", "professional", "active")),
        ({"support_plan_status": "paused", "support_plan_tier": "core"}, ["client"], ("paused", "core", "paused")),
        ({"support_plan_status": "inactive"}, ["client"], ("active", "none", "inactive")),
        ({"support_plan_status": "canceled", "support_plan_tier": "core"}, ["client", "churned"], ("churned", "core", "cancelled")),
        ({"support_plan_status": "who knows"}, ["client"], ("active", "none", "inactive")),
        ({"support_plan_tier": "premium"}, ["client"], ("active", "premium", "active")),
        ({"mrr": 100}, ["client"], ("active", "none", "inactive")),
        ({"support_plan_status": "none", "support_plan_tier": "none"}, ["prospect"], None),
        ({}, ["prospect"], None),
    ],
)
def test_where_a_client_stands_follows_from_the_plan(old, migrate, rows, row, stages, account):
    build(old, clients=[{"id": "1", "name": "One", "created_at": 1_600_000_000, **row}])
    migrate()

    assert [one.to_stage for one in rows("lifecycle_transitions", "sequence")] == stages
    found = [(one.status, one.support_plan_tier, one.support_plan_status) for one in rows("client_accounts")]
    assert found == ([account] if account else [])
    assert [one.client_since.timestamp() for one in rows("client_accounts")] == [1_600_000_000] * len(found)


def test_nobody_comes_off_the_blacklist(old, migrate, rows, sql, invoke):
    made = invoke("lifecycle/organizations", method="POST", body={"legal_name": "Juniper", "stripe_customer_id": "cus_1"})
    assert (
        invoke(
            "lifecycle/organization_stage_change",
            method="POST",
            path={"organization_id": made.json["id"]},
            body={"stage": "blacklist", "reason": "Rude"},
        ).status
        == 200
    )
    build(old, clients=[{**CLIENT, "stripe_customer_id": "cus_1"}])

    done = migrate()

    assert (rows("organizations")[0].lifecycle_stage, rows("client_accounts")) == ("blacklist", [])
    assert done.notes["the account was left out: the organization is churned or blacklisted here"] == 1


def test_hubspot_contacts_find_their_company_or_stand_alone(old, migrate, rows):
    people = [
        {"id": 1, "email": "boss@blue.example", "firstname": "Bo", "company": "Blue Bistro"},
        {"id": 2, "email": "chef@blue.example", "firstname": "Cy", "company": "Blue Bistro, Inc."},
        {"id": 3, "email": "lone@wolf.example", "firstname": "Lou", "phone": "512-472-3333"},
        {"id": 4, "phone": "(512) 472-3333", "firstname": "Lou"},
        {"id": 5, "phone": "512-472-3333", "firstname": "Max"},
        {"id": 6, "firstname": "Unreachable"},
        {"id": 7, "phone": "512-472-7777"},
        {"id": 8, "email": "x@juniper.example", "company": "Juniper & Salt"},
    ]
    build(old, restaurant_leads=[LEAD], hubspot_contacts=people)

    done = migrate()

    assert done.tables["hubspot_contacts"] == [4, 3, 1, 0]
    by_name = {one.legal_name: one.id for one in rows("organizations")}
    assert set(by_name) == {"Juniper and Salt", "Blue Bistro"}
    at = {one.email_norm or one.phone_e164: one.organization_id for one in rows("contacts")}
    assert at == {
        "ana@juniper.example": by_name["Juniper and Salt"], "x@juniper.example": by_name["Juniper and Salt"], "boss@blue.example": by_name["Blue Bistro"],
        "chef@blue.example": by_name["Blue Bistro"], "lone@wolf.example": None, "+15124723333": None, "+15124727777": None,
    }  # fmt: skip
    assert all(one.search_text for one in rows("contacts"))


def test_somebody_alone_joins_the_company_that_turns_up(old, migrate, rows):
    build(old, hubspot_contacts=[{"id": 1, "email": "ana@juniper.example", "firstname": "Ana"}])
    migrate()
    build(old, restaurant_leads=[LEAD], hubspot_contacts=[{"id": 1, "email": "ana@juniper.example", "firstname": "Ana"}])

    done = migrate()

    [contact], [organization] = rows("contacts"), rows("organizations")
    assert (contact.organization_id, contact.last_name) == (organization.id, "Ruiz")
    assert done.tables == {"restaurant_leads": [1, 0, 0, 0], "hubspot_contacts": [0, 0, 1, 0]}


def test_two_kinds_of_hubspot_table_and_one_person(old, migrate, rows):
    schemas = [
        "create table HubSpot_Contacts_Sync (vid integer, Email text, FirstName text)",
        "create table hubspot_contacts (hs_object_id integer, email text, phone text)",
    ]
    build(
        old,
        *schemas,
        HubSpot_Contacts_Sync=[{"vid": 7, "Email": "a@b.example", "FirstName": "Ana"}],
        hubspot_contacts=[{"hs_object_id": 7, "email": None, "phone": "512-472-1234"}],
    )

    done = migrate()

    assert done.tables == {"hubspot_contacts": [1, 0, 0, 0], "HubSpot_Contacts_Sync": [0, 1, 0, 0]}
    [contact] = rows("contacts")
    assert (contact.hubspot_contact_id, contact.email_norm, contact.first_name, contact.phone_e164) == (
        "7",
        "a@b.example",
        "Ana",
        "+15124721234",
    )


def test_one_mailbox_for_several_restaurants_is_one_organization_with_several_places(old, migrate, rows):
    leads = [{**LEAD, "id": str(n), "business_name": f"Stand {n}", "address": f"{n} Elm" if n else None, "phone": None} for n in range(3)]
    build(old, restaurant_leads=leads)
    migrate()

    assert len(rows("organizations")) == 1
    assert sorted(one.name for one in rows("locations")) == ["Stand 0", "Stand 1", "Stand 2"]


def test_customer_numbers_and_subscriptions_belong_to_one(old, migrate, rows, tenant):
    build(
        old,
        clients=[
            {**CLIENT, "stripe_customer_id": "cus_1", "stripe_subscription_id": "sub_1"},
            {"id": "c2", "name": "Other", "stripe_subscription_id": "sub_1", "support_plan_status": "active"},
            {"id": "c3", "name": "Same customer", "stripe_customer_id": "cus_1"},
        ],
    )

    done = migrate()

    assert done.tables == {"clients": [2, 1, 0, 0]}
    assert sorted(str(one.stripe_subscription_id) for one in rows("client_accounts")) == ["None", "sub_1"]
    assert done.notes["its Stripe subscription belongs to another account and stays there"] == 1


def test_reps_are_found_by_any_of_their_names(old, migrate, rows, sql):
    sql("insert into reps (tenant_id, id, slug, name, email) values (:t, gen_random_uuid(), 'rosa', 'Rosa Diaz', 'rosa@staff.example')")
    build(old, clients=[{**CLIENT, "assigned_rep": "ROSA"}])

    migrate()

    [rep] = rows("reps")
    assert rows("client_accounts")[0].assigned_rep_id == rows("organizations")[0].assigned_rep_id == rep.id
