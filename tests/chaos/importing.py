"""An import that has everything in it, and what a tenant's tables hold after it, told without ids and times."""

from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from clientway.integrations.imports import worker
from tests import routes
from tests.fixtures import Tenant

KNOWN = 24


def known_rows() -> list[dict[str, str]]:
    """Who is there before: some with a phone, some whose blanks the import can fill."""
    return [
        {
            "id": str(number), "name": f"Known Place {number}", "address": f"{number} Elm Street", "city": "Austin", "state": "TX", "zip": "78701",
            "phone": f"(512) 472-{number:04d}" if number % 2 else "", "email": "",
        }
        for number in range(KNOWN)
    ]  # fmt: skip


def rows(count: int) -> list[dict[str, str]]:
    """Rows to create, to fill in, to add a place to, to skip and to refuse, in turns."""
    found: list[dict[str, str]] = []
    for number in range(count):
        new = {
            "id": f"n{number}", "name": f"New Place {number}", "address": f"{number} Oak Street", "city": "Austin", "state": "TX", "zip": "78702",
            "phone": f"(512) 473-{number:04d}", "email": f"ana{number}@new{number}.example" if number % 3 else "",
        }  # fmt: skip
        match number % 8:
            case 4:
                known = known_rows()[number // 8 % KNOWN]
                found.append(
                    {
                        **known,
                        "phone": known["phone"] or f"(512) 474-{number:04d}",
                        "email": f"bo{number}@known{number // 8 % KNOWN}.example",
                    }
                )
            case 5:
                found.append(dict(found[number // 2]))
            case 6:
                found.append({**new, "name": "", "email": ""})
            case 7:
                found.append({**found[number - 7], "address": f"{number} Second Street", "phone": f"(512) 475-{number:04d}", "email": ""})
            case _:
                found.append(new)
    return found


@dataclass
class Importer:
    """A tenant that imports."""

    tenant: Tenant
    engine: Engine

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = routes.send(method, path, body, token=self.tenant.admin, headers=headers)
        assert answer.status < 300, answer
        return answer.json if answer.content else None

    def start(self, given: list[dict[str, str]], source: str = "list") -> UUID:
        """Begin an import; its preview is asked for."""
        return UUID(self.call("POST", "/api/imports", {"source": source, "rows": given})["id"])

    def ask(self, one: UUID, action: str) -> None:
        self.call("POST", f"/api/imports/{one}/{action}")

    def work(self, one: UUID, action: str) -> None:
        worker.work(self.tenant.id, one, action)

    def whole(self, given: list[dict[str, str]]) -> UUID:
        """An import from beginning to end, undisturbed."""
        one = self.start(given)
        self.work(one, "preview")
        self.ask(one, "commit")
        self.work(one, "commit")
        return one

    def read(self, one: UUID) -> Any:
        return self.call("GET", f"/api/imports/{one}")

    def rows_of(self, one: UUID) -> list[tuple[Any, ...]]:
        """What each row became."""
        statement = (
            "select row_number, outcome, reason, undone_at is not null from import_rows where import_id = :i order by row_number, outcome"
        )
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), {"i": one})]

    def content(self, *, history: bool = True) -> dict[str, Counter[str]]:
        """The tenant's live records, without ids, versions and times; and its history, which an undo does not take back."""
        found = {}
        with self.engine.connect() as connection:
            for table, live in (_RECORDS | (_HISTORY if history else {})).items():
                statement = f"select (to_jsonb(x) - cast(:left as text[]))::text from {table} x where x.tenant_id = :t {live}"
                left_out = _LEFT_OUT if history else (*_LEFT_OUT, *_STAGE)
                given = {"t": self.tenant.id, "left": "{" + ",".join(left_out) + "}"}
                found[table] = Counter(connection.execute(text(statement), given).scalars())
        return found


_LIVE = "and deleted_at is null"
_RECORDS = {"organizations": _LIVE, "locations": _LIVE, "contacts": _LIVE, "organization_tags": ""}
_HISTORY = {"lifecycle_transitions": "", "activities": "", "client_accounts": ""}
_STAGE = ("lifecycle_stage", "lifecycle_sequence", "lifecycle_changed_by")
_LEFT_OUT = (
    "tenant_id", "id", "organization_id", "location_id", "contact_id", "person_id", "client_account_id", "version", "created_at", "updated_at",
    "changed_at", "occurred_at", "lifecycle_changed_at", "seconds_in_stage", "performed_by_id", "actor_id",
)  # fmt: skip
