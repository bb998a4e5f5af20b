"""One-shot schedules on this machine: asked for by the function that the template has, fired here once, and gone."""

import importlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clientway import wake
from clientway.local import aws, template
from clientway.local.oneshots import OneShots
from clientway.local.workers import FunctionError
from clientway.messaging import waking

ROOT = Path(__file__).parents[2]


def test_what_asks_to_be_woken_is_woken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = template.read(ROOT / "template.yaml")
    function = next(one for one in whole.functions if one.name == "SetWake")
    named = {name: type_ for name, type_ in whole.resources.items() if type_ in ("AWS::Scheduler::ScheduleGroup", "AWS::IAM::Role")}
    cloud = aws.start(template.Template(functions=whole.functions, resources=named, parameters=whole.parameters))
    try:
        for name, value in {**cloud.environment, **whole.environment(function, cloud.known)}.items():
            monkeypatch.setenv(name, value)
        waking.scheduler.cache_clear()
        now = datetime.now(UTC)
        for what, minutes in (("reminders", 20), ("messages", 10), ("messages", 11), ("messages", 3000)):
            payload = {"topic": f"wake.{what}", "payload": {"at": (now + timedelta(minutes=minutes)).isoformat()}}
            waking.set_wake(json.dumps(payload))
        started: list[str] = []

        def invoke(handler: str, event: dict[str, object]) -> None:
            assert event == {}
            started.append(handler)
            if handler.startswith("messaging"):
                raise FunctionError("Broken", "it broke")

        clock = OneShots(whole, cloud, invoke)
        assert clock.fire(now) == started == []
        latest = wake.rounded(now + timedelta(minutes=20), now)
        fired = clock.fire(latest)
        assert [name.partition("-")[0] for name in fired] in (["messages", "reminders"], ["messages", "messages", "reminders"])
        assert started == ["messaging.tend_messages.handler"] * (len(fired) - 1) + ["work.dispatch_reminders.handler"]
        assert clock.fire(latest) == []
        assert len(clock.fire(now + timedelta(days=4))) == 1
        for handler in started:
            assert importlib.import_module(handler.removesuffix(".handler"))
    finally:
        waking.scheduler.cache_clear()
        cloud.stop()
