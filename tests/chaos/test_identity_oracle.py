"""Nothing in an answer tells a tenant what another tenant knows: reference/reliability.md, section 3.

Pairs of people: one whom another tenant holds (with an e-mail, a phone, work done and changes proposed), one whom nobody
holds. The same is asked of both. Status, headers and body are the same byte for byte once own ids, times and the names that
were sent are masked, and so is how often the database is turned to and what is said to it.
"""

import json
import random
import re
import time
from collections import Counter
from dataclasses import dataclass
from statistics import median
from uuid import uuid4

import pytest
from sqlalchemy import text

from clientway import db, ids, ratelimit
from clientway.identity.people import service as people
from tests.fixtures import Answer
from tests.test_db import proxy as _proxy

counting_proxy = _proxy

MASKS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(\+00:00|Z)"), "<time>"),
)
# What a caller has left of its own bucket falls with each of its requests, whatever they ask.
COUNTERS = {"RateLimit-Remaining"}


@dataclass(frozen=True)
class Somebody:
    """Whom a request is about."""

    name: str
    phone: str

    @property
    def email(self) -> str:
        return f"{self.name}@home.example"

    def masked(self, said: str) -> str:
        for mine, mask in ((self.name, "<name>"), (self.name.capitalize(), "<Name>"), (self.phone[1:], "<phone>")):
            said = said.replace(mine, mask)
        for pattern, mask in MASKS:
            said = pattern.sub(mask, said)
        return said


@dataclass(frozen=True)
class Seen:
    """All that the tenant sees of a story, and all that was said to the database for it."""

    answers: tuple[tuple[int, str, str], ...]
    statements: tuple[str, ...]


def people_drawn(draw: random.Random, count: int) -> list[Somebody]:
    # Valid numbers of the region, no two alike.
    numbers = draw.sample(range(2_000_000, 9_999_999), count)
    areas = [draw.choice(["305", "212", "415", "312"]) for _ in numbers]
    return [Somebody("n" + draw.randbytes(10).hex(), f"+1{area}{number}") for area, number in zip(areas, numbers, strict=True)]


def hold(engine, other, known: list[Somebody]) -> None:
    """Make another tenant hold these people, each with a job and linked as every write of a contact links."""
    part = {ids.uuid7(): one for one in known}
    given = [{"t": other.id, "i": contact_id, "n": one.name, "e": one.email, "p": one.phone} for contact_id, one in part.items()]
    with engine.connect() as connection:
        organization = ids.uuid7()
        connection.execute(
            text(
                "insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text) values (:t, :i, 'Theirs', 'theirs', '', '')"
            ),
            {"t": other.id, "i": organization},
        )
        connection.execute(
            text("""insert into contacts (tenant_id, id, organization_id, first_name, email, email_norm, phone, phone_e164, slug, name_norm, search_text)
                    select :t, r.i, :o, r.n, r.e, r.e, r.p, r.p, r.n, r.n, r.n
                      from jsonb_to_recordset(cast(:people as jsonb)) as r(i uuid, n text, e text, p text)"""),
            {"t": other.id, "o": organization, "people": json.dumps(given, default=str)},
        )
        connection.execute(
            text("""insert into jobs (tenant_id, id, organization_id, contact_id, title, start_at, end_at, time_zone, currency)
                    select c.tenant_id, gen_random_uuid(), c.organization_id, c.id, 'Theirs', now(), now() + interval '1 hour', 'UTC', 'USD'
                      from contacts c where c.tenant_id = :t"""),
            {"t": other.id},
        )
        connection.execute(text("select set_config('app.tenant_id', cast(:t as text), false)"), {"t": other.id})
        linked = people.blind(people.Reachable(contact_id, one.email) for contact_id, one in part.items())
        connection.execute(text(f"select {people.LINK_SQL}"), {"people": linked})
        connection.exec_driver_sql("reset app.tenant_id")


@pytest.fixture
def asked(invoke, tenant, counting_proxy, monkeypatch):
    """Call it with a story and somebody: what the tenant sees of it."""
    said: list[str] = []
    execute = db.Tx.execute

    def listen(self, statement, parameters=None):
        said.append(str(statement))
        return execute(self, statement, parameters)

    monkeypatch.setattr(db.Tx, "execute", listen)
    organization = invoke("lifecycle/organizations", method="POST", body={"legal_name": "Ours"}).json["id"]

    def tell(story, one):
        answers: list[Answer] = []
        flights: list[int] = []
        said.clear()

        def ask(function, **how):
            ratelimit._buckets.clear()
            counting_proxy.reset(connects=False)
            answer = invoke(function, **how)
            flights.append(counting_proxy.flights)
            answers.append(answer)
            return answer

        started = time.perf_counter()
        story(ask, one, organization)
        took = time.perf_counter() - started
        shown = tuple(
            (
                answer.status,
                one.masked("\n".join(f"{name}: {value}" for name, value in sorted(answer.headers.items()) if name not in COUNTERS)),
                one.masked(answer.body),
            )
            for answer in answers
        )
        return Seen(shown, tuple(said)), tuple(flights), took

    return tell


def upsert(ask, one, _organization):
    body = {"email": one.email, "phone": one.phone, "first_name": one.name.capitalize()}
    assert ask("lifecycle/upsert_person", body=body).json["is_new"] is True
    assert ask("lifecycle/upsert_person", body=body).json["is_new"] is False


def upsert_by_phone(ask, one, _organization):
    assert ask("lifecycle/upsert_person", body={"phone": one.phone, "first_name": one.name.capitalize()}).status == 201


def add(ask, one, organization):
    body = {"first_name": one.name.capitalize(), "email": one.email, "phone": one.phone}
    made = ask("lifecycle/organization_contacts", method="POST", path={"organization_id": organization}, body=body)
    assert made.status == 201
    assert ask("lifecycle/contact_account", path={"contact_id": made.json["id"]}).json == {"has_account": False}
    assert ask("lifecycle/client_timeline", path={"contact_id": made.json["id"]}).status == 200


def change_address(ask, one, organization):
    body = {"first_name": one.name.capitalize()}
    made = ask("lifecycle/organization_contacts", method="POST", path={"organization_id": organization}, body=body).json
    path, headers = {"contact_id": made["id"]}, {"If-Match": f'"{made["version"]}"'}
    assert ask("lifecycle/contact", method="PATCH", path=path, body={"email": one.email}, headers=headers).status == 200
    assert ask("lifecycle/contact", method="GET", path=path).json["email"] == one.email


def propagate(ask, one, _organization):
    made = ask("lifecycle/upsert_person", body={"email": one.email, "first_name": one.name.capitalize()}).json
    body = {"person_id": made["person_id"], "last_name": "Miller", "phone": one.phone}
    assert ask("lifecycle/propagate_contact_update", body=body).json["success"] is True


def propagate_address(ask, one, organization):
    made = ask("lifecycle/organization_contacts", method="POST", path={"organization_id": organization}, body={"first_name": one.name}).json
    assert ask("lifecycle/propagate_contact_update", body={"person_id": made["id"], "email": one.email}).status == 200


def search(ask, one, _organization):
    for q in (one.email, one.phone, one.name):
        assert ask("lifecycle/client_search", query={"q": q}).json["data"] == []
    assert ask("lifecycle/admin_contacts", query={"email": one.email}).json["data"] == []


def be_refused(ask, one, organization):
    assert ask("lifecycle/upsert_person", body={"email": one.email, "title": "Dr"}).status == 422
    body = {"email": one.email, "location_id": str(uuid4())}
    assert ask("lifecycle/organization_contacts", method="POST", path={"organization_id": organization}, body=body).status == 422


def sign_up(ask, one, _organization):
    assert ask("identity/person_sign_up", body={"email": one.email}, token=None, cookies=[]).status == 202


STORIES = (upsert, upsert_by_phone, add, change_address, propagate, propagate_address, search, be_refused, sign_up)


def test_no_answer_tells_what_another_tenant_knows(asked, tenant, other_tenant, draw, size, tally, admin_engine):
    pairs = size(short=40, long=10_000)
    drawn = people_drawn(draw, 2 * pairs)
    known, unknown = drawn[:pairs], drawn[pairs:]
    hold(admin_engine, other_tenant, known)
    for story in STORIES:
        asked(story, people_drawn(draw, 1)[0])  # warms the connection and the modules
    times: dict[bool, list[float]] = {True: [], False: []}
    compared: dict[str, list[float]] = {}
    turns: dict[str, dict[bool, Counter[tuple[int, ...]]]] = {}
    for number, pair in enumerate(zip(known, unknown, strict=True)):
        story, seen = STORIES[number % len(STORIES)], {}
        for holds in draw.sample([True, False], 2):
            seen[holds], flights, took = asked(story, pair[not holds])
            times[holds].append(took)
            turns.setdefault(story.__name__, {True: Counter(), False: Counter()})[holds][flights] += 1
        assert seen[True] == seen[False], (story.__name__, pair)
        compared.setdefault(story.__name__, []).append(times[True][-1] - times[False][-1])
        tally["pairs that cannot be told apart"] += 1

    # A connection that has to be opened anew, as now and then, is a turn more: what most of them took counts.
    assert [name for name, found in turns.items() if found[True].most_common(1)[0][0] != found[False].most_common(1)[0][0]] == [], turns
    # A machine that does other work says little of time; what it says is printed.
    for name, found in compared.items():
        print(f"{name}: known minus unknown, median {median(found) * 1000:+.3f} ms")
    print(f"known {median(times[True]) * 1000:.2f} ms, unknown {median(times[False]) * 1000:.2f} ms")
    for holds, found in times.items():
        tally[f"µs, median, {'held by another tenant' if holds else 'held by nobody'}"] = round(median(found) * 1e6)
    assert tally["pairs that cannot be told apart"] == pairs
    with admin_engine.connect() as connection:
        both = connection.scalar(
            text("""select count(distinct a.person_id) from identity.contact_person a join identity.contact_person b using (person_id)
                     where a.tenant_id = :a and b.tenant_id = :b"""),
            {"a": tenant.id, "b": other_tenant.id},
        )
    assert both > pairs / len(STORIES), "those whom both hold are one person behind the scenes"


def test_the_comparison_would_notice(asked, draw):
    """Whom the tenant itself holds is told apart: the masks hide no answer."""
    own, nobody = people_drawn(draw, 2)
    asked(upsert, own)

    def look(ask, one, _organization):
        ask("lifecycle/client_search", query={"q": one.email})

    assert asked(look, own)[0].answers != asked(look, nobody)[0].answers
