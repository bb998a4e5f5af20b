"""The database's schema as a part of the stack: migrated at every deployment, as a custom resource of CloudFormation.

CloudFormation waits for one PUT to a presigned S3 URL, whatever happens; without it a stack hangs until its time is up.
"""

import json
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from pg8000.native import identifier, literal

from clientway import administration
from clientway.config import iam, settings
from clientway.db import Unavailable, translated
from clientway.migrations import run

logger = logging.getLogger(__name__)

PHYSICAL_ID = "clientway-schema"
_RESERVE_SECONDS = 15
_TRIES = 4
_LONGEST_REASON = 400


def migrate(admin_url: str, *, seconds: float) -> dict[str, str]:
    """Bring the database to the newest revision within so many seconds. Raises what is wrong.

    A paused or new cluster may take a minute to answer, and is waited for.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            with translated(fresh=True):
                revision = run.migrate(admin_url, seconds=max(1, until - time.monotonic()))
            break
        except Unavailable:
            if time.monotonic() + _RESERVE_SECONDS > until:
                raise
            time.sleep(2)
    if not iam(admin_url):
        _take_passwords(admin_url)
    return {"Revision": revision}


def _take_passwords(admin_url: str) -> None:
    """Without IAM the roles get the passwords that their URLs carry, so that nobody has to set them by hand."""
    with administration.engine(admin_url).begin() as connection:
        for url in (settings().database_url, settings().job_database_url):
            parts = urlsplit(url)
            if parts.password:
                role, password = identifier(unquote(parts.username or "")), literal(unquote(parts.password))
                connection.exec_driver_sql(
                    f"alter role {role} password {password}",
                    execution_options={"no_parameters": True},
                )


def provide(event: Mapping[str, Any], admin_url: str, *, seconds: float) -> None:
    """Serve a request of CloudFormation: migrate when the resource is made or changed, and answer in time in any case.

    Raises only when the answer could not be given; Lambda then runs the function again, which is safe.
    """
    answered = threading.Lock()

    def answer(status: str, *, reason: str = "", data: Mapping[str, str] | None = None) -> None:
        if answered.acquire(blocking=False):
            _put(event, status, reason=reason, data=data or {})

    # In a thread of its own: a statement that does not come back holds up this one.
    alarm = threading.Timer(max(0, seconds - _RESERVE_SECONDS), answer, ("FAILED",), {"reason": "The migration took too long."})
    alarm.daemon = True
    alarm.start()
    try:
        # Nothing is taken away with the resource: the data outlives it.
        done = {} if event["RequestType"] == "Delete" else migrate(admin_url, seconds=max(1, seconds - 2 * _RESERVE_SECONDS))
    except Exception as error:
        logger.exception("the schema could not be migrated")
        answer("FAILED", reason=f"{type(error).__name__}: {error}"[:_LONGEST_REASON])
    else:
        answer("SUCCESS", data=done)
    finally:
        alarm.cancel()


def _put(event: Mapping[str, Any], status: str, *, reason: str, data: Mapping[str, str]) -> None:
    body = {
        "Status": status,
        "Reason": reason,
        "PhysicalResourceId": PHYSICAL_ID,
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
        "Data": data,
    }
    # The signature covers an empty content type.
    request = Request(event["ResponseURL"], json.dumps(body).encode(), {"Content-Type": ""}, method="PUT")  # noqa: S310  CloudFormation's URL
    for left in reversed(range(_TRIES)):
        try:
            urlopen(request, timeout=5).close()  # noqa: S310
        except OSError:
            if not left:
                raise
            time.sleep(1)
        else:
            return
