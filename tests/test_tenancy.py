"""The tenant's boundary: every table, every verb, without predicates, as the application's role."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from clientway import access, db, tokens
from clientway.billing import tables as _billing  # noqa: F401  (fills metadata)
from clientway.identity import tables as _identity  # noqa: F401
from clientway.integrations import tables as _integrations  # noqa: F401
from clientway.lifecycle import client_tables as _clients  # noqa: F401
from clientway.lifecycle import tables as _lifecycle  # noqa: F401
from clientway.messaging import tables as _messaging  # noqa: F401
from clientway.tables import metadata
from clientway.work import tables as _work  # noqa: F401
from tests.everything import ROWS, one_of_everything

TABLES = sorted(name for name, table in metadata.tables.items() if "tenant_id" in table.c)
GENERATED = {"balance_cents", "unapplied_cents", "payment_state"}
RECORDS = {"activities", "lifecycle_transitions", "audit_log", "consent_events", "credit_notes", "ledger_entries", "stripe_events"}

# Every reference between tenant tables. A plain list on purpose: read from the catalogue it would shrink with it.
REFERENCES = [
    ("activities", "client_account_id", "client_accounts"), ("activities", "contact_id", "contacts"), ("activities", "organization_id", "organizations"),
    ("client_accounts", "assigned_rep_id", "reps"), ("client_accounts", "organization_id", "organizations"),
    ("contacts", "location_id", "locations"), ("contacts", "organization_id", "organizations"),
    ("deals", "contact_id", "contacts"), ("deals", "organization_id", "organizations"), ("deals", "owner_rep_id", "reps"),
    ("health_snapshots", "client_account_id", "client_accounts"), ("import_rows", "import_id", "imports"),
    ("lifecycle_transitions", "organization_id", "organizations"), ("locations", "organization_id", "organizations"),
    ("nps_answers", "contact_id", "contacts"), ("nps_answers", "organization_id", "organizations"),
    ("organization_tags", "organization_id", "organizations"), ("organizations", "assigned_rep_id", "reps"),
    ("payments", "organization_id", "organizations"), ("portal_sessions", "contact_id", "contacts"),
    ("quotes", "deal_id", "deals"), ("quotes", "organization_id", "organizations"),
    ("referrals", "organization_id", "organizations"), ("referrals", "referred_organization_id", "organizations"),
    ("reps", "user_id", "user"), ("sessions", "user_id", "user"), ("sign_in_links", "contact_id", "contacts"), ("sign_in_links", "user_id", "user"),
    ("source_records", "contact_id", "contacts"), ("source_records", "location_id", "locations"), ("source_records", "organization_id", "organizations"),
    ("tickets", "contact_id", "contacts"), ("tickets", "organization_id", "organizations"),
    ("allocations", "invoice_id", "invoices"), ("allocations", "payment_id", "payments"),
    ("consent_events", "contact_id", "contacts"), ("contact_addresses", "contact_id", "contacts"),
    ("contact_consents", "contact_id", "contacts"), ("contact_consents", "event_id", "consent_events"),
    ("contact_custom_values", "contact_id", "contacts"), ("contact_custom_values", "field_id", "custom_fields"),
    ("contact_emails", "contact_id", "contacts"), ("contact_merges", "merged_id", "contacts"), ("contact_merges", "survivor_id", "contacts"),
    ("contact_match_keys", "contact_id", "contacts"),
    ("contact_notes", "contact_id", "contacts"), ("contact_phones", "contact_id", "contacts"), ("contact_tags", "contact_id", "contacts"),
    ("contact_update_proposals", "contact_id", "contacts"),
    ("contacts", "default_address_id", "contact_addresses"), ("contacts", "merged_into", "contacts"),
    ("credit_notes", "invoice_id", "invoices"), ("disputes", "organization_id", "organizations"), ("disputes", "payment_id", "payments"),
    ("duplicate_suggestions", "contact_id", "contacts"), ("duplicate_suggestions", "other_id", "contacts"),
    ("household_members", "contact_id", "contacts"), ("household_members", "household_id", "households"),
    ("invoice_lines", "invoice_id", "invoices"), ("invoice_lines", "job_id", "jobs"), ("invoice_lines", "service_id", "services"),
    ("invoices", "contact_id", "contacts"), ("invoices", "job_id", "jobs"), ("invoices", "organization_id", "organizations"),
    ("invoices", "recurring_invoice_id", "recurring_invoices"), ("invoices", "quote_id", "quotes"),
    ("job_series", "address_id", "contact_addresses"), ("job_series", "assignee_id", "reps"), ("job_series", "contact_id", "contacts"),
    ("job_series", "organization_id", "organizations"), ("job_series", "service_id", "services"), ("job_series", "split_from", "job_series"),
    ("jobs", "address_id", "contact_addresses"), ("jobs", "assignee_id", "reps"), ("jobs", "contact_id", "contacts"),
    ("jobs", "organization_id", "organizations"), ("jobs", "series_id", "job_series"), ("jobs", "service_id", "services"),
    ("ledger_entries", "contact_id", "contacts"), ("ledger_entries", "invoice_id", "invoices"),
    ("ledger_entries", "organization_id", "organizations"), ("ledger_entries", "payment_id", "payments"),
    ("payments", "contact_id", "contacts"), ("payments", "quote_id", "quotes"),
    ("recurring_invoices", "contact_id", "contacts"), ("recurring_invoices", "organization_id", "organizations"),
    ("refunds", "invoice_id", "invoices"), ("refunds", "payment_id", "payments"),
    ("reminders", "contact_id", "contacts"), ("reminders", "invoice_id", "invoices"), ("reminders", "job_id", "jobs"),
    ("subscriptions", "organization_id", "organizations"),
    ("campaign_chunks", "campaign_id", "campaigns"), ("campaign_sends", "campaign_id", "campaigns"),
    ("campaign_sends", "consent_event_id", "consent_events"), ("campaign_sends", "contact_id", "contacts"),
    ("campaigns", "segment_id", "segments"), ("campaigns", "template_id", "message_templates"), ("email_messages", "contact_id", "contacts"),
    ("message_events", "campaign_send_id", "campaign_sends"), ("message_events", "contact_id", "contacts"),
    ("message_events", "email_message_id", "email_messages"), ("message_events", "reminder_id", "reminders"),
    ("reminders", "consent_event_id", "consent_events"), ("segment_members", "contact_id", "contacts"), ("segment_members", "segment_id", "segments"),
    ("suppressions", "contact_id", "contacts"),
]  # fmt: skip


@pytest.fixture
def ours(tenant, admin_engine):
    return one_of_everything(admin_engine, tenant)


@pytest.fixture
def theirs(other_tenant, admin_engine):
    return one_of_everything(admin_engine, other_tenant)


def snapshot(engine, tenant, table):
    with engine.connect() as connection:
        return connection.execute(
            text(f"select t::text, xmin::text from {table} t where tenant_id = :t order by 1"), {"t": tenant.id}
        ).all()


def test_the_rows_cover_every_table():
    assert set(ROWS) | {"tenants", "memberships", "api_keys"} == set(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_a_tenant_sees_its_own_rows_alone(ours, theirs, tx, tenant, table):
    assert {row[0] for row in tx.execute(text(f"select tenant_id from {table}"))} == {tenant.id}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("verb", ["update", "delete"])
def test_a_tenant_changes_its_own_rows_alone(ours, theirs, tx, tenant, other_tenant, admin_engine, table, verb):
    before = snapshot(admin_engine, other_tenant, table)
    assert before
    statement = f"update {table} set tenant_id = tenant_id" if verb == "update" else f"delete from {table}"
    refused = None
    try:
        tx.execute(text(statement))
        tx.connection.commit()
    except DatabaseError as refusal:
        refused = db.sqlstate(refusal)

    # No right to do it at all, or a row of our own is referred to: either way nothing of theirs was touched.
    assert refused in {None, "42501", "23503"}
    assert snapshot(admin_engine, other_tenant, table) == before


@pytest.mark.parametrize("table", sorted(ROWS))
def test_a_tenant_cannot_write_for_another(ours, theirs, tx, other_tenant, table):
    # Our own row again, under their name: refused by row security before any key could collide.
    columns = ", ".join(column.name for column in metadata.tables[table].c if column.name not in {"tenant_id", *GENERATED})
    with pytest.raises(DatabaseError) as refusal:
        tx.execute(
            text(f"insert into {table} (tenant_id, {columns}) select cast(:t as uuid), {columns} from {table} limit 1"),
            {"t": other_tenant.id},
        )

    assert db.sqlstate(refusal.value) == "42501"
    assert "row-level security" in str(refusal.value)


@pytest.mark.parametrize("table", sorted(RECORDS))
@pytest.mark.parametrize("verb", ["update", "delete"])
def test_what_is_a_record_stays_as_written(ours, tx, table, verb):
    with pytest.raises(DatabaseError) as refusal:
        tx.execute(text(f"update {table} set tenant_id = tenant_id" if verb == "update" else f"delete from {table}"))

    assert db.sqlstate(refusal.value) == "42501"


@pytest.mark.parametrize("table", TABLES)
def test_without_a_tenant_there_is_nothing(ours, table):
    tx = db.begin(db.Anonymous())
    assert tx.execute(text(f"select count(*) from {table}")).scalar() == 0
    db.rollback(tx)


# A link is a member's or a contact's, a reminder of a job or an invoice, and who was merged is deleted: their checks would refuse
# before the reference is looked at.
OTHERS = {
    ("sign_in_links", "contact_id"): ", user_id = null",
    ("contacts", "merged_into"): ", deleted_at = now()",
    ("reminders", "invoice_id"): ", job_id = null, type = 'invoice_due'",
    ("message_events", "email_message_id"): ", campaign_send_id = null",
    ("message_events", "reminder_id"): ", campaign_send_id = null",
}


@pytest.mark.parametrize(("table", "column", "target"), REFERENCES)
def test_a_reference_stays_within_the_tenant(ours, theirs, tenant, admin_engine, table, column, target):
    others = OTHERS.get((table, column), "")
    # As superuser, so that the foreign key alone has to hold: its check ignores row security.
    statement = text(f"update {table} set {column} = :foreign{others} where tenant_id = :t")
    with admin_engine.connect() as connection, pytest.raises(DatabaseError) as refusal:
        connection.execute(statement, {"foreign": theirs.ids[target], "t": tenant.id})

    assert db.sqlstate(refusal.value) == "23503"


def test_every_reference_is_listed(admin_engine):
    with admin_engine.connect() as connection:
        known = connection.execute(
            text("""select c.conrelid::regclass::text, a.attname from pg_constraint c
                      join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[2]
                     where c.contype = 'f' and c.connamespace = 'public'::regnamespace and cardinality(c.conkey) = 2""")
        ).all()

    assert {tuple(one) for one in known} <= {(table, column) for table, column, _ in REFERENCES}


def test_every_table_forces_row_security(admin_engine):
    with admin_engine.connect() as connection:
        loose = connection.execute(
            text("""select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
                     where n.nspname = 'public' and c.relkind = 'r' and c.relname <> 'alembic_version'
                       and not (c.relrowsecurity and c.relforcerowsecurity)""")
        ).scalars()
        assert list(loose) == []


def test_plans_are_made_for_large_tenants_and_for_all_of_them_alike(admin_engine):
    with admin_engine.connect() as connection:
        connection.execute(text("analyze"))
        otherwise = connection.execute(
            text("""select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
                      join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
                      left join pg_stats s on (s.schemaname, s.tablename, s.attname) = (n.nspname, c.relname, a.attname)
                     where n.nspname in ('public', 'identity') and c.relkind = 'r'
                       and (a.attstattarget is distinct from 0 or s.n_distinct is distinct from 20 or s.most_common_vals is not null)""")
        ).scalars()
        assert list(otherwise) == [], "their migration has to see to it: see 0008_tenants_alike.sql"


@pytest.mark.parametrize("table", TABLES)
def test_one_policy_and_no_wider_one_holds_for_the_roles_that_code_runs_as(admin_engine, table):
    # Permissive policies add up: a second one could only let more through. A restrictive one only takes away.
    with admin_engine.connect() as connection:
        policies = connection.execute(
            text("""select cmd, qual, with_check from pg_policies
                     where schemaname = 'public' and tablename = :t and permissive = 'PERMISSIVE'
                           and roles && '{public,clientway_app,clientway_job}'::name[]"""),
            {"t": table},
        ).all()

    own = "(tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid)"
    assert [tuple(one) for one in policies] == [("ALL", own, own)]


def test_no_role_of_ours_goes_around_row_security(admin_engine):
    with admin_engine.connect() as connection:
        mighty = connection.execute(
            text("select rolname from pg_roles where starts_with(rolname, 'clientway_') and (rolsuper or rolbypassrls or rolcreaterole)")
        ).scalars()
        assert list(mighty) == []


@pytest.mark.parametrize("kind", ["session", "portal"])
def test_every_kind_of_credential_enters(ours, tenant, kind):
    roles = ("portal",) if kind == "portal" else access.VIEWERS
    tx = db.begin(db.Credential(tokens.digest(getattr(ours, kind)), roles))

    assert tx.tenant_id == tenant.id
    assert tx.actor.kind == {"session": "user", "portal": "portal"}[kind]
    db.rollback(tx)


def test_search_stays_within_the_tenant(ours, theirs, tx):
    # Each through what only it says of itself: an organization is found through its contacts as well.
    found = [
        tx.execute(text(f"select app.search_{table}(:pattern, 10)"), {"pattern": pattern}).scalars().all()
        for table, pattern in (("organizations", "%blue bistro%"), ("organizations", "%ana@%"), ("contacts", "%ana@%"))
    ]

    assert found == [[ours.ids["organizations"]], [ours.ids["organizations"]], [ours.ids["contacts"]]]


def test_work_is_handed_out_over_all_tenants(ours, theirs, tenant, other_tenant, admin_engine):
    with admin_engine.connect() as connection:
        connection.execute(
            text("update outbox set available_at = now() - interval '1 day' where tenant_id in (:a, :b)"),
            {"a": tenant.id, "b": other_tenant.id},
        )
    with db.job_connection() as connection:
        claimed = connection.execute(text("select tenant_id from app.claim_outbox(1000, interval '1 minute', gen_random_uuid())")).scalars()

        assert {tenant.id, other_tenant.id} <= set(claimed)


@pytest.mark.parametrize("table", ["person_key", "contact_person"])
@pytest.mark.parametrize("entry", ["app", "job"])
def test_nobody_reads_who_people_are(tenant, table, entry):
    tx = db.begin(db.Job(tenant.id) if entry == "job" else db.Credential(tokens.digest(tenant.admin), access.ADMINS))
    with pytest.raises(DatabaseError) as refusal:
        tx.execute(text(f"select * from identity.{table}"))
    db.rollback(tx)

    assert db.sqlstate(refusal.value) == "42501"


def test_colleagues_are_seen_and_strangers_are_not(ours, theirs, tx, tenant):
    assert {row[0] for row in tx.execute(text("select id from users"))} == {tenant.user_id}


def test_the_core_tables_are_those_of_the_database(admin_engine):
    with admin_engine.connect() as connection:
        rows = connection.execute(
            text("select table_name, column_name from information_schema.columns where table_schema = 'public'")
        ).all()
    known = {(table.name, column.name) for table in metadata.tables.values() for column in table.c}

    assert known == {tuple(row) for row in rows if row[0] not in {"alembic_version", "clients_legacy"}}
