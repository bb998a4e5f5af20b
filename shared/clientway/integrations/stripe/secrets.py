"""The keys of tenants' Stripe accounts: encrypted parameters, read only by functions outside the network.

Nothing here is ever logged, answered or put on a queue. An endpoint is a tenant's own (its id), or `connect`: the platform.
"""

import json
import os
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final
from uuid import UUID

from clientway.errors import ServiceUnavailable

CONNECT: Final = "connect"
_KEPT_SECONDS: Final = 300.0
# Shorter: an endpoint that is not there yet may be in a moment.
_ABSENT_SECONDS: Final = 20.0
_MOST_KEPT: Final = 1000


class SecretsAway(ServiceUnavailable):
    """503: what keeps the keys cannot be reached."""

    code, title = "secrets_unavailable", "Secrets unavailable"


@dataclass(frozen=True)
class Secrets:
    """What is needed to speak to an account and to believe what comes from it. It shows nothing of itself."""

    key: str = field(repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    previous_webhook_secret: str | None = field(default=None, repr=False)
    webhook_id: str | None = None


_known: dict[str, tuple[float, Secrets | None]] = {}


def read(endpoint: str) -> Secrets | None:
    """An endpoint's secrets, at most five minutes old; None when there are none. Raises SecretsAway (503)."""
    if not _is_endpoint(endpoint):
        return None
    until, found = _known.get(endpoint, (0.0, None))
    if until > time.monotonic():
        return found
    found = fresh(endpoint)
    if len(_known) >= _MOST_KEPT:
        _known.clear()
    _known[endpoint] = (time.monotonic() + (_KEPT_SECONDS if found else _ABSENT_SECONDS), found)
    return found


def webhook_secrets(endpoint: str) -> tuple[str, ...]:
    """What an endpoint's deliveries may be signed with, newest first; empty for an endpoint that is not there."""
    found = read(endpoint)
    return tuple(one for one in (found.webhook_secret, found.previous_webhook_secret) if one) if found else ()


def fresh(endpoint: str) -> Secrets | None:
    """An endpoint's secrets as they stand now. Raises SecretsAway (503)."""
    answer = _ask("get_parameter", Name=_name(endpoint), WithDecryption=True)
    if answer is None:
        return None
    kept: dict[str, str] = json.loads(answer["Parameter"]["Value"])
    return Secrets(kept["key"], kept.get("webhook_secret"), kept.get("previous_webhook_secret"), kept.get("webhook_id"))


def write(endpoint: str, given: Secrets) -> None:
    """Keep an endpoint's secrets in place of those before, encrypted with the installation's own key. Raises SecretsAway (503)."""
    kept = {name: value for name, value in vars(given).items() if value is not None}
    own_key = os.environ.get("SECRETS_KMS_ID")
    encryption = {"KeyId": own_key} if own_key else {}
    _ask("put_parameter", Name=_name(endpoint), Value=json.dumps(kept), Type="SecureString", Overwrite=True, **encryption)
    _known.pop(endpoint, None)


def forget(endpoint: str) -> None:
    """Delete an endpoint's secrets; none are left when there were none. Raises SecretsAway (503)."""
    _known.pop(endpoint, None)
    _ask("delete_parameter", Name=_name(endpoint))


def _ask(operation: str, **given: Any) -> Any:
    """What SSM answers; None for a parameter that is not there."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  (as below)

    try:
        return getattr(_ssm(), operation)(**given)
    except (BotoCoreError, ClientError) as error:
        code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
        if code == "ParameterNotFound":
            return None
        raise SecretsAway("The key store cannot be reached at the moment.", headers={"Retry-After": "5"}) from error


def _is_endpoint(endpoint: str) -> bool:
    if endpoint == CONNECT:
        return True
    try:
        return str(UUID(endpoint)) == endpoint
    except ValueError:
        return False


def _name(endpoint: str) -> str:
    return f"{os.environ.get('STRIPE_SECRETS', '/clientway/stripe')}/{endpoint}"


@cache
def _ssm() -> Any:
    # Here and not above: boto3 takes a third of a second.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
    return boto3.client("ssm", config=config)
