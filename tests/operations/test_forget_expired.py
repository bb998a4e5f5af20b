"""What has served its time is forgotten, and nothing else."""

import importlib

import pytest
from sqlalchemy import text

from tests.fixtures import LambdaContext

ROWS = {
    "idempotency_keys": "insert into idempotency_keys (tenant_id, principal, method, route, key, fingerprint, created_at) "
    "values (:t, 'p', 'POST', '/', gen_random_uuid()::text, '', now() - cast(:age as interval))",
    "sign_in_links": "insert into sign_in_links (tenant_id, id, user_id, token_hash, code_hash, nonce_hash, expires_at, created_at) values "
    "(:t, gen_random_uuid(), :u, encode(sha256(gen_random_uuid()::text::bytea), 'hex'), '', '', now(), now() - cast(:age as interval))",
    "outbox": "insert into outbox (tenant_id, id, topic, payload, sent_at) values (:t, gen_random_uuid(), 'mail', '{}', now() - cast(:age as interval))",
}


@pytest.mark.parametrize(
    ("table", "young", "old"),
    [("idempotency_keys", "71 hours", "73 hours"), ("sign_in_links", "25 hours", "49 hours"), ("outbox", "29 days", "31 days")],
)
def test_old_rows_go_and_young_ones_stay(ours_alone, tenant, other_tenant, admin_engine, table, young, old):
    with admin_engine.connect() as connection:
        for owner in (tenant, other_tenant):
            for age in (young, old):
                connection.execute(text(ROWS[table]), {"t": owner.id, "u": owner.user_id, "age": age})

        done = importlib.import_module("operations.forget_expired").handler({}, LambdaContext())

        assert done[table] == 2
        left = connection.execute(
            text(f"select count(*) from {table} where tenant_id in (:a, :b)"), {"a": tenant.id, "b": other_tenant.id}
        ).scalar()
    assert left == 2


def test_what_was_not_handed_over_stays_however_old(ours_alone, tenant, admin_engine):
    with admin_engine.connect() as connection:
        connection.execute(
            text(
                "insert into outbox (tenant_id, id, topic, payload, created_at) values (:t, gen_random_uuid(), 'mail', '{}', now() - interval '1 year')"
            ),
            {"t": tenant.id},
        )
        importlib.import_module("operations.forget_expired").handler({}, LambdaContext())

        assert connection.execute(text("select count(*) from outbox where tenant_id = :t"), {"t": tenant.id}).scalar() == 1
        connection.execute(text("update outbox set sent_at = now() where tenant_id = :t"), {"t": tenant.id})
