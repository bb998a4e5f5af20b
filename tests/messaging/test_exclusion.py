"""Whom nothing is sent to: one expression, which says why."""

import time
from uuid import uuid4

import pytest
from sqlalchemy import text

from clientway import db
from clientway.messaging.policy import sql
from clientway.messaging.suppressions import service as suppressions
from tests import plans
from tests.messaging.campaigning import Stage

EVERY = [("email", "marketing"), ("email", "transactional"), ("sms", "marketing"), ("sms", "transactional")]


@pytest.fixture
def stage(admin_engine, tenant, invoke):
    return Stage(admin_engine, tenant, invoke)


def why_not(tenant, person, channel, purpose):
    with db.job_transaction(tenant.id) as tx:
        statement = f"select {sql.exclusion(channel, purpose)} from contacts c {sql.joins(channel, purpose)} where c.tenant_id = app.tenant() and c.id = :c"
        return tx.scalar(text(statement), {"c": person})


def reasons(tenant, person):
    return tuple(why_not(tenant, person, *one) for one in EVERY)


def reachable(stage, **columns):
    return stage.person(phone="+13055550199", phone_e164="+13055550199", **columns)


def test_what_needs_no_consent_goes_and_a_marketing_text_does_not(stage, tenant):
    assert reasons(tenant, reachable(stage)) == (None, None, "consent_missing", None)


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"deleted_at": "2026-01-01T00:00:00Z"}, ("deleted",) * 4),
        ({"do_not_contact": True}, ("do_not_contact",) * 4),
        ({"unsubscribed_at": "2026-01-01T00:00:00Z"}, ("unsubscribed", None, None, None)),
        ({"email": None, "email_norm": None}, ("no_address", "no_address", None, None)),
        ({"email": "no address", "email_norm": None}, ("no_address", "no_address", None, None)),
        ({"phone": "555", "phone_e164": None}, (None, None, "no_address", "no_address")),
        ({"deleted_at": "2026-01-01T00:00:00Z", "do_not_contact": True, "email": None, "email_norm": None}, ("deleted",) * 4),
    ],
)
def test_what_stands_in_the_contact(stage, tenant, columns, found):
    person = stage.person(**{"phone": "+13055550199", "phone_e164": "+13055550199", **columns})
    stage.consent(person, "sms", "granted")

    assert reasons(tenant, person) == found


def test_a_blacklisted_organization_gets_nothing(stage, tenant):
    place = uuid4()
    stage.run(
        """insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text, lifecycle_stage)
           values (:t, :o, 'Bistro', :s, 'bistro', '', 'blacklist')""",
        o=place, s=place.hex,
    )  # fmt: skip

    assert reasons(tenant, reachable(stage, organization_id=place)) == ("blacklisted",) * 4


@pytest.mark.parametrize(
    ("channel", "purpose", "state", "found"),
    [
        ("email", "marketing", "denied", ("consent_denied", None, "consent_missing", None)),
        ("email", "marketing", "granted", (None, None, "consent_missing", None)),
        ("email", "transactional", "denied", (None, "consent_denied", "consent_missing", None)),
        ("sms", "marketing", "granted", (None, None, None, None)),
        ("sms", "marketing", "denied", (None, None, "consent_denied", None)),
        ("sms", "transactional", "denied", (None, None, "consent_missing", "consent_denied")),
        ("phone", "marketing", "denied", (None, None, "consent_missing", None)),
    ],
)
def test_what_the_ledger_says(stage, tenant, channel, purpose, state, found):
    person = reachable(stage)
    stage.consent(person, channel, state, purpose)

    assert reasons(tenant, person) == found


def test_a_tenant_may_want_a_consent_for_marketing_mail_too(stage, tenant):
    stage.settings(marketing_email_needs_consent=True)
    asked, unasked = reachable(stage), reachable(stage)
    stage.consent(asked, "email", "granted")

    assert reasons(tenant, asked) == (None, None, "consent_missing", None)
    assert reasons(tenant, unasked) == ("consent_missing", None, "consent_missing", None)


def test_a_suppressed_address_gets_nothing_on_its_channel_until_it_is_lifted(stage, tenant, other_tenant):
    person = reachable(stage, email="ana@bistro.example", email_norm="ana@bistro.example")
    with db.job_transaction(other_tenant.id) as tx:
        suppressions.suppress(tx, "email", "ana@bistro.example", "hard_bounce")
    assert reasons(tenant, person)[0] is None

    with db.job_transaction(tenant.id) as tx:
        suppressions.suppress(tx, "email", " ANA@Bistro.example", "hard_bounce")
    assert reasons(tenant, person) == ("suppressed", "suppressed", "consent_missing", None)
    with db.job_transaction(tenant.id) as tx:
        assert suppressions.lift(tx, "email", "ana@bistro.example", reason="hard_bounce", why="It works again")
    assert reasons(tenant, person)[0] is None
    with db.job_transaction(tenant.id) as tx:
        suppressions.suppress(tx, "sms", "+1 305 555 0199", "stop")
        suppressions.suppress(tx, "sms", "+1 305 555 0199", "manual")
    assert reasons(tenant, person) == (None, None, "suppressed", "suppressed")


def test_the_first_reason_is_the_one_that_weighs_most(stage, tenant):
    person = reachable(stage, email="b@bistro.example", email_norm="b@bistro.example", unsubscribed_at="2026-01-01T00:00:00Z")
    with db.job_transaction(tenant.id) as tx:
        suppressions.suppress(tx, "email", "b@bistro.example", "complaint")
    assert why_not(tenant, person, "email", "marketing") == "suppressed"
    stage.run("update contacts set do_not_contact = true where tenant_id = :t")
    assert why_not(tenant, person, "email", "marketing") == "do_not_contact"


def test_zones_and_consent_are_columns(stage, tenant):
    person, place = reachable(stage, time_zone="America/Denver"), uuid4()
    stage.run(
        "insert into contact_addresses (tenant_id, id, contact_id, address1, state, time_zone) values (:t, :a, :c, 'x', 'TX', 'America/Chicago')",
        a=place, c=person,
    )  # fmt: skip
    stage.run("update contacts set default_address_id = :a where tenant_id = :t", a=place)
    stage.consent(person, "sms", "granted")
    with db.job_transaction(tenant.id) as tx:
        statement = (
            f"select {sql.ZONES}, {sql.CONSENT} as consent, {sql.ADDRESS['sms']} as address from contacts c {sql.joins('sms', 'marketing')}"
            " where c.tenant_id = app.tenant()"
        )
        row = tx.execute(text(statement)).one()

    zones = (row.contact_zone, row.address_zone, row.address_state, row.phone, row.tenant_zone)
    assert zones == ("America/Denver", "America/Chicago", "TX", "+13055550199", "UTC")
    assert row.consent is not None
    assert row.address == "+13055550199"


def test_only_the_two_closed_words_become_text_of_a_statement():
    for channel, purpose in (("fax", "marketing"), ("email", "x' or true --")):
        with pytest.raises(ValueError, match="no such message"):
            sql.exclusion(channel, purpose)
        with pytest.raises(ValueError, match="no such message"):
            sql.joins(channel, purpose)


# Triggers write a row more for each contact, which is not what is looked at here.
SEED = """
set session_replication_role = replica;

insert into contacts (tenant_id, id, slug, name_norm, search_text, email, email_norm, phone, phone_e164)
select :t, md5(:s || 'c' || n)::uuid, 'c-' || n, '', '', 'p' || n || '@people.example', 'p' || n || '@people.example', '+1305' || (1000000 + n),
       '+1305' || (1000000 + n)
  from generate_series(1, :rows) n;

insert into contact_consents (tenant_id, contact_id, channel, purpose, state, event_id, since)
select :t, md5(:s || 'c' || n)::uuid, 'sms', 'marketing', case when mod(n, 5) = 0 then 'denied' else 'granted' end, md5(:s || n)::uuid, now()
  from generate_series(1, :rows, 2) n;

insert into suppressions (tenant_id, id, channel, address_hash, reason)
select :t, md5(:s || 's' || n)::uuid, 'sms', encode(sha256(convert_to(cast(:t as uuid)::text || ':sms:+1305' || (1000000 + n), 'UTF8')), 'hex'), 'stop'
  from generate_series(1, :rows, 50) n;

reset session_replication_role
"""


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    """So many people, half of them asked, two in a hundred gone; 100,000 took 0.24 s."""
    return plans.seed(admin_engine, SEED, analyze=("contacts", "contact_consents", "suppressions"))


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def test_all_of_a_large_tenant_are_looked_at_at_once(crowd):
    statement = f"""select x.reason, count(*) from (select {sql.exclusion("sms", "marketing")} as reason
      from contacts c {sql.joins("sms", "marketing")} where c.tenant_id = app.tenant()) x group by x.reason"""
    with db.job_transaction(crowd.id) as tx:
        started = time.perf_counter()
        found = dict(tx.execute(text(statement)).all())
        seconds = time.perf_counter() - started
        plan = tx.scalar(text(f"explain (analyze, format json) {statement}"))
    root = plan[0]["Plan"]
    print(f"{plans.ROWS:,} people in {seconds:.2f} s")

    hundredth = plans.ROWS // 100
    assert found == {None: 38 * hundredth, "consent_denied": 10 * hundredth, "consent_missing": 50 * hundredth, "suppressed": 2 * hundredth}
    # The quicker counts: either may have waited for a processor.
    assert min(seconds, plan[0]["Execution Time"] / 1000) < 1, plans.outline(root)
    # Nothing is looked at for each of them but themselves.
    loops = [node for node in nodes(root) if node["Actual Loops"] * max(1, node["Actual Rows"]) > 2 * plans.ROWS]
    assert loops == [], plans.outline(root)
    joined = {
        child.get("Relation Name") for node in nodes(root) if node["Node Type"] in ("Hash Join", "Merge Join") for child in nodes(node)
    }
    assert {"contacts", "contact_consents", "suppressions"} <= joined, plans.outline(root)
