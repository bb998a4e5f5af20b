"""Two contacts become one: by their endpoints, on the real database."""

from functools import partial

import pytest

from clientway.ids import uuid7
from clientway.lifecycle.merges import service as merging
from clientway.lifecycle.merges.schemas import ContactMerge, MergePreview, MergeRequest
from clientway.schemas import Page
from tests.lifecycle.merging import at_once, client, code, contact, merge, run, undo  # noqa: F401  (fixtures)
from tests.lifecycle.test_organization_flights import counting_proxy, flights  # noqa: F401  (fixtures)

pytestmark = pytest.mark.usefixtures("run")


def test_a_merge_fills_what_is_missing_and_takes_what_is_chosen(merge, client, contact, invoke, run):  # noqa: F811
    survivor = client(first_name="Ana", last_name="Ruiz", email="ana@home.example")
    merged = client(first_name="Anna", phone="+13055550123", birth_date="1980-03-12", title="Chef")

    shown = merge(survivor, merged, preview=True, choices={"first_name": "merged"})
    preview = MergePreview.model_validate_json(shown.body)
    told = {field.name: (field.value, field.why) for field in preview.fields}
    assert told["first_name"] == ("Anna", "chosen")
    assert told["last_name"] == ("Ruiz", "only one has it")
    assert told["title"] == ("Chef", "only one has it")
    assert contact(merged)["merged_into"] is None

    answer = merge(survivor, merged, choices={"first_name": "merged"}, reason="Twice in the book")

    assert answer.status == 201, answer.body
    done = ContactMerge.model_validate_json(answer.body)
    assert (done.reason, done.choices) == ("Twice in the book", {"first_name": "merged"})
    now = contact(survivor)
    assert (now["first_name"], now["last_name"], now["birth_date"], now["phone_e164"]) == ("Anna", "Ruiz", "1980-03-12", "+13055550123")
    assert (now["name_norm"], "13055550123" in now["search_text"]) == ("anna ruiz", True)
    gone = contact(merged)
    assert (gone["merged_into"], gone["deleted_at"] is not None) == (str(survivor), True)
    read = invoke("lifecycle/merge", path={"merge_id": done.id})
    assert ContactMerge.model_validate_json(read.body) == done
    [(activity, of)] = run("select activity_type, organization_id from activities where contact_id = :c", c=survivor)
    assert (activity, str(of)) == ("contact_merged", now["organization_id"])
    assert run("select 1 from audit_log where tenant_id = :t and action = 'contact.merged' and object_id = :c", c=survivor)
    assert run("select 1 from outbox where tenant_id = :t and topic = 'contact.merged'")


def test_the_old_id_answers_with_the_survivor(merge, client, invoke):  # noqa: F811
    survivor, merged = client(first_name="Ana"), client(first_name="Anna")
    merge(survivor, merged)

    answer = invoke("lifecycle/contact", path={"contact_id": merged})

    assert answer.json["id"] == str(survivor)


def test_both_keep_all_their_addresses_and_the_chosen_one_is_primary(merge, client, contact, run):  # noqa: F811
    survivor, merged = client(email="ana@home.example", phone="+13055550123"), client(email="ana@work.example", phone="+13055550123")

    merge(survivor, merged, choices={"email": "merged"})

    emails = run("select email_norm, is_primary, live from contact_emails where contact_id = :c order by 1", c=survivor)
    assert [tuple(row) for row in emails] == [("ana@home.example", False, True), ("ana@work.example", True, True)]
    assert run("select count(*) from contact_phones where contact_id = :c", c=survivor) == [(1,)]
    assert contact(survivor)["email"] == "ana@work.example"
    assert "ana@home.example" in contact(survivor)["search_text"]


def test_consents_become_the_strictest_and_nobody_becomes_reachable(merge, client, contact, run, undo):  # noqa: F811
    survivor, merged = client(), client(do_not_contact=True, unsubscribed_at="2026-01-02T00:00:00Z")
    for one, channel, state in ((survivor, "email", "granted"), (merged, "email", "denied"), (survivor, "sms", "denied"), (merged, "sms", "granted"),
                                (merged, "phone", "granted")):  # fmt: skip
        run(
            "with e as (insert into consent_events (tenant_id, id, contact_id, channel, purpose, state, source, actor_type, occurred_at)"
            " values (:t, gen_random_uuid(), :c, :channel, 'marketing', :state, 'form', 'job', now()) returning *)"
            " insert into contact_consents (tenant_id, contact_id, channel, purpose, state, event_id, since)"
            " select tenant_id, contact_id, channel, purpose, state, id, occurred_at from e", c=one, channel=channel, state=state,
        )  # fmt: skip
    consents = "select channel, state from contact_consents where contact_id = :c order by 1"

    done = merge(survivor, merged)

    assert [tuple(row) for row in run(consents, c=survivor)] == [("email", "denied"), ("phone", "granted"), ("sms", "denied")]
    assert run("select channel, state from consent_events where contact_id = :c and source = 'merge' order by 1", c=survivor) == [
        ("email", "denied"), ("phone", "granted")]  # fmt: skip
    assert (contact(survivor)["do_not_contact"], contact(survivor)["unsubscribed_at"]) == (True, "2026-01-02T00:00:00+00:00")

    undo(done.json["id"])

    assert [tuple(row) for row in run(consents, c=survivor)] == [("email", "granted"), ("sms", "denied")]
    assert run("select state from consent_events where contact_id = :c and source = 'merge_undone'", c=survivor) == [("granted",)]


def test_a_settled_field_cannot_be_chosen(merge, client):  # noqa: F811
    answer = merge(client(), client(), choices={"do_not_contact": "survivor"})

    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "#/choices/do_not_contact")


def test_two_hubspot_ids_take_a_choice(merge, client, contact):  # noqa: F811
    survivor, merged = client(hubspot_contact_id="1"), client(hubspot_contact_id="2")

    assert merge(survivor, merged).json["conflicts"][0]["code"] == "two_hubspot_ids"
    assert merge(survivor, merged, choices={"hubspot_contact_id": "merged"}).status == 201
    assert contact(survivor)["hubspot_contact_id"] == "2"


def test_six_emails_are_too_many(merge, client, run):  # noqa: F811
    survivor, merged = client(email="a@x.example"), client(email="b@x.example")
    for n in range(4):
        run("insert into contact_emails (tenant_id, contact_id, email, email_norm) values (:t, :c, :e, :e)", c=survivor, e=f"{n}@x.example")

    assert merge(survivor, merged).json["conflicts"][0]["code"] == "too_many_emails"


def test_a_contact_is_not_merged_with_itself(merge, client):  # noqa: F811
    one = client()

    for preview in (True, False):
        answer = merge(one, one, preview=preview)
        assert code(answer) == (422, "same_contact")
        assert answer.json["errors"][0]["pointer"] == "#/merged_id"


def test_who_was_merged_already_is_refused_with_the_survivor(merge, client):  # noqa: F811
    survivor, merged, third = client(), client(), client()
    merge(survivor, merged)

    for one, other in ((third, merged), (merged, third), (survivor, merged)):
        answer = merge(one, other)
        assert (*code(answer), answer.json["merged_into"]) == (409, "contact_merged", str(survivor))


def test_deleted_unknown_and_others_contacts_are_not_there(merge, client, run, other_tenant, contact, tenant):  # noqa: F811
    one, deleted, theirs = client(), client(), uuid7()
    run("update contacts set deleted_at = now(), is_primary = false where id = :c", c=deleted)
    run("insert into contacts (tenant_id, id, slug, name_norm, search_text) values (:o, :c, 'x', 'x', 'x')", o=other_tenant.id, c=theirs)
    before = contact(theirs), contact(one)

    for other in (deleted, theirs, uuid7()):
        assert merge(one, other).status == 404
        assert merge(other, one).status == 404
        assert merge(one, other, preview=True).status == 404
    assert merge(one, theirs, token=other_tenant.admin).status == 404
    assert merge(one, client(), token=tenant.viewer).status == 403
    assert merge(one, client(), preview=True, token=tenant.viewer).status == 200
    assert (contact(theirs), contact(one)) == before


def test_a_repeated_request_is_answered_again(merge, client, run):  # noqa: F811
    survivor, merged = client(), client()
    headers = {"Idempotency-Key": "merge-1"}

    first, second = (merge(survivor, merged, headers=headers) for _ in range(2))

    assert (first.status, second.status, second.headers["Idempotent-Replayed"]) == (201, 201, "true")
    assert first.body == second.body
    assert run("select count(*) from contact_merges where tenant_id = :t") == [(1,)]


@pytest.mark.parametrize("crossed", [False, True])
@pytest.mark.parametrize("own", [True, False])
def test_of_two_merges_of_one_pair_at_once_one_is_refused(client, run, at_once, crossed, own):  # noqa: F811
    for _ in range(5):
        one, other = client(own=own), client(own=own)
        first, second = (one, other), (other, one) if crossed else (one, other)

        codes = at_once(*(partial(merging.merge, survivor_id=a, wanted=MergeRequest(merged_id=b)) for a, b in (first, second)))

        assert codes == {None, "contact_merged"}
    assert run("select count(*) from contact_merges where tenant_id = :t") == [(5,)]


@pytest.mark.parametrize("own", [(True, True, True), (False, False, False), (False, True, False)])
def test_merges_of_three_at_once_leave_one_chain(client, run, at_once, own):  # noqa: F811
    for turn in range(6):
        a, b, c = (client(own=one) for one in own)
        pairs = ((a, b), (b, c), (c, a)) if turn % 2 else ((b, a), (c, b), (c, a))

        codes = at_once(*(partial(merging.merge, survivor_id=x, wanted=MergeRequest(merged_id=y)) for x, y in pairs))

        # Nobody waits for somebody who waits for them (a deadlock is "serialization"), though each locks who was merged before, too.
        assert codes == {None, "contact_merged"}
        into = dict(run("select id, merged_into from contacts where id in (:a, :b, :c)", a=a, b=b, c=c))
        [survivor] = [one for one, other in into.items() if other is None]
        assert {other for other in into.values() if other} == {survivor}


def test_the_portal_is_closed_to_who_was_merged(merge, client, run):  # noqa: F811
    survivor, merged = client(), client()
    run(
        "insert into portal_sessions (tenant_id, id, contact_id, token_hash, expires_at)"
        " values (:t, gen_random_uuid(), :c, encode(sha256(cast(cast(:c as text) as bytea)), 'hex'), now() + interval '1 day')", c=merged,
    )  # fmt: skip

    merge(survivor, merged)

    assert run("select revoked_at is not null from portal_sessions where contact_id = :c", c=merged) == [(True,)]


def test_a_suggestion_of_the_pair_is_settled(merge, client, run, undo):  # noqa: F811
    one, other = sorted((client(), client()))
    run(
        "insert into duplicate_suggestions (tenant_id, id, contact_id, other_id, score, reasons)"
        " values (:t, gen_random_uuid(), :a, :b, 80, '[]')", a=one, b=other,
    )  # fmt: skip
    done = merge(other, one)
    status = "select status from duplicate_suggestions where tenant_id = :t"
    assert run(status) == [("merged",)]

    undo(done.json["id"])

    assert run(status) == [("dismissed",)]


def test_merges_are_listed(merge, client, undo, invoke, other_tenant):  # noqa: F811
    survivor = client()
    ids = [merge(survivor, client()).json["id"] for _ in range(3)]
    alone = merge(client(), client()).json["id"]
    undo(alone)

    def listed(**query):
        answer = invoke("lifecycle/merges", query=query)
        return [str(one.id) for one in Page[ContactMerge].model_validate_json(answer.body).data]

    assert listed() == [alone, *reversed(ids)]
    assert listed(contact_id=survivor) == [*reversed(ids)]
    assert listed(undone="true") == [alone]
    assert listed(sort="created_at", undone="false") == ids
    seen, cursor = [], None
    while cursor or not seen:
        answer = invoke("lifecycle/merges", query={"limit": 1, **({"cursor": cursor} if cursor else {})}).json
        seen += [one["id"] for one in answer["data"]]
        cursor = answer["next_cursor"]
    assert seen == [alone, *reversed(ids)]
    assert invoke("lifecycle/merge", path={"merge_id": alone}, token=other_tenant.admin).status == 404


def test_every_request_keeps_to_its_budget(flights, client, invoke):  # noqa: F811
    def prepared(**how):
        return client(**how), client(stage="client")

    invoke("lifecycle/merges")
    counted = {}
    for name, how in (("merge", {"stage": "client"}), ("merge and stage", {})):
        survivor, merged = prepared(**how)
        path, body = {"contact_id": survivor}, {"merged_id": str(merged)}
        counted["preview"], _ = flights("contact_merge_preview", method="POST", path=path, body=body)
        counted[name], done = flights("contact_merge", method="POST", path=path, body=body, headers={"Idempotency-Key": name})
        read = {"merge_id": done.json["id"]}
        counted["read"], _ = flights("merge", path=read)
        counted[f"undo of {name}"], _ = flights("merge_undo", method="POST", path=read, headers={"Idempotency-Key": name})
    counted["list"], _ = flights("merges")

    budget = {"preview": 2, "read": 2, "list": 2, "merge": 4, "undo of merge": 4, "merge and stage": 5, "undo of merge and stage": 5}
    assert {name: count for name, count in counted.items() if count > budget[name]} == {}, counted


# Tables with a contact_id, or an organization_id, that a merge does not simply hand over, and why.
STAY = {
    "activities": "append-only; the timeline reads survivor and merged",
    "consent_events": "append-only evidence; the result is a line of its own",
    "ledger_entries": "append-only; moved by a pair of lines",
    "contact_consents": "the strictest of both is written anew",
    "contact_emails": "handed over by itself",
    "contact_phones": "handed over by itself",
    "contact_tags": "handed over by itself, where the survivor has none",
    "contact_custom_values": "handed over by itself, where the survivor has none",
    "household_members": "handed over by itself, where the survivor has none",
    "source_records": "handed over by itself",
    "contact_match_keys": "worked out anew",
    "duplicate_suggestions": "settled, or hidden with the merged",
    "portal_sessions": "revoked",
    "sign_in_links": "a link for the merged opens nothing any more",
    "contact_update_proposals": "a record of what was proposed to whom",
    "contacts": "the two themselves",
    "client_accounts": "handed over where there is none, else added up",
    "organization_tags": "of the organization that is closed",
    "locations": "an organization with a location is not closed",
    "import_rows": "what an import did, as a record",
    "lifecycle_transitions": "append-only, of the organization that is closed",
    "segment_members": "copied, and taken back with the merge, by a trigger",
    "campaign_sends": "whom it was sent to; its keys would collide, and the timeline shows it with the survivor",
    "email_messages": "whom it was written to",
    "message_events": "append-only; what providers told of a message",
    "suppressions": "of an address, whoever has it",
    "staff_payments": "what staff recorded before there were invoices; nothing reads it",
}


@pytest.mark.parametrize(("column", "function"), [("contact_id", "contact_tables"), ("organization_id", "account_tables")])
def test_no_table_is_forgotten(run, column, function):  # noqa: F811
    has = {
        row[0]
        for row in run("select table_name from information_schema.columns where table_schema = 'public' and column_name = :c", c=column)
    }
    views = {row[0] for row in run("select table_name from information_schema.views where table_schema = 'public'")}
    [(handed,)] = run(f"select app.{function}()")

    assert has - views - set(handed) - set(STAY) == set()
    assert set(handed) <= has
