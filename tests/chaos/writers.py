"""Writers at one organization, each a process of its own with a connection of its own, as Lambda has it.

`python -m tests.chaos.writers` reads who they are from its input, forks that many and lets each write down what it did.
"""

import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from clientway.local.server import Gateway, Request
from clientway.local.template import Route
from tests.fixtures import LambdaContext

ORGANIZATION = "/api/organizations/{organization_id}"
HANDLERS = {
    ("POST", f"{ORGANIZATION}/stage-change"): "lifecycle.organization_stage_change",
    ("POST", f"{ORGANIZATION}/activity"): "lifecycle.organization_activity",
    ("POST", f"{ORGANIZATION}/deals"): "lifecycle.organization_deals",
    ("GET", ORGANIZATION): "lifecycle.organization",
    ("PATCH", ORGANIZATION): "lifecycle.organization",
    ("PATCH", "/api/deals/{deal_id}"): "lifecycle.deal",
}
STAGES = ["lead", "prospect", "mql", "sql", "opportunity", "client", "churned"]
FACTS = ["email_clicked", "email_opened", "email_replied", "meeting_scheduled"]
_PATIENCE = 60


class Writer:
    """One process's work: so many changes by hand, with facts, deals and notes in between."""

    def __init__(self, number: int, given: dict[str, Any]) -> None:
        from clientway import ratelimit

        # A writer sends as fast as it can, which the limit is there to stop.
        ratelimit.RATE = ratelimit.BURST = 1e9
        self.number, self.token = number, given["token"]
        self.path = f"/api/organizations/{given['organization']}"
        self.draw = random.Random(f"{given['seed']} {number}")
        self.gateway = Gateway([Route(name, f"{name}.handler", *key) for key, name in HANDLERS.items()], _invoke)
        self.moves: dict[str, list[str]] = {}
        self.facts: list[str] = []
        self.notes: list[str] = []
        self.deals: list[tuple[str, str]] = []
        self.statuses: Counter[str] = Counter()

    def work(self, moves: int) -> None:
        """Change the stage by hand that often, whatever else happens in between."""
        while len(self.moves) < moves:
            chance = self.draw.random()
            if chance < 0.7:
                self._move()
            elif chance < 0.85:
                self._fact()
            elif chance < 0.95:
                self._deal()
            else:
                self._note()

    def _move(self) -> None:
        reason = f"{self.number}-{len(self.moves)}"
        stage = "blacklist" if self.draw.random() < 0.02 else self.draw.choice(STAGES)
        answer = self._send("move", "POST", f"{self.path}/stage-change", {"stage": stage, "reason": reason})
        if answer["status"] == 200:
            self.moves[reason] = [answer["body"]["previous_stage"], answer["body"]["stage"]]
        else:
            assert answer["body"]["code"] == "stage_move_refused", answer

    def _fact(self) -> None:
        answer = self._send("fact", "POST", f"{self.path}/activity", {"activity_type": self.draw.choice(FACTS), "title": "x"})
        assert answer["status"] == 201, answer
        self.facts.append(answer["body"]["id"])

    def _deal(self) -> None:
        if self.deals:
            deal, tag = self.deals.pop()
            body = {"status": "won"} if self.draw.random() < 0.5 else {"status": "lost", "lost_reason": "x"}
            answer = self._send("deal closed", "PATCH", f"/api/deals/{deal}", body, tag)
            assert answer["status"] == 200, answer
        else:
            answer = self._send("deal opened", "POST", f"{self.path}/deals", {"name": "Deal"})
            assert answer["status"] == 201, answer
            self.deals.append((answer["body"]["id"], '"1"'))

    def _note(self) -> None:
        seen = self._send("read", "GET", self.path, None)["body"]
        notes = f"{seen['notes'] or ''}{self.number}.{len(self.notes)} "
        answer = self._send("note", "PATCH", self.path, {"notes": notes[-10_000:]}, f'"{seen["version"]}"')
        if answer["status"] == 200:
            self.notes.append(f"{self.number}.{len(self.notes)}")
        else:
            assert (answer["status"], answer["body"]["code"]) == (412, "stale"), answer

    def _send(self, what: str, method: str, path: str, body: Any, tag: str | None = None) -> dict[str, Any]:
        """An answer; told that somebody else holds the row, a writer waits as long as it is told and asks again."""
        headers = [("content-type", "application/json"), ("authorization", f"Bearer {self.token}")] + ([("if-match", tag)] if tag else [])
        until = time.monotonic() + _PATIENCE
        while True:
            answer = self.gateway.handle(Request(method, path, headers, b"" if body is None else json.dumps(body).encode()))
            found = {"status": answer.status, "body": json.loads(answer.body)}
            code = found["body"].get("code", "")
            self.statuses[f"{what}: {answer.status} {code}".strip()] += 1
            if code not in {"locked", "serialization"} or time.monotonic() > until:
                return found
            time.sleep(float(dict(answer.headers)["retry-after"]) * self.draw.random())


def _invoke(handler: str, event: dict[str, Any]) -> Any:
    module, _, name = handler.rpartition(".")
    return getattr(sys.modules[module], name)(event, LambdaContext())


def main() -> None:
    """Fork the writers and wait for them all; fail if one of them did."""
    import importlib

    given = json.load(sys.stdin)
    for module in set(HANDLERS.values()):
        importlib.import_module(module)
    children = []
    for number in range(given["writers"]):
        child = os.fork()
        if child == 0:
            writer = Writer(number, given)
            failed = 1
            try:
                writer.work(given["moves"])
                failed = 0
            finally:
                done = {name: getattr(writer, name) for name in ("moves", "facts", "notes", "statuses")}
                (Path(given["folder"]) / f"{number}.json").write_text(json.dumps(done))
                if failed:
                    import traceback

                    traceback.print_exc()
                sys.stderr.flush()
                os._exit(failed)
        children.append(child)
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))


if __name__ == "__main__":
    main()
