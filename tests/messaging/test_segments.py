"""Segments as their callers see them: kept, previewed, filled by hand or taken at a moment, and never another tenant's."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from clientway.errors import NotFound, Unprocessable
from clientway.ids import uuid7
from clientway.messaging.segments import schemas, service
from tests.everything import one_of_everything

SEGMENT, LIST, MEMBERS, MEMBER = "messaging/segment", "messaging/segments", "messaging/segment_members", "messaging/segment_member"
CONTACTS, PREVIEW = "messaging/segment_contacts", "messaging/segment_preview"
VIP = {"field": "tags", "op": "has", "value": "vip"}
ACTIVE = {"field": "status", "op": "eq", "value": "active"}


@pytest.fixture
def contact(admin_engine, tenant):
    """Add a contact with tags."""

    def add(*tags, status="active", of=tenant, **columns):
        given = {"t": of.id, "id": uuid7(), "status": status, "first_name": None, "deleted_at": None, **columns}
        with admin_engine.connect() as connection:
            connection.execute(
                text("""insert into contacts (tenant_id, id, slug, name_norm, search_text, status, first_name, deleted_at)
                        values (:t, :id, cast(:id as text), '', '', :status, :first_name, :deleted_at)"""),
                given,
            )
            for tag in tags:
                connection.execute(
                    text("insert into contact_tags (tenant_id, contact_id, tag) values (:t, :id, :tag)"), given | {"tag": tag}
                )
        return given["id"]

    return add


@pytest.fixture
def create(invoke):
    def call(**body):
        return invoke(LIST, method="POST", body={"name": f"Segment {uuid4().hex[:6]}", **body})

    return call


def members(invoke, segment_id, **query):
    return [one["id"] for one in invoke(CONTACTS, path={"segment_id": segment_id}, query=query).json["data"]]


def test_a_dynamic_segment_is_whoever_fits_now(invoke, create, contact):
    vip, _, _gone = contact("vip"), contact("other"), contact("vip", deleted_at="2026-01-01")
    made = create(name="The best", description="Ours", definition={"all": [VIP, ACTIVE]})
    assert made.status == 201, made.body
    segment = schemas.Segment.model_validate_json(made.body)
    assert (segment.kind, segment.definition, segment.taken_at, made.etag) == ("dynamic", {"all": [VIP, ACTIVE]}, None, '"1"')
    assert segment.english == "Contacts who have the tag vip and whose status is active."
    assert members(invoke, segment.id) == [str(vip)]

    late = contact("vip")
    assert members(invoke, segment.id) == [str(late), str(vip)]
    assert invoke(SEGMENT, path={"segment_id": segment.id}).json == made.json


def test_a_snapshot_is_whoever_fitted_when_it_was_taken(invoke, create, contact):
    vip = contact("vip")
    made = create(kind="snapshot", definition=VIP)
    contact("vip")
    assert made.status == 201
    assert made.json["taken_at"] is not None
    assert members(invoke, made.json["id"]) == [str(vip)]
    change = invoke(
        SEGMENT, method="PATCH", path={"segment_id": made.json["id"]}, body={"definition": ACTIVE}, headers={"If-Match": made.etag}
    )
    assert (change.status, change.json["errors"][0]["pointer"], change.json["errors"][0]["code"]) == (422, "#/definition", "not_dynamic")


def test_a_snapshot_is_taken_in_steps_and_misses_nobody(invoke, create, contact, monkeypatch):
    monkeypatch.setattr(service, "STEP", 2)
    found = [str(contact("vip")) for _ in range(4)]
    contact()
    assert members(invoke, create(kind="snapshot", definition=VIP).json["id"], sort="created_at") == found


def test_a_snapshot_takes_no_more_than_it_may(create, contact, monkeypatch):
    monkeypatch.setattr(service, "MOST_MEMBERS", 1)
    contact("vip"), contact("vip")
    refused = create(kind="snapshot", definition=VIP, name="Many")
    assert (refused.status, refused.json["code"], refused.json["limit"]) == (409, "too_many_members", 1)
    assert create(kind="manual", name="Many").status == 201


def test_a_manual_segment_is_filled_and_emptied_by_hand(invoke, create, contact, other_tenant, admin_engine, tenant):
    one, two, foreign = contact(), contact(), contact(of=other_tenant)
    made = create(kind="manual", contact_ids=[str(one)])
    path = {"segment_id": made.json["id"]}
    assert (made.status, made.json["english"], members(invoke, made.json["id"])) == (201, None, [str(one)])

    added = invoke(MEMBERS, path=path, body={"contact_ids": [str(one), str(two), str(two)]})
    assert (added.status, added.json) == (200, {"added": 1, "already": 1})
    assert members(invoke, made.json["id"]) == [str(two), str(one)]

    strange = invoke(MEMBERS, path=path, body={"contact_ids": [str(contact()), str(foreign), str(uuid4())]})
    assert strange.status == 422
    assert [(error["pointer"], error["code"]) for error in strange.json["errors"]] == [
        ("#/contact_ids/1", "unknown_contact"), ("#/contact_ids/2", "unknown_contact"),
    ]  # fmt: skip
    assert len(members(invoke, made.json["id"])) == 2

    gone = {**path, "contact_id": str(one)}
    assert invoke(MEMBER, path=gone).status == 204
    assert invoke(MEMBER, path=gone).status == 404
    assert members(invoke, made.json["id"]) == [str(two)]
    with admin_engine.connect() as connection:
        audit = text("select action from audit_log where tenant_id = :t and object_id = :id order by at, id")
        actions = connection.execute(audit, {"t": tenant.id, "id": made.json["id"]}).scalars().all()
    assert actions == ["segment.created", "segment.members_added", "segment.member_removed"]


@pytest.mark.parametrize("kind", ["dynamic", "snapshot"])
def test_members_are_put_into_manual_segments_alone(invoke, create, contact, kind):
    path = {"segment_id": create(kind=kind, definition=VIP).json["id"], "contact_id": str(contact("vip"))}
    for answer in (invoke(MEMBERS, path=path, body={"contact_ids": [path["contact_id"]]}), invoke(MEMBER, path=path)):
        assert (answer.status, answer.json["code"], answer.json["kind"]) == (409, "segment_not_manual", kind)


@pytest.mark.parametrize(
    "body",
    [{"kind": "manual", "definition": VIP}, {"kind": "dynamic"}, {"kind": "snapshot"}, {"definition": VIP, "contact_ids": [str(uuid4())]}],
)
def test_each_kind_takes_what_is_its_own(create, body):
    refused = create(**body)
    assert (refused.status, refused.json["errors"][0]["code"]) == (422, "value_error")


def test_a_change_replaces_what_was_sent(invoke, create):
    made = create(name="Before", definition=VIP)
    path = {"segment_id": made.json["id"]}
    changed = invoke(
        SEGMENT, method="PATCH", path=path, body={"name": "After", "definition": {"not": VIP}}, headers={"If-Match": made.etag}
    )
    assert (changed.status, changed.json["name"], changed.json["version"]) == (200, "After", 2)
    assert changed.json["english"] == "Contacts who do not have the tag vip."
    stale = invoke(SEGMENT, method="PATCH", path=path, body={"name": "Later"}, headers={"If-Match": made.etag})
    assert (stale.status, stale.headers["ETag"]) == (412, '"2"')
    assert invoke(SEGMENT, method="PATCH", path=path, body={"name": "Later"}).status == 428
    cleared = invoke(SEGMENT, method="PATCH", path=path, body={"definition": None}, headers={"If-Match": '"2"'})
    assert (cleared.status, cleared.json["errors"][0]["pointer"]) == (422, "#/definition")


def test_a_name_is_one_segments(invoke, create):
    first, second = create(name="One", definition=VIP), create(name="Two", definition=VIP)
    taken = create(name="One", definition=VIP)
    assert (taken.status, taken.json["code"], taken.json["existing_id"]) == (409, "segment_exists", first.json["id"])
    renamed = invoke(SEGMENT, method="PATCH", path={"segment_id": second.json["id"]}, body={"name": "One"}, headers={"If-Match": '"1"'})
    assert (renamed.status, renamed.json["errors"][0]["pointer"]) == (409, "#/name")
    assert invoke(SEGMENT, method="DELETE", path={"segment_id": first.json["id"]}, headers={"If-Match": '"1"'}).status == 204
    assert create(name="One", definition=VIP).status == 201
    assert invoke(SEGMENT, path={"segment_id": first.json["id"]}).status == 404


def test_there_are_so_many_and_no_more(create, monkeypatch):
    monkeypatch.setattr(service, "MOST", 1)
    assert create(definition=VIP).status == 201
    refused = create(definition=VIP)
    assert (refused.status, refused.json["code"]) == (409, "too_many_segments")


@pytest.mark.parametrize("status", ["scheduled", "freezing", "sending", "paused"])
def test_what_a_campaign_is_for_stays(invoke, create, admin_engine, tenant, status):
    made = create(definition=VIP)
    campaign = text("""insert into campaigns (tenant_id, id, name, channel, quiet_hours, segment_id, status)
                       values (:t, :id, 'Spring', 'email', false, :s, :status)""")
    given = {"t": tenant.id, "id": uuid7(), "s": made.json["id"], "status": status}
    with admin_engine.connect() as connection:
        connection.execute(campaign, given)
    delete = {"method": "DELETE", "path": {"segment_id": made.json["id"]}, "headers": {"If-Match": made.etag}}
    refused = invoke(SEGMENT, **delete)
    assert (refused.status, refused.json["code"]) == (409, "segment_in_use")
    assert refused.json["used_by"] == [{"type": "campaign", "id": str(given["id"]), "name": "Spring"}]
    with admin_engine.connect() as connection:
        connection.execute(text("update campaigns set status = 'finished' where id = :id"), given)
    assert invoke(SEGMENT, **delete).status == 204


def test_segments_name_segments_but_never_themselves(invoke, create, contact):
    both, _ = contact("vip", "pizza"), contact("vip")
    inner = create(name="Inner", definition=VIP)
    outer = create(definition={"all": [{"segment": inner.json["id"]}, {"field": "tags", "op": "has", "value": "pizza"}]})
    assert (members(invoke, outer.json["id"]), outer.json["english"]) == (
        [str(both)], "Contacts who belong to the segment Inner and who have the tag pizza.",
    )  # fmt: skip
    hand = create(kind="manual", contact_ids=[str(both)])
    named = create(definition={"not": {"segment": hand.json["id"]}})
    assert len(members(invoke, named.json["id"])) == 1

    path = {"segment_id": inner.json["id"]}
    round_about = invoke(
        SEGMENT, method="PATCH", path=path, body={"definition": {"segment": outer.json["id"]}}, headers={"If-Match": '"1"'}
    )
    assert (round_about.status, round_about.json["errors"][0]["code"]) == (422, "cycle")
    straight = invoke(SEGMENT, method="PATCH", path=path, body={"definition": {"segment": inner.json["id"]}}, headers={"If-Match": '"1"'})
    assert (straight.json["errors"][0]["pointer"], straight.json["errors"][0]["code"]) == ("#/definition/segment", "cycle")
    used = invoke(SEGMENT, method="DELETE", path=path, headers={"If-Match": '"1"'})
    assert (used.status, [one["id"] for one in used.json["used_by"]]) == (409, [outer.json["id"]])
    nobody = create(definition={"segment": str(uuid4())})
    assert (nobody.status, nobody.json["errors"][0]["code"]) == (422, "unknown_segment")


def test_segments_name_segments_only_so_deep_and_so_large(create):
    last = create(definition=VIP).json["id"]
    for _ in range(4):
        last = create(definition={"segment": last}).json["id"]
    assert create(definition={"segment": last}).status == 201
    deep = create(definition={"segment": create(definition={"segment": last}).json["id"]})
    assert (deep.status, deep.json["errors"][0]["code"]) == (422, "too_deep")

    wide = create(definition={"any": [VIP] * 49}).json["id"]
    large = create(definition={"any": [{"segment": wide}] * 4})
    assert (large.status, large.json["code"]) == (422, "segment_too_large")
    # Fifty questions that are each long: more than a statement may hold.
    sent = {
        "event": "message_opened",
        "within_days": 7,
        "count": {"op": "eq", "n": 2},
        "where": {"campaign_id": str(uuid4()), "channel": "sms"},
    }
    long = create(definition={"any": [sent] * 50})
    assert (long.status, long.json["code"]) == (422, "segment_too_large")


def test_a_preview_counts_and_shows_and_keeps_nothing(invoke, contact, create, monkeypatch):
    found = [contact("vip", first_name=f"Ana {n}") for n in range(11)]
    answer = invoke(PREVIEW, body={"definition": VIP})
    preview = schemas.SegmentPreview.model_validate_json(answer.body)
    assert (answer.status, preview.count, preview.count_capped, preview.english) == (200, 11, False, "Contacts who have the tag vip.")
    assert [one.id for one in preview.sample] == found[:0:-1]
    assert preview.sample[0].first_name == "Ana 10"
    segment = create(definition=VIP).json["id"]
    assert invoke(PREVIEW, body={"segment_id": segment}).json["count"] == 11
    monkeypatch.setattr(service, "MOST_MEMBERS", 10)
    capped = invoke(PREVIEW, body={"segment_id": segment}).json
    assert (capped["count"], capped["count_capped"]) == (10, True)
    nobodys = invoke(PREVIEW, body={"segment_id": str(uuid4())})
    assert (nobodys.status, nobodys.json["errors"][0]["pointer"]) == (422, "#/segment_id")
    for neither in ({}, {"definition": VIP, "segment_id": segment}):
        assert invoke(PREVIEW, body=neither).status == 422


def test_contacts_come_in_pages(invoke, contact, create):
    found = [str(contact("vip")) for _ in range(5)]
    path = {"segment_id": create(definition=VIP).json["id"]}
    seen, cursor = [], None
    while True:
        page = invoke(CONTACTS, path=path, query={"limit": 2, "sort": "created_at", **({"cursor": cursor} if cursor else {})})
        schemas.SegmentContact.model_validate(page.json["data"][0], strict=False)
        seen += [one["id"] for one in page.json["data"]]
        cursor = page.json["next_cursor"]
        if cursor is None:
            break
    assert seen == found
    other = {"segment_id": create(definition=VIP).json["id"]}
    first = invoke(CONTACTS, path=path, query={"limit": 2}).json["next_cursor"]
    assert invoke(CONTACTS, path=other, query={"limit": 2, "cursor": first}).status == 400


def test_the_list_pages_and_filters(invoke, create):
    made = [create(name=f"S{n}", definition=VIP).json["id"] for n in range(3)]
    create(kind="manual", name="Hand")
    first = invoke(LIST, query={"kind": "dynamic", "sort": "name", "limit": 2}).json
    rest = invoke(LIST, query={"kind": "dynamic", "sort": "name", "limit": 2, "cursor": first["next_cursor"]}).json
    assert [one["id"] for one in first["data"] + rest["data"]] == made
    assert len(invoke(LIST).json["data"]) == 4
    assert invoke(LIST, query={"kind": "static"}).status == 400


def test_a_viewer_looks_and_changes_nothing(invoke, tenant, create, contact):
    segment = create(kind="manual").json["id"]
    path = {"segment_id": segment, "contact_id": str(contact())}
    viewer = {"token": tenant.viewer}
    for function in (SEGMENT, CONTACTS):
        assert invoke(function, path=path, **viewer).status == 200
    assert invoke(LIST, **viewer).status == 200
    assert invoke(PREVIEW, body={"definition": VIP}, **viewer).status == 200
    assert invoke("messaging/segment_fields", **viewer).status == 200
    tag = {"headers": {"If-Match": '"1"'}, **viewer}
    refused = [
        invoke(LIST, method="POST", body={"name": "x", "definition": VIP}, **viewer),
        invoke(SEGMENT, method="PATCH", path=path, body={"name": "x"}, **tag),
        invoke(SEGMENT, method="DELETE", path=path, **tag),
        invoke(MEMBERS, path=path, body={"contact_ids": [path["contact_id"]]}, **viewer),
        invoke(MEMBER, path=path, **viewer),
    ]
    assert [one.status for one in refused] == [403] * 5


def test_another_tenants_segment_is_not_there(invoke, other_tenant, create, contact):
    made = create(kind="manual", contact_ids=[str(contact())])
    path = {"segment_id": made.json["id"], "contact_id": str(uuid4())}
    stranger = {"token": other_tenant.admin}
    tag = {"headers": {"If-Match": made.etag}, **stranger}
    answers = [
        invoke(SEGMENT, path=path, **stranger),
        invoke(CONTACTS, path=path, **stranger),
        invoke(SEGMENT, method="PATCH", path=path, body={"name": "x"}, **tag),
        invoke(SEGMENT, method="DELETE", path=path, **tag),
        invoke(MEMBERS, path=path, body={"contact_ids": [path["contact_id"]]}, **stranger),
        invoke(MEMBER, path=path, **stranger),
    ]
    assert [one.status for one in answers] == [404] * 6
    assert invoke(PREVIEW, body={"segment_id": made.json["id"]}, **stranger).status == 422
    named = invoke(PREVIEW, body={"definition": {"segment": made.json["id"]}}, **stranger)
    assert (named.status, named.json["errors"][0]["code"]) == (422, "unknown_segment")
    assert invoke(SEGMENT, path=path).json == made.json
    assert len(members(invoke, made.json["id"])) == 1


def test_the_same_key_makes_one_segment(invoke):
    body, headers = {"name": "Once", "definition": VIP}, {"Idempotency-Key": "k1"}
    first, second = (invoke(LIST, method="POST", body=body, headers=headers) for _ in range(2))
    assert (first.status, second.status, first.json) == (201, 201, second.json)
    assert second.headers["Idempotent-Replayed"] == "true"


def test_the_fields_are_listed_with_the_tenants_own(invoke):
    invoke("lifecycle/custom_fields", method="POST", body={"key": "size", "label": "Size", "kind": "select", "options": ["s", "l"]})
    listed = schemas.SegmentFields.model_validate_json(invoke("messaging/segment_fields").body)
    [own] = [one for one in listed.fields if one.custom]
    assert (own.field, own.type, own.values, own.nullable) == ("custom.size", "text", ["s", "l"], True)
    assert {"tags", "status", "organization.lifecycle_stage", "invoices.open_balance_cents"} <= {one.field for one in listed.fields}
    assert "machine" in next(one.where for one in listed.events if one.event == "message_opened")


def test_a_campaign_gets_it_as_sql_and_a_sentence(tx, contact):
    vip = contact("vip")
    found = service.where(tx, definition=VIP)
    sql = f"select c.id from contacts c where c.tenant_id = app.tenant() and c.deleted_at is null and ({found.sql})"
    assert tx.execute(text(sql), found.parameters).scalars().all() == [vip]
    assert all(name.startswith("seg_") for name in found.parameters)
    assert found.english == "Contacts who have the tag vip."
    with pytest.raises(NotFound):
        service.where(tx, segment_id=uuid4())
    with pytest.raises(Unprocessable) as refused:
        service.where(tx, definition={"any": []}, pointer="#/segment")
    assert refused.value.errors[0].pointer == "#/segment/any"


def one(name, op, *value):
    return {"field": name, "op": op, **({"value": value[0]} if value else {})}


def happened(event, **where):
    return {"event": event, "within_days": 1, **({"where": where} if where else {})}


def test_what_there_is_about_a_contact_is_found(tenant, admin_engine, invoke):
    """A contact with one of everything: each question has one answer that finds it and one that does not."""
    ids = one_of_everything(admin_engine, tenant).ids
    mine = {"t": tenant.id, "c": ids["contacts"]}
    with admin_engine.connect() as connection:
        for change in (
            "update jobs set status = 'completed', completed_at = now(), price_cents = 700 where tenant_id = :t",
            "update campaign_sends set sent_at = now() where tenant_id = :t",
            """update invoices set status = 'open', number = 8, subtotal_cents = 100, total_cents = 100, issued_on = current_date,
                      due_on = current_date, opened_at = now() where tenant_id = :t and status = 'draft'""",
            "update contacts c set default_address_id = a.id from contact_addresses a where c.tenant_id = :t and c.id = :c and a.contact_id = c.id",
            "update contact_addresses set city = 'Rome' where tenant_id = :t",
        ):
            connection.execute(text(change), {name: value for name, value in mine.items() if f":{name}" in change})
    campaign, other = str(ids["campaigns"]), str(uuid4())
    pairs = [
        (one("email_domain", "eq", "BISTRO.example"), one("email_domain", "eq", "bistro")),
        (one("organization.lifecycle_stage", "eq", "lead"), one("organization.lifecycle_stage", "eq", "client")),
        (one("organization.tags", "has", "vip"), one("organization.tags", "has_not", "vip")),
        (one("account.churn_risk", "eq", "medium"), one("account.churn_risk", "is_unknown")),
        (one("address.city", "starts_with", "Ro"), one("address.city", "ne", "Rome")),
        (one("addresses.country", "has_all", ["US"]), one("addresses.country", "has_any", ["IT"])),
        (one("consent.email_marketing", "eq", "granted"), one("consent.sms_marketing", "is_known")),
        (one("custom.allergies", "in", ["nuts"]), one("custom.allergies", "eq", "milk")),
        (one("jobs.completed_count", "eq", 1), one("jobs.next_start_at", "is_known")),
        (one("jobs.last_completed_at", "within_last_days", 1), one("jobs.last_completed_at", "older_than_days", 1)),
        (one("invoices.open_balance_cents", "between", [1, 100_000]), one("invoices.open_balance_cents", "eq", 0)),
        (one("invoices.oldest_due_on", "within_last_days", 2), one("invoices.oldest_due_on", "older_than_days", 2)),
        (one("payments.last_at", "is_known"), one("payments.last_at", "older_than_days", 1)),
        (happened("note_added"), happened("email_sent")),
        (happened("job_completed", min_amount_cents=700), happened("job_completed", min_amount_cents=701)),
        (happened("payment_received"), happened("payment_received", min_amount_cents=2)),
        (happened("campaign_sent", campaign_id=campaign), happened("campaign_sent", campaign_id=other)),
        (happened("campaign_sent", channel="email"), happened("campaign_sent", channel="sms")),
        (happened("message_delivered", campaign_id=campaign), happened("message_delivered", campaign_id=other)),
        (happened("message_delivered", channel="email"), happened("message_bounced")),
        ({"segment": str(ids["segments"])}, {"not": {"segment": str(ids["segments"])}}),
    ]
    this = {"all": [one("first_name", "eq", "Ana"), one("has_organization", "is", True)]}
    for yes, no in pairs:
        counts = [invoke(PREVIEW, body={"definition": {"all": [this, asked]}}) for asked in (yes, no)]
        assert [(one.status, one.json.get("count")) for one in counts] == [(200, 1), (200, 0)], (yes, [one.json for one in counts])
