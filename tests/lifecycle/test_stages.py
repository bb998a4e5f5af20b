"""Stages through the service and the handlers, on real PostgreSQL."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import text

from clientway import effects, tokens
from clientway.access import ADMINS
from clientway.db import Credential, begin, commit
from clientway.ids import uuid7
from clientway.lifecycle.stages import service
from clientway.lifecycle.stages.rules import Stage, StageMoveRefused
from clientway.lifecycle.stages.schemas import OrganizationStage, StageChange, Transition
from clientway.lifecycle.timeline import service as timeline
from clientway.lifecycle.timeline.rules import ActivityType
from clientway.lifecycle.timeline.schemas import ActivityCreate
from clientway.schemas import Page
from tests.served import eventually


def organization(engine, tenant, stage="lead", name="Blue Bistro") -> UUID:
    one = uuid7()
    with engine.connect() as connection:
        connection.execute(
            text("""insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text, lifecycle_stage)
                    values (:t, :i, :n, :s, :n, :n, :stage)"""),
            {"t": tenant.id, "i": one, "n": name, "s": f"o-{one}", "stage": stage},
        )
    return one


def stage_of(engine, one) -> str:
    with engine.connect() as connection:
        return connection.execute(text("select lifecycle_stage from organizations where id = :i"), {"i": one}).scalar()


def add(invoke, one, activity_type, **more):
    return invoke(
        "lifecycle/organization_activity", path={"organization_id": one}, body={"activity_type": activity_type, "title": "x", **more}
    )


def test_moving_by_hand_writes_the_chain_and_the_timeline(invoke, tenant, admin_engine):
    one = organization(admin_engine, tenant)

    answer = invoke("lifecycle/organization_stage_change", path={"organization_id": one}, body={"stage": "sql"})

    assert answer.status == 200
    assert OrganizationStage.model_validate_json(answer.body).stage is Stage.SQL
    chain = invoke("lifecycle/organization_transitions", path={"organization_id": one})
    [link] = Page[Transition].model_validate_json(chain.body).data
    assert (link.sequence, link.from_stage, link.to_stage, link.automatic, link.actor_type) == (1, "lead", "sql", False, "api_key")
    lines = invoke("lifecycle/organization_activity", path={"organization_id": one}).json["data"]
    assert [line["activity_type"] for line in lines] == ["stage_changed"]


def test_a_refused_move_names_the_legal_ones(invoke, tenant, admin_engine):
    one = organization(admin_engine, tenant, "blacklist")

    answer = invoke("lifecycle/organization_stage_change", path={"organization_id": one}, body={"stage": "client", "reason": "paid"})

    assert (answer.status, answer.json["code"], answer.json["legal"]) == (409, "stage_move_refused", ["lead"])
    assert stage_of(admin_engine, one) == "blacklist"


def test_a_step_back_needs_a_reason(invoke, tenant, admin_engine):
    one = organization(admin_engine, tenant, "sql")

    assert (
        invoke("lifecycle/organization_stage_change", path={"organization_id": one}, body={"stage": "lead"}).json["code"]
        == "move_reason_required"
    )


@pytest.mark.parametrize("function", ["organization_stage_change", "organization_convert_to_client"])
def test_another_tenants_organization_is_404_and_untouched(invoke, tenant, other_tenant, admin_engine, function):
    theirs = organization(admin_engine, other_tenant)
    body = {"stage": "sql"} if "stage" in function else {}

    assert invoke(f"lifecycle/{function}", path={"organization_id": theirs}, body=body).status == 404
    assert stage_of(admin_engine, theirs) == "lead"


def test_a_viewer_may_not_move(invoke, tenant, admin_engine):
    one = organization(admin_engine, tenant)

    answer = invoke("lifecycle/organization_stage_change", path={"organization_id": one}, body={"stage": "sql"}, token=tenant.viewer)

    assert (answer.status, answer.json["code"]) == (403, "forbidden")


def test_a_click_moves_forward_and_never_back(invoke, tenant, admin_engine):
    lead, client = organization(admin_engine, tenant), organization(admin_engine, tenant, "client", "Old Friend")

    assert add(invoke, lead, "email_clicked").status == 201
    assert add(invoke, client, "email_clicked").status == 201

    assert (stage_of(admin_engine, lead), stage_of(admin_engine, client)) == ("mql", "client")


def test_a_machines_open_is_no_interest_unless_the_tenant_says_so(invoke, tenant, admin_engine):
    one = organization(admin_engine, tenant)
    add(invoke, one, "email_opened", machine=True)
    assert stage_of(admin_engine, one) == "lead"

    with admin_engine.connect() as connection:
        connection.execute(text("update tenants set counts_machine_opens = true where tenant_id = :t"), {"t": tenant.id})
    add(invoke, one, "email_opened", machine=True)

    assert stage_of(admin_engine, one) == "mql"


def test_the_same_event_twice_is_one_line_and_one_move(invoke, tenant, admin_engine):
    one = organization(admin_engine, tenant)

    first = add(invoke, one, "email_replied", event_key="evt-1")
    second = add(invoke, one, "email_replied", event_key="evt-1")

    assert first.json["id"] == second.json["id"]
    with admin_engine.connect() as connection:
        count = text("select count(*) from lifecycle_transitions where organization_id = :i")
        assert connection.execute(count, {"i": one}).scalar() == 1


def test_a_step_back_by_hand_is_not_undone_by_old_facts(invoke, tenant, admin_engine):
    one = organization(admin_engine, tenant)
    add(invoke, one, "email_clicked")
    invoke("lifecycle/organization_stage_change", path={"organization_id": one}, body={"stage": "lead", "reason": "A competitor"})

    add(invoke, one, "note_added")
    add(invoke, one, "meeting_completed")
    assert stage_of(admin_engine, one) == "lead"

    add(invoke, one, "email_clicked")
    assert stage_of(admin_engine, one) == "mql"


def test_converting_opens_one_account_and_again_changes_nothing(invoke, tenant, admin_engine):
    one = organization(admin_engine, tenant)
    plan = {"support_plan_tier": "core", "mrr_cents": 49900, "support_minutes_included": 600}

    first = invoke("lifecycle/organization_convert_to_client", path={"organization_id": one}, body=plan)
    again = invoke("lifecycle/organization_convert_to_client", path={"organization_id": one}, body={**plan, "mrr_cents": 1})

    assert (first.status, first.json["organization"]["lifecycle_stage"], first.json["mrr_cents"]) == (200, "client", 49900)
    assert first.body == again.body
    assert first.etag == again.etag


def test_a_ban_silences_contacts_and_lifting_it_gives_no_consent_back(invoke, tenant, admin_engine):
    one = organization(admin_engine, tenant)
    with admin_engine.connect() as connection:
        connection.execute(
            text("insert into contacts (tenant_id, id, organization_id, slug, name_norm, search_text) values (:t, :i, :o, :s, '', '')"),
            {"t": tenant.id, "i": uuid7(), "o": one, "s": f"c-{one}"},
        )
    for stage in ("blacklist", "lead"):
        invoke("lifecycle/organization_stage_change", path={"organization_id": one}, body={"stage": stage, "reason": "asked for it"})

    with admin_engine.connect() as connection:
        assert connection.execute(text("select do_not_contact from contacts where organization_id = :o"), {"o": one}).scalar() is True


def test_the_service_refuses_what_the_rule_refuses(tx, tenant, admin_engine):
    one = organization(admin_engine, tenant)

    with pytest.raises(StageMoveRefused):
        service.change_stage(tx, one, StageChange(stage=Stage.LEAD))


def test_the_timeline_pages_in_order_without_gaps(invoke, tenant, admin_engine, tx):
    one = organization(admin_engine, tenant)
    for n in range(23):
        effects.record(tx, "note_added", f"note {n}", organization_id=one, occurred_at=datetime(2026, 1, 1, n, tzinfo=UTC))
    effects.flush(tx)
    tx.connection.commit()
    seen, cursor = [], None
    while True:
        query = {"limit": 5, **({"cursor": cursor} if cursor else {})}
        answer = invoke("lifecycle/organization_activity", path={"organization_id": one}, query=query).json
        seen += [line["title"] for line in answer["data"]]
        cursor = answer["next_cursor"]
        if not answer["has_more"]:
            break

    assert seen == [f"note {n}" for n in reversed(range(23))]
    assert (
        invoke("lifecycle/organization_activity", path={"organization_id": one}, query={"since": "2026-01-01T20:00:00Z"}).json["has_more"]
        is False
    )


def test_a_cursor_of_another_list_or_tenant_is_refused(invoke, tenant, other_tenant, admin_engine):
    one = organization(admin_engine, tenant)
    for _ in range(3):
        add(invoke, one, "note_added")
    cursor = invoke("lifecycle/organization_activity", path={"organization_id": one}, query={"limit": 1}).json["next_cursor"]

    for query, token in (({"activity_type": "note_added"}, tenant.admin), ({}, other_tenant.admin)):
        answer = invoke(
            "lifecycle/organization_activity", path={"organization_id": one}, query={"limit": 1, "cursor": cursor, **query}, token=token
        )
        assert (answer.status, answer.json["errors"][0]["code"]) == (400, "invalid_cursor")
    forged = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    assert invoke("lifecycle/organization_activity", path={"organization_id": one}, query={"cursor": forged}).status == 400


def test_a_repeated_request_gets_the_same_bytes(invoke, tenant, admin_engine):
    one = organization(admin_engine, tenant)
    call = {
        "path": {"organization_id": one},
        "body": {"activity_type": "note_added", "title": "once"},
        "headers": {"Idempotency-Key": "k-1"},
    }

    first, again = (invoke("lifecycle/organization_activity", **call) for _ in range(2))
    other = invoke("lifecycle/organization_activity", **{**call, "body": {"activity_type": "note_added", "title": "twice"}})

    assert (first.status, first.body) == (again.status, again.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    assert len(invoke("lifecycle/organization_activity", path={"organization_id": one}).json["data"]) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"activity_type": "telepathy", "title": "x"}, "#/activity_type"),
        ({"activity_type": "note_added"}, "#/title"),
        ({"activity_type": "note_added", "title": 5}, "#/title"),
        ({"activity_type": "note_added", "title": "x", "colour": "red"}, "#/colour"),
        ({"activity_type": "stage_changed", "title": "x"}, "#/activity_type"),
        ({"activity_type": "note_added", "title": "x", "occurred_at": "2099-01-01T00:00:00Z"}, "#/occurred_at"),
        ({"activity_type": "note_added", "title": "x", "contact_id": str(uuid7())}, "#/contact_id"),
        ({"activity_type": "note_added", "title": "a\u0000b"}, "#/title"),
        ({"activity_type": "note_added", "title": "x", "metadata": {"k": "v" * 9000}}, "#/metadata"),
    ],
)
def test_a_bad_line_is_422_with_a_pointer(invoke, tenant, admin_engine, body, pointer):
    one = organization(admin_engine, tenant)

    answer = invoke("lifecycle/organization_activity", path={"organization_id": one}, body=body)

    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, pointer), json.dumps(answer.json)


def test_a_fact_that_waited_for_a_step_back_does_not_count_what_lay_before_it(invoke, tenant, admin_engine):
    """The click came while somebody was moving the organization back by hand: the old reply must not push it up again."""
    one = organization(admin_engine, tenant, "prospect")
    assert add(invoke, one, "email_replied").status == 201
    assert stage_of(admin_engine, one) == "sql"
    by_hand = begin(Credential(tokens.digest(tenant.admin), ADMINS), now=datetime.now(UTC))
    service.change_stage(by_hand, one, StageChange(stage=Stage.LEAD, reason="another company of that name"))

    with ThreadPoolExecutor(1) as pool:
        clicked = pool.submit(click, tenant, one)
        waits = text("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
        with admin_engine.connect() as connection:
            eventually(lambda: connection.execute(waits).scalar())
        commit(by_hand, effects.pending(by_hand))
        clicked.result()

    assert stage_of(admin_engine, one) == "mql"


def click(tenant, one):
    tx = begin(Credential(tokens.digest(tenant.admin), ADMINS), now=datetime.now(UTC))
    timeline.add(tx, one, ActivityCreate(activity_type=ActivityType.EMAIL_CLICKED, title="x"))
    commit(tx, effects.pending(tx))
