"""The database functions behind signing in: who may call them, and two at once."""

from concurrent.futures import ThreadPoolExecutor

from clientway import db, tokens
from clientway.identity.sign_in import queries

GRANTED = {"start_sign_in", "start_portal_sign_in", "finish_sign_in", "finish_portal_sign_in", "sign_in_oidc", "invite_member"}
BUILDING_BLOCKS = {"choose_tenant", "use_link", "open_session"}


def test_the_application_may_call_the_entrances_and_not_what_is_behind_them(sql):
    rows = sql(
        "select p.proname as name, has_function_privilege('clientway_app', p.oid, 'execute') as app, has_function_privilege('clientway_job', p.oid, 'execute') as job, "
        "p.prosecdef as definer, p.proconfig as settings, pg_get_userbyid(p.proowner) as owner "
        "from pg_proc p where p.pronamespace = 'app'::regnamespace and p.proname = any(:names)",
        names=sorted(GRANTED | BUILDING_BLOCKS),
    )

    assert {row["name"]: row["app"] for row in rows} == dict.fromkeys(GRANTED, True) | dict.fromkeys(BUILDING_BLOCKS, False)
    assert not [row["name"] for row in rows if row["job"]]
    assert {(row["definer"], tuple(row["settings"]), row["owner"]) for row in rows} == {(True, ('search_path=""',), "clientway_auth")}


def test_a_link_used_twice_at_once_opens_one_session(ask, sql, tenant):
    nonce, token, _ = ask()
    proof = {"nonce_hash": tokens.digest(nonce), "token_hash": tokens.digest(token), "code_hash": None}

    def use(_):
        tx = db.begin(db.Anonymous())
        opened = queries.finish(tx, proof, tokens.new("ses"), "test")
        db.commit(tx)
        return opened is not None

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(use, range(4))) == [False, False, False, True]
    assert len(sql("select 1 from sessions where tenant_id = :t", t=tenant.id)) == 1


def test_wrong_codes_at_once_are_all_counted(ask, verify, sql, tenant):
    nonce, _, code = ask()
    proof = {"nonce_hash": tokens.digest(nonce), "token_hash": None, "code_hash": "0" * 64}

    def guess(_):
        tx = db.begin(db.Anonymous())
        opened = queries.finish(tx, proof, tokens.new("ses"), "test")
        db.commit(tx)
        return opened

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(guess, range(12))) == {None}
    assert sql("select attempts from sign_in_links where tenant_id = :t", t=tenant.id)[0]["attempts"] == 5
    assert verify(nonce, code=code).status == 401


def test_signing_in_leaves_no_tenant_behind_on_the_connection(staff_session, sql):
    from sqlalchemy import text

    tx = db.begin(db.Anonymous())
    try:
        assert tx.scalar(text("select count(*) from sessions")) == 0
        assert tx.scalar(text("select app.tenant()")) is None
    finally:
        db.rollback(tx)
