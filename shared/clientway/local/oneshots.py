"""One-shot entries of EventBridge Scheduler, which moto keeps and does not fire: their functions are started here when they are due."""

import json
import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from botocore.exceptions import BotoCoreError, ClientError

from clientway.local.aws import LocalAws
from clientway.local.events import Invoke
from clientway.local.template import Template
from clientway.local.workers import FunctionError

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


class OneShots(threading.Thread):
    """Starts the function of each entry at its time, once, and deletes the entry."""

    def __init__(self, template: Template, aws: LocalAws, invoke: Invoke) -> None:
        """Prepare; `start` begins to look."""
        super().__init__(daemon=True, name="one-shot schedules")
        self._handlers = {aws.known[f"{function.name}.Arn"]: function.handler for function in template.functions}
        self._groups = [aws.known[name] for name in template.named("AWS::Scheduler::ScheduleGroup")]
        self._scheduler = aws.client("scheduler")
        self._invoke = invoke
        self._stopping = threading.Event()

    def run(self) -> None:
        """Look every second, until stopped."""
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.fire(datetime.now(UTC))
            except (BotoCoreError, ClientError) as error:
                if not self._stopping.is_set():
                    logger.warning("%s: %s", self.name, error)

    def fire(self, now: datetime) -> list[str]:
        """Start what is due, the earliest first; returns the names of the entries, which are gone then."""
        due = sorted((at, entry["Name"], group) for group in self._groups for entry, at in self._entries(group) if at <= now)
        for _, name, group in due:
            target = self._scheduler.get_schedule(Name=name, GroupName=group)["Target"]
            # First, so that an entry that is asked for meanwhile is a new one.
            self._scheduler.delete_schedule(Name=name, GroupName=group)
            try:
                self._invoke(self._handlers[target["Arn"]], json.loads(target.get("Input") or "{}"))
            except FunctionError as error:
                if not self._stopping.is_set():
                    logger.warning("%s: %s", name, error)
        return [name for _, name, _ in due]

    def _entries(self, group: str) -> list[tuple[Mapping[str, Any], datetime]]:
        found = []
        for entry in self._scheduler.list_schedules(GroupName=group)["Schedules"]:
            whole = self._scheduler.get_schedule(Name=entry["Name"], GroupName=group)
            expression = whole["ScheduleExpression"]
            if expression.startswith("at("):
                zone = ZoneInfo(whole.get("ScheduleExpressionTimezone", "UTC"))
                found.append((entry, datetime.fromisoformat(expression[3:-1]).replace(tzinfo=zone)))
        return found

    def stop(self) -> None:
        """Start nothing further."""
        self._stopping.set()
