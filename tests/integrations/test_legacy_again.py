"""The legacy migration run again, cut off, at the same time as another, or over what is there already."""

import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from clientway.integrations.legacy import engine, queries, service
from clientway.lifecycle.bulk import service as records
from tests.integrations.legacy import CLIENT, LEAD, PERSON, build, change


def test_a_second_run_changes_nothing_at_all(old, migrate, everything):
    build(
        old,
        clients=[CLIENT, {"id": "c2", "name": "No plan", "phone": "512 472 9999"}],
        restaurant_leads=[
            LEAD,
            {
                **LEAD,
                "id": "l2",
                "business_name": "Elsewhere",
                "email": None,
                "address": "9 Elm",
                "status": "new",
                "tags": '["a"]',
                "notes": "x",
            },
        ],
        hubspot_contacts=[PERSON, {"id": 2, "email": "lone@wolf.example"}],
    )
    migrate()
    before = everything()

    again = migrate()

    assert everything() == before
    assert again.tables == {"clients": [0, 0, 2, 0], "restaurant_leads": [0, 0, 2, 0], "hubspot_contacts": [0, 0, 2, 0]}
    assert set(again.reasons) == {(table, "skipped", engine.UNCHANGED) for table in again.tables}


def test_only_what_changed_in_the_old_database_changes_here(old, migrate, everything, rows):
    build(
        old,
        clients=[CLIENT],
        restaurant_leads=[
            LEAD,
            {
                **LEAD,
                "id": "l2",
                "business_name": "Elsewhere",
                "email": "e@e.example",
                "phone": None,
                "address": "9 Elm St",
                "status": "new",
            },
        ],
    )
    migrate()
    before = everything()
    change(old, "update clients set email = 'ana@new.example', support_hours_used = 2, support_plan_tier = 'premium'")
    change(old, "update restaurant_leads set address = '14 Main Street', zip = '78702', tags = 'vip' where id = 'l1'")

    done = migrate()

    assert done.tables == {"clients": [0, 1, 0, 0], "restaurant_leads": [0, 1, 1, 0]}
    assert set(done.new.values()) == {0}
    [contact] = [one for one in rows("contacts") if one.slug == "juniper"]
    assert (contact.email_norm, contact.search_text.splitlines()[-1]) == ("ana@new.example", "15124721234 ana@new.example")
    [account] = rows("client_accounts")
    assert (account.support_minutes_used, account.support_plan_tier, account.version > 1) == (120, "premium", True)
    [place] = [one for one in rows("locations") if one.address_line1.startswith("14")]
    assert (place.zip, place.address_key) == ("78702", "14 main st|78702|TX")
    assert [one.tag for one in rows("organization_tags")] == ["vip"]
    unchanged = {row[0] for row in before["organizations"]} & {row[0] for row in everything()["organizations"]}
    assert len(unchanged) == 1
    assert migrate().tables == {"clients": [0, 0, 1, 0], "restaurant_leads": [0, 0, 2, 0]}


def test_an_address_that_passes_to_somebody_else(old, migrate, rows):
    build(old, hubspot_contacts=[{"id": 1, "email": "info@blue.example", "firstname": "Ana"}])
    migrate()
    change(old, "update hubspot_contacts set email = 'ana@blue.example'")
    change(old, "insert into hubspot_contacts (id, email, firstname) values (2, 'info@blue.example', 'Bo')")

    assert migrate().tables == {"hubspot_contacts": [1, 1, 0, 0]}

    assert {one.first_name: one.email_norm for one in rows("contacts")} == {"Ana": "ana@blue.example", "Bo": "info@blue.example"}


def test_what_was_changed_here_stays(old, migrate, rows, sql):
    build(old, restaurant_leads=[LEAD])
    migrate()
    sql("update locations set phone = '512-472-7777', phone_e164 = '+15124727777' where tenant_id = :t")
    change(old, "update restaurant_leads set phone = '512-472-8888', website = 'new.example'")

    done = migrate()

    [place] = rows("locations")
    assert (place.phone, place.website_url) == ("512-472-7777", "https://new.example")
    assert done.notes["kept as changed here: phone"] == 1


def test_what_was_deleted_here_is_not_brought_back(old, migrate, rows, sql):
    build(old, clients=[CLIENT], hubspot_contacts=[{"id": 5, "email": "lone@wolf.example"}])
    migrate()
    sql("update organizations set deleted_at = now() where tenant_id = :t")
    sql("update contacts set deleted_at = now() where tenant_id = :t")
    change(old, "update clients set phone = '512-472-9999'")
    change(old, "update hubspot_contacts set firstname = 'Lou'")

    done = migrate()

    assert done.reasons == {("clients", "skipped", "deleted here since"): 1, ("hubspot_contacts", "skipped", "deleted here since"): 1}
    assert (rows("organizations"), rows("contacts")) == ([], [])


def test_what_the_tenant_has_already_is_filled_in_and_never_overwritten(old, migrate, rows, invoke):
    made = invoke("lifecycle/organizations", method="POST", body={"legal_name": "Juniper & Salt", "notes": "Ours"})
    assert made.status == 201, made.body
    path = {"organization_id": made.json["id"]}
    where = {"name": "Main", "address_line1": "12 Main St", "city": "Austin", "state": "TX", "zip": "78701", "phone": "(512) 472-0000"}
    assert invoke("lifecycle/organization_locations", method="POST", path=path, body=where).status == 201
    build(old, restaurant_leads=[{**LEAD, "notes": "Theirs"}])

    done = migrate()

    assert done.tables == {"restaurant_leads": [0, 1, 0, 0]}
    [organization], [place], [contact] = rows("organizations"), rows("locations"), rows("contacts")
    assert (organization.notes, organization.source, organization.lifecycle_stage) == ("Ours\nTheirs", "manual", "prospect")
    assert (place.phone, place.website_url, place.data_completeness > 60) == ("(512) 472-0000", "https://juniper.example", True)
    assert contact.organization_id == organization.id


def test_a_dry_run_tells_the_same_and_keeps_nothing(old, migrate, everything):
    build(
        old,
        clients=[CLIENT],
        restaurant_leads=[LEAD, {**LEAD, "id": "l2", "business_name": None, "email": None, "contact_name": None}],
        hubspot_contacts=[PERSON],
    )
    before = everything()

    dry = migrate(dry_run=True)

    assert everything() == before
    done = migrate()
    assert (dry.tables, dry.reasons, dry.new) == (done.tables, done.reasons, done.new)
    assert done.new["organizations"] == 1


@pytest.mark.parametrize("dies_in", [(records, "write"), (queries, "remember")])
def test_a_crash_between_chunks_loses_and_doubles_nothing(old, migrate, rows, monkeypatch, dies_in):
    monkeypatch.setattr(service, "CHUNK", 3)
    leads = [
        {**LEAD, "id": f"l{n}", "business_name": f"Place {n}", "address": f"{n} Elm", "email": f"o{n}@p.example", "phone": None}
        for n in range(10)
    ]
    build(old, clients=[CLIENT], restaurant_leads=leads)
    module, name = dies_in
    real, calls = getattr(module, name), Counter()

    def dies(*args, **more):
        calls["n"] += 1
        if calls["n"] == 3:
            raise KeyboardInterrupt
        return real(*args, **more)

    monkeypatch.setattr(module, name, dies)
    with pytest.raises(KeyboardInterrupt):
        migrate()
    monkeypatch.setattr(module, name, real)
    assert len(rows("organizations")) == 1 + 3

    done = migrate()

    assert done.tables == {"clients": [0, 0, 1, 0], "restaurant_leads": [7, 0, 3, 0]}
    assert (len(rows("organizations")), len(rows("source_records")), len(rows("lifecycle_transitions"))) == (11, 11, 11)


def test_a_plan_that_ends_later_lets_the_client_churn(old, migrate, rows):
    build(old, clients=[CLIENT])
    migrate()
    change(old, "update clients set support_plan_status = 'cancelled'")

    assert migrate().tables == {"clients": [0, 1, 0, 0]}

    assert [one.to_stage for one in rows("lifecycle_transitions", "sequence")] == ["client", "churned"]
    [account] = rows("client_accounts")
    assert (account.status, account.support_plan_status) == ("churned", "cancelled")


def test_a_client_of_today_is_not_churned_by_an_old_list(old, migrate, rows, invoke):
    made = invoke("lifecycle/organizations", method="POST", body={"legal_name": "Juniper", "stripe_customer_id": "cus_1"})
    path = {"organization_id": made.json["id"]}
    assert invoke("lifecycle/organization_convert_to_client", method="POST", path=path, body={"support_plan_tier": "premium"}).status in (
        200,
        201,
    )
    build(old, clients=[{**CLIENT, "stripe_customer_id": "cus_1", "support_plan_status": "cancelled"}])

    migrate()

    [organization], [account] = rows("organizations"), rows("client_accounts")
    assert (organization.lifecycle_stage, account.status, account.support_plan_tier, account.support_minutes_included) == (
        "client",
        "active",
        "premium",
        300,
    )


def test_somebody_alone_whose_company_is_told_later_moves_there(old, migrate, rows):
    build(old, hubspot_contacts=[{"id": 1, "email": "ana@juniper.example", "firstname": "Ana"}])
    migrate()
    change(old, "update hubspot_contacts set company = 'Juniper'")

    migrate()

    assert rows("contacts")[0].organization_id == rows("organizations")[0].id


def test_a_row_that_the_database_refuses_costs_only_itself(old, migrate, rows, monkeypatch):
    leads = [{**LEAD, "id": str(n), "business_name": f"Place {n}", "address": f"{n} Elm", "email": None, "phone": None} for n in range(7)]
    build(old, restaurant_leads=leads)
    real = records.write

    def spoils(tx, changes, **more):
        for row in changes.new["locations"].values():
            if row["name"] == "Place 4":
                row["seating_capacity"] = -1
        real(tx, changes, **more)

    monkeypatch.setattr(records, "write", spoils)
    for dry_run in (True, False):
        done = migrate(dry_run=dry_run)
        assert done.tables == {"restaurant_leads": [6, 0, 0, 1]}
        assert done.report.failures[0].source_id == "4"
        assert "locations_seating_capacity_check" in done.report.failures[0].reason
    assert len(rows("organizations")) == 6


def test_a_record_that_stays_locked_interrupts_in_one_line(old, migrate, admin_engine, tenant, monkeypatch):
    monkeypatch.setattr(service.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(service, "_TRIES", 1)
    build(old, restaurant_leads=[LEAD])
    migrate()
    change(old, "update restaurant_leads set website = 'new.example'")
    with admin_engine.connect() as connection:
        connection.execution_options(isolation_level="READ COMMITTED")
        with connection.begin():
            connection.execute(text("select 1 from organizations where tenant_id = :t for update"), {"t": tenant.id})
            with pytest.raises(service.Interrupted, match="run again to go on"):
                migrate()

    assert migrate().tables == {"restaurant_leads": [0, 1, 0, 0]}


def test_the_old_file_is_only_read(old, migrate):
    build(old, clients=[CLIENT])
    with sqlite3.connect(old) as connection:
        connection.execute("pragma journal_mode = wal")
    connection.close()
    before = old.read_bytes()

    migrate()

    assert old.read_bytes() == before


def test_two_runs_at_once_make_everything_once(old, migrate, rows, monkeypatch):
    monkeypatch.setattr(service, "CHUNK", 5)
    leads = [
        {**LEAD, "id": f"l{n}", "business_name": f"Place {n}", "address": f"{n} Elm", "email": f"o{n}@p.example", "phone": None}
        for n in range(40)
    ]
    build(old, clients=[CLIENT], restaurant_leads=leads)

    with ThreadPoolExecutor(2) as pool:
        found = [run.result() for run in [pool.submit(migrate), pool.submit(migrate)]]

    assert (len(rows("organizations")), len(rows("contacts")), len(rows("source_records"))) == (41, 41, 41)
    assert sum(done.tables["restaurant_leads"][0] for done in found) == 40
