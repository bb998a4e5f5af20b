"""How often a warm request turns to the database, counted by a proxy in front of it."""

import json
import os
from collections.abc import Iterator
from typing import Any

from benchmarks.handlers import asking, call, event
from benchmarks.measure import Row
from benchmarks.stage import Stage
from clientway import engines
from clientway.config import settings
from tests.proxy import Proxy

ROWS = 60


def run(stage: Stage) -> Iterator[Row]:
    """Make some organizations; read one, list fifty, move one to another stage."""
    direct = os.environ["DATABASE_URL"]
    proxy = Proxy((stage.server.host, stage.server.port))
    tenant = stage.tenant()
    listing = event("lifecycle/organizations", tenant)
    made = [
        json.loads(call("lifecycle/organizations", asking(listing, "POST", body={"legal_name": f"Place {n}"})))["id"] for n in range(ROWS)
    ]
    _connect(direct.replace(f":{stage.server.port}/", f":{proxy.start()}/"))
    try:
        one = event("lifecycle/organization", tenant, organization_id=made[0])
        move = event("lifecycle/organization_stage_change", tenant, organization_id=made[0])
        moved = {"stage": "prospect", "reason": "They called."}
        # The connection is there and has been used when the counting begins.
        call("lifecycle/organization", asking(one, "GET"))
        yield _counted(proxy, "read of one object", 2, "lifecycle/organization", asking(one, "GET"))
        yield _counted(proxy, "list of 50", 2, "lifecycle/organizations", asking(listing, "GET", query={"limit": 50}))
        what = "update with activity and outbox"
        yield _counted(proxy, what, 5, "lifecycle/organization_stage_change", asking(move, "POST", body=moved))
    finally:
        _connect(direct)
        proxy.stop()


def _connect(url: str) -> None:
    """Have the requests to come go by this URL."""
    engines.engine("app").dispose()
    engines.engine.cache_clear()
    os.environ["DATABASE_URL"] = url
    settings.cache_clear()


def _counted(proxy: Proxy, what: str, most: int, function: str, given: dict[str, Any]) -> Row:
    proxy.reset()
    call(function, given)
    return Row(f"server flights, warm: {what}", proxy.flights, most, function, unit="flights")
