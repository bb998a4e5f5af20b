"""Client accounts and their health, on real PostgreSQL."""

import random
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from clientway import db
from clientway.ids import uuid7
from clientway.lifecycle.accounts import reports
from clientway.lifecycle.accounts.health import Inputs, explain
from clientway.lifecycle.accounts.schemas import AccountHealthReport, Billing, ClientAccount
from clientway.schemas import Page
from tests.lifecycle.bills import dispute, invoice, payment
from tests.lifecycle.test_stages import add, organization, stage_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def account(invoke, tenant, admin_engine):
    """A client with a plan: its organization's id and its account's."""
    one = organization(admin_engine, tenant)
    answer = invoke(
        "lifecycle/organization_convert_to_client", path={"organization_id": one}, body={"support_plan_tier": "core", "mrr_cents": 49900}
    )
    return one, UUID(answer.json["id"])


def test_an_account_reads_as_its_schema_says(invoke, account):
    answer = invoke("lifecycle/client_account", path={"client_account_id": account[1]})

    assert ClientAccount.model_validate_json(answer.body).support_plan_tier == "core"
    assert answer.etag == f'"{answer.json["version"]}"'


@pytest.mark.parametrize(
    "query", [{"status": "active"}, {"tier": "core"}, {"risk": "medium"}, {"updated_since": "2020-01-01T00:00:00Z"}, {"sort": "created_at"}]
)
def test_the_list_filters(invoke, account, query):
    answer = invoke("lifecycle/client_accounts", query=query)

    assert [one.id for one in Page[ClientAccount].model_validate_json(answer.body).data] == [account[1]]


def test_the_list_refuses_what_it_does_not_know(invoke, account):
    assert invoke("lifecycle/client_accounts", query={"status": "asleep"}).status == 400
    assert invoke("lifecycle/client_accounts", query={"sort": "mrr_cents"}).status == 400
    assert invoke("lifecycle/client_accounts", query={"status": "paused"}).json["data"] == []


def test_a_change_needs_the_current_version(invoke, account):
    path, body = {"client_account_id": account[1]}, {"mrr_cents": 59900}

    def change(**headers):
        return invoke("lifecycle/client_account", method="PATCH", path=path, body=body, headers=headers)

    first = change(**{"If-Match": invoke("lifecycle/client_account", path=path).etag})
    assert (first.status, first.json["mrr_cents"]) == (200, 59900)
    assert change().status == 428
    stale = change(**{"If-Match": '"1"'})
    assert (stale.status, stale.etag) == (412, first.etag)


def test_cancelling_churns_and_a_payment_wins_back(invoke, account, tenant, admin_engine):
    one, account_id = account
    path = {"client_account_id": account_id}
    etag = invoke("lifecycle/client_account", path=path).etag

    answer = invoke("lifecycle/client_account", method="PATCH", path=path, body={"status": "cancelled"}, headers={"If-Match": etag})

    assert (answer.json["status"], stage_of(admin_engine, one)) == ("churned", "churned")
    with admin_engine.connect() as connection:
        payment(connection, tenant.id, one, 100, datetime.now(UTC))
    add(invoke, one, "email_clicked")
    assert stage_of(admin_engine, one) == "client"
    assert invoke("lifecycle/client_account", path=path).json["status"] == "active"


def test_another_tenants_account_is_404(invoke, account, other_tenant):
    for function in ("client_account", "client_account_health", "client_account_billing"):
        assert invoke(f"lifecycle/{function}", path={"client_account_id": account[1]}, token=other_tenant.admin).status == 404


def test_billing_adds_up(invoke, account, tenant, admin_engine):
    with admin_engine.connect() as connection:
        payment(connection, tenant.id, account[0], 100, NOW)
        invoice(connection, tenant.id, account[0], 250, "2026-01-01")
        invoice(connection, tenant.id, account[0], 50, "2099-01-01")

    payments = Billing.model_validate_json(invoke("lifecycle/client_account_billing", path={"client_account_id": account[1]}).body).payments

    assert (payments.paid_cents, payments.due_cents, payments.overdue_cents) == (100, 300, 250)


def seed_facts(engine, tenant, seed, accounts=40):
    """Random rows of everything the score counts; returns the accounts' ids."""
    draw = random.Random(seed)
    made = []
    with engine.connect() as connection:
        for _ in range(accounts):
            one, account_id = organization(engine, tenant, "client"), uuid7()
            made.append(account_id)
            connection.execute(
                text(
                    "insert into client_accounts (tenant_id, id, organization_id, client_since, status, nps_score) values (:t, :i, :o, :s, :st, :nps)"
                ),
                {
                    "t": tenant.id,
                    "i": account_id,
                    "o": one,
                    "s": NOW - timedelta(days=draw.randrange(1500)),
                    "st": draw.choice(["active"] * 5 + ["cancelled"]),
                    "nps": draw.choice([None, -50, 0, 70]),
                },
            )
            base = {"t": tenant.id, "o": one}
            if draw.random() < 0.5:
                connection.execute(
                    text(
                        "insert into contacts (tenant_id, id, organization_id, slug, name_norm, search_text, portal_enabled) values (:t, :i, :o, :s, '', '', true)"
                    ),
                    {**base, "i": uuid7(), "s": f"c-{account_id}"},
                )
            for _ in range(draw.randrange(12)):
                kind = draw.choice(
                    ["email_sent", "email_sent", "email_clicked", "email_replied", "portal_login", "call_outbound", "note_added"]
                )
                connection.execute(
                    text("""insert into activities (tenant_id, id, organization_id, activity_type, title, performed_by_type, occurred_at, machine)
                            values (:t, :i, :o, :k, 'x', 'job', :at, :m)"""),
                    {**base, "i": uuid7(), "k": kind, "at": NOW - timedelta(hours=draw.randrange(24 * 120)), "m": draw.random() < 0.2},
                )
            for _ in range(draw.randrange(4)):
                paid, due = draw.random() < 0.6, NOW.date() - timedelta(days=draw.randrange(-20, 500))
                paid_at = datetime.combine(due, datetime.min.time(), UTC) + timedelta(days=draw.randrange(-5, 6)) if paid else None
                invoice(connection, tenant.id, one, 100, due, paid_at)
                if paid and draw.random() < 0.1:
                    dispute(connection, tenant.id, one, payment(connection, tenant.id, one, 100, paid_at))
            for _ in range(draw.randrange(3)):
                connection.execute(
                    text("insert into nps_answers (tenant_id, id, organization_id, score, answered_at) values (:t, :i, :o, :s, :at)"),
                    {**base, "i": uuid7(), "s": draw.randrange(11), "at": NOW - timedelta(days=draw.randrange(250))},
                )
    return made


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_set_based_score_is_the_explained_score(tenant, admin_engine, seed):
    accounts = seed_facts(admin_engine, tenant, seed)

    with db.job_transaction(tenant.id, now=NOW) as tx:
        assert reports.recalculate(tx) == len(accounts)
        for account_id in accounts:
            report = reports.live(tx, account_id)
            kept = tx.execute(
                text(
                    "select a.health_score, a.churn_risk, s.inputs from client_accounts a join health_snapshots s on s.client_account_id = a.id where a.id = :i"
                ),
                {"i": account_id},
            ).one()
            replayed = explain(Inputs(**kept.inputs))
            assert (kept.health_score, kept.churn_risk) == (report.score, report.churn_risk) == (replayed.score, replayed.risk), (
                f"seed {seed}"
            )
            assert sum(part.contribution for part in report.components) + sum(step.points for step in report.adjustments) == pytest.approx(
                report.score
            )
            assert set(kept.inputs) == {field.name for field in fields(Inputs)}


def test_only_changed_accounts_are_scored_again(tenant, admin_engine):
    seed_facts(admin_engine, tenant, 5, accounts=5)
    with db.job_transaction(tenant.id, now=NOW) as tx:
        assert reports.recalculate(tx, batch=3) == 3
    with db.job_transaction(tenant.id, now=NOW) as tx:
        assert reports.recalculate(tx, batch=3) == 2
    with db.job_transaction(tenant.id, now=NOW) as tx:
        assert reports.recalculate(tx) == 0

    with admin_engine.connect() as connection:
        one = connection.execute(
            text("select organization_id from client_accounts where tenant_id = :t limit 1"), {"t": tenant.id}
        ).scalar()
    with db.job_transaction(tenant.id, now=NOW) as tx:
        tx.execute(text("insert into tickets (id, organization_id, subject) values (:i, :o, 'Leaking tap')"), {"i": uuid7(), "o": one})
    with db.job_transaction(tenant.id, now=NOW) as tx:
        assert reports.recalculate(tx) == 1


def test_a_past_score_is_replayed(invoke, tenant, admin_engine):
    [account_id] = seed_facts(admin_engine, tenant, 9, accounts=1)
    with db.job_transaction(tenant.id, now=NOW) as tx:
        reports.recalculate(tx)
    path = {"client_account_id": account_id}

    past = invoke("lifecycle/client_account_health", path=path, query={"as_of": "2026-11-25"})
    report = AccountHealthReport.model_validate_json(past.body)

    assert (past.status, str(report.as_of), len(report.components)) == (200, "2026-11-21", 5)
    assert invoke("lifecycle/client_account_health", path=path, query={"as_of": "2020-01-01"}).status == 404
    assert invoke("lifecycle/client_account_health", path=path).status == 200


def test_the_schedule_serves_every_tenant(ours_alone, tenant, other_tenant, admin_engine):
    import json
    from pathlib import Path

    from lifecycle import recalculate_health
    from tests.fixtures import EVENTS, LambdaContext

    for one in (tenant, other_tenant):
        seed_facts(admin_engine, one, 3, accounts=2)
    event = json.loads(Path(EVENTS / "lifecycle/recalculate_health.json").read_text())

    recalculate_health.handler(event, LambdaContext())

    with admin_engine.connect() as connection:
        left = text("select count(*) from client_accounts where tenant_id in (:a, :b) and health_computed_at is null")
        assert connection.execute(left, {"a": tenant.id, "b": other_tenant.id}).scalar() == 0


def test_a_viewer_may_read_and_not_change(invoke, account, tenant):
    path = {"client_account_id": account[1]}
    etag = invoke("lifecycle/client_account", path=path, token=tenant.viewer).etag

    refused = invoke(
        "lifecycle/client_account", method="PATCH", path=path, body={"mrr_cents": 1}, headers={"If-Match": etag}, token=tenant.viewer
    )

    assert (refused.status, invoke("lifecycle/client_account", path=path).etag) == (403, etag)


def test_a_rep_of_another_tenant_is_refused_and_nothing_is_written(invoke, account, tenant, other_tenant, admin_engine):
    path, reps = {"client_account_id": account[1]}, {}
    with admin_engine.connect() as connection:
        for one in (tenant, other_tenant):
            reps[one.id] = uuid7()
            connection.execute(
                text("insert into reps (tenant_id, id, slug, name) values (:t, :i, 'ann', 'Ann')"), {"t": one.id, "i": reps[one.id]}
            )
    headers = {"If-Match": invoke("lifecycle/client_account", path=path).etag}

    refused = invoke(
        "lifecycle/client_account", method="PATCH", path=path, body={"assigned_rep_id": reps[other_tenant.id]}, headers=headers
    )
    taken = invoke("lifecycle/client_account", method="PATCH", path=path, body={"assigned_rep_id": reps[tenant.id]}, headers=headers)

    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "#/assigned_rep_id")
    assert (taken.status, taken.json["assigned_rep"]["slug"]) == (200, "ann")
    assert len(invoke("lifecycle/client_accounts", query={"rep": "ann"}).json["data"]) == 1


def test_an_open_dispute_caps_the_score_and_the_change_of_risk_is_told(invoke, account, tenant, admin_engine):
    path = {"client_account_id": account[1]}
    with admin_engine.connect() as connection:
        invoice(connection, tenant.id, account[0], 100, "2020-01-01", "2020-01-01T00:00:00Z")
        dispute(connection, tenant.id, account[0], payment(connection, tenant.id, account[0], 100, "2020-01-01T00:00:00Z"))
    with db.job_transaction(tenant.id) as tx:
        assert reports.recalculate(tx) == 1

    report = AccountHealthReport.model_validate_json(invoke("lifecycle/client_account_health", path=path).body)

    assert (report.capped_by, report.score, report.adjustments[-1].name) == ("open_dispute", 49, "cap_open_dispute")
    with admin_engine.connect() as connection:
        [told] = connection.execute(
            text("select payload from outbox where tenant_id = :t and topic = 'client_account.risk_changed'"), {"t": tenant.id}
        ).scalars()
    assert told == {"client_account_id": str(account[1]), "from": "medium", "to": "high"}


def test_a_change_that_meets_a_recalculation_is_not_forgotten(account, tenant, admin_engine):
    """The writer waits for the recalculation that has not seen it, and marks the account again."""
    from concurrent.futures import ThreadPoolExecutor
    from time import sleep

    def ticket():
        with db.job_transaction(tenant.id) as tx:
            tx.execute(
                text("insert into tickets (id, organization_id, subject) values (:i, :o, 'Leaking tap')"), {"i": uuid7(), "o": account[0]}
            )

    with ThreadPoolExecutor() as pool:
        with db.job_transaction(tenant.id) as tx:
            assert reports.recalculate(tx) == 1
            writing = pool.submit(ticket)
            sleep(0.3)
            assert not writing.done()
        writing.result()
    with db.job_transaction(tenant.id) as tx:
        assert reports.recalculate(tx) == 1


def test_a_failing_tenant_keeps_nobody_waiting_and_is_taken_up_later(tenant, other_tenant, admin_engine):
    for one in (tenant, other_tenant):
        seed_facts(admin_engine, one, 4, accounts=2)

    def transaction(tenant_id):
        if tenant_id == tenant.id:
            raise db.Unavailable("gone", fresh=False)
        return db.job_transaction(tenant_id, now=NOW)

    with pytest.raises(ExceptionGroup):
        reports.recalculate_all([tenant.id, other_tenant.id], transaction, until=lambda: False)

    with db.job_transaction(other_tenant.id, now=NOW) as tx:
        assert reports.recalculate(tx) == 0
    assert reports.recalculate_all([tenant.id], lambda one: db.job_transaction(one, now=NOW), until=lambda: False) == 2


def test_days_alone_score_again_and_keep_a_snapshot_only_when_the_score_moves(account, tenant, admin_engine):
    for days in range(3):
        with db.job_transaction(tenant.id, now=datetime.now(UTC) + timedelta(days=days)) as tx:
            assert reports.recalculate(tx) == 1
    with admin_engine.connect() as connection:
        assert connection.execute(text("select count(*) from health_snapshots where tenant_id = :t"), {"t": tenant.id}).scalar() == 1
