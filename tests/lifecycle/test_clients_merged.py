"""What a merge and its undoing come to for the timeline, the numbers, search, and the person's own account."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from clientway.ids import uuid7
from tests.identity.persons import Persons


@pytest.fixture
def sql(admin_engine):
    def run(statement, **parameters):
        with admin_engine.connect() as connection:
            result = connection.execute(text(statement), parameters)
            return result.mappings().all() if result.returns_rows else None

    return run


@pytest.fixture
def twins(invoke, tenant, sql):
    """Two records of one person, each with a note and an invoice that 500 cents were paid for: (id, e-mail, organization)."""
    found = []
    organization = invoke("lifecycle/organizations", method="POST", body={"legal_name": "Blue Bistro"}).json["id"]
    for number in (1, 2):
        email = f"{uuid4().hex}@home.example"
        body = {"first_name": "Ann", "last_name": "Miller", "email": email}
        contact = invoke("lifecycle/organization_contacts", method="POST", path={"organization_id": organization}, body=body).json
        given = {"t": tenant.id, "i": uuid7(), "c": contact["id"], "o": organization, "k": f"k{number}"}
        sql(
            """insert into activities (tenant_id, id, contact_id, organization_id, activity_type, title, performed_by_type, occurred_at)
               values (:t, :i, :c, :o, 'note_added', :k, 'job', now())""",
            **given,
        )
        sql(
            """insert into invoices (tenant_id, id, contact_id, organization_id, currency, status, number, number_text, issued_on, due_on, opened_at)
               values (:t, :i, :c, :o, 'USD', 'open', :n, :k, current_date, current_date, now())""",
            n=number, **given,
        )  # fmt: skip
        sql(
            """insert into ledger_entries (tenant_id, id, contact_id, organization_id, kind, amount_cents, currency, invoice_id, source_key, occurred_at)
               values (:t, :i, :c, :o, 'payment', 500, 'USD', :i, :k, now())""",
            **given,
        )
        found.append((contact["id"], email))
    return found


def seen(invoke, twins):
    notes = [
        sorted(line["title"] for line in answer.json["data"] if line["type"] == "note") if answer.status == 200 else answer.status
        for answer in (invoke("lifecycle/client_timeline", path={"contact_id": one}) for one, _ in twins)
    ]
    stats = invoke("lifecycle/client_stats", query={"verify": "true"}).json
    assert stats["verification"]["agrees"] is True
    numbers = (stats["total_clients"], stats["total_ltv_cents"], stats["paying_clients"])
    hits = [[one["org_client_id"] for one in invoke("lifecycle/client_search", query={"q": email}).json["data"]] for _, email in twins]
    return notes, numbers, hits


def test_two_become_one_and_two_again(invoke, twins, sql):
    (survivor, first_email), (merged, second_email) = twins
    persons = Persons(invoke, sql)
    sessions = [persons.signed_up(email) for email in (first_email, second_email)]
    sql(
        """insert into jobs (tenant_id, id, organization_id, contact_id, title, start_at, end_at, time_zone, currency)
           select c.tenant_id, gen_random_uuid(), c.organization_id, c.id, 'Deep clean', now(), now() + interval '1 hour', 'UTC', 'USD'
             from contacts c where c.id = :c""",
        c=merged,
    )

    def histories():
        return [len(invoke("identity/person_history", token=session).json["data"]) for session in sessions]

    apart = seen(invoke, twins), histories()
    assert apart == (([["k1"], ["k2"]], (2, 1000, 2), [[survivor], [merged]]), [1, 2])
    merge = invoke("lifecycle/contact_merge", method="POST", path={"contact_id": survivor}, body={"merged_id": merged})
    assert merge.status == 201, merge.body

    accounts = [invoke("lifecycle/contact_account", path={"contact_id": one}).json for one in (survivor, merged)]
    assert accounts == [{"has_account": True}] * 2
    # Whoever has verified either address is the client that both are now.
    assert (seen(invoke, twins), histories()) == (([["k1", "k2"], ["k1", "k2"]], (1, 1000, 1), [[survivor], [survivor]]), [3, 3])
    undone = invoke("lifecycle/merge_undo", method="POST", path={"merge_id": merge.json["id"]})
    assert undone.status == 200, undone.body
    assert (seen(invoke, twins), histories()) == apart
