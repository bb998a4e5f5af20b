"""A caller who works on an organization step by step, and what the database has to hold after each step.

Each has a tenant to itself, so that all its rows are that journey's: the changes, their lines on the timeline, audit,
outbox and kept answers. They are counted, and after a step they are what they were in a journey without faults.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, text

from clientway.tables import metadata
from tests.chaos.asking import UNAVAILABLE, Ask, Call, is_turned_away
from tests.fixtures import Tenant, make_tenant

Trace = tuple[tuple[str, int, int], ...]
"""Tables with the number of rows and the sum of what tells one state of a row from another."""


@dataclass
class Journey:
    """One caller on the way."""

    tenant: Tenant
    done: int = 0
    asked: Ask | None = None
    """What was asked and not answered."""
    surely_not: bool = False
    """Whether the refusal said that nothing was done."""
    organization: dict[str, Any] = field(default_factory=dict)
    key: str = field(default_factory=lambda: uuid4().hex)

    def walk(self, call: Call) -> bool:
        """Take the next step, or the one again that is open; whether it was taken. Raises AssertionError for a wrong answer."""
        first = self.asked is None
        ask = self.asked or self._next(call)
        if ask is None:
            return False
        self.asked = ask
        answer = ask.of(call)
        if is_turned_away(answer):
            # What one attempt left open is not settled by another that did not get through.
            self.surely_not = answer.json["code"] == UNAVAILABLE and (first or self.surely_not)
            return False
        if answer.status == 409 and answer.json["code"] in {"idempotency_in_flight", "locked"}:
            assert not first
            return False
        # 412: this very change was made, and its answer lost; nobody else changes this organization.
        assert answer.status in {200, 201} or (answer.status == 412 and not first), (ask, answer.content)
        if answer.status == 201 and ask.path == "/api/organizations":
            self.organization = answer.json
        self.asked, self.surely_not = None, False
        self.done += 1
        return True

    def _next(self, call: Call) -> Ask | None:
        path = f"/api/organizations/{self.organization.get('id')}"
        keyed = {"idempotency-key": f"{self.key}-{self.done}"}
        match self.done:
            case 0:
                return Ask("POST", "/api/organizations", {"legal_name": f"Journey {self.key}", "tags": ["a", "b"]}, keyed)
            case 1:
                return Ask("POST", f"{path}/activity", {"activity_type": "email_replied", "title": "Tell me more"}, keyed)
            case 2:
                now = call("GET", path)
                if is_turned_away(now):
                    return None
                assert now.status == 200, now.content
                return Ask("PATCH", path, {"notes": self.key, "tags": ["c"]}, {"if-match": now.headers["etag"]})
            case 3:
                return Ask("POST", f"{path}/payments", {"amount_cents": 100}, keyed)
            case _:
                return Ask("POST", f"{path}/convert-to-client", {"mrr_cents": 49_900, "support_plan_tier": "core"}, keyed)

    def check(self, trace: Trace, expected: list[Trace]) -> str:
        """Hold what there is against what was acknowledged; says what became of the step that was not."""
        if trace == expected[self.done]:
            return "not done" if self.asked else "nothing open"
        assert self.asked, (self.done, difference(trace, expected[self.done]))
        assert trace == expected[self.done + 1], (self.asked, difference(trace, expected[self.done]))
        assert not self.surely_not, (self.asked, "was done, and said not to be")
        return "done"


STEPS = 5


def difference(one: Trace, other: Trace) -> set[tuple[str, int, int]]:
    return set(one) ^ set(other)


def start(engine: Engine) -> Journey:
    return Journey(make_tenant(engine))


def expected(engine: Engine, calling: Callable[[str], Call]) -> list[Trace]:
    """What there is before the first step and after each, when nothing breaks."""
    one = start(engine)
    found = [traces(engine, [one])[one.tenant.id]]
    for _ in range(STEPS):
        assert one.walk(calling(one.tenant.admin))
        found.append(traces(engine, [one])[one.tenant.id])
    assert len(set(found)) == STEPS + 1
    return found


# What changes with a row besides its being there.
_STATES = {"idempotency_keys": "count(x.status)", "organizations": "sum(x.version)"}
_COUNTS = " union all ".join(
    f"select x.tenant_id, '{name}', count(*), {_STATES.get(name, '0')} from {name} x where x.tenant_id = any(:t) group by x.tenant_id"
    for name, table in sorted(metadata.tables.items())
    if "tenant_id" in table.c
)


def traces(engine: Engine, journeys: list[Journey]) -> dict[UUID, Trace]:
    """What there is of each, by its tenant."""
    found: dict[UUID, list[tuple[str, int, int]]] = {}
    with engine.connect() as connection:
        for tenant, table, rows, states in connection.execute(text(_COUNTS), {"t": [one.tenant.id for one in journeys]}):
            found.setdefault(tenant, []).append((table, rows, int(states)))
    return {tenant: tuple(sorted(rows)) for tenant, rows in found.items()}
