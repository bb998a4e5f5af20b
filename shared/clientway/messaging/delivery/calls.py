"""Calls of a provider: several at once, the client for them, and what their errors say of the message."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from clientway.messaging.delivery.message import PROVIDER_TIMEOUT_SECONDS, Refused, Unclear

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE: Final = 20
"""Messages that a worker has on their way together at most: as many may be of unknown outcome when it dies."""
# A connection that was idle for so long may be gone without a word (a frozen function hears nothing): what is sent over it is
# lost, and nobody could say whether the message went out. A new one costs a handshake.
_IDLE_SECONDS: Final = 10.0
_clients: dict[tuple[str, bool], Any] = {}
_last_used: dict[tuple[str, bool], float] = {}
_making = threading.Lock()

THROTTLED: Final = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "RequestThrottled", "LimitExceededException",
     "RequestLimitExceeded", "ServiceQuotaExceededException", "SlowDown"}
)  # fmt: skip
"""Too much at once, or for today. It says nothing of the message."""
NOT_THE_MESSAGES: Final = frozenset(
    {"SendingPausedException", "AccountSuspendedException", "AccessDeniedException", "AccessDenied", "ExpiredTokenException",
     "ExpiredToken", "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException",
     "IncompleteSignature", "MissingAuthenticationToken", "OptInRequired", "RequestExpired"}
)  # fmt: skip
"""Our account's trouble: somebody has to see to it, and then the message can go."""
_SERVER_ERROR, _TOO_MANY = 500, 429


def _make(service: str, *, once: bool) -> Any:
    # Here and not above: boto3 takes a third of a second, and some who import this never send.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    own = {"AWS_ENDPOINT_URL", f"AWS_ENDPOINT_URL_{service.replace('-', '_').upper()}"}
    config = Config(
        connect_timeout=2,
        read_timeout=PROVIDER_TIMEOUT_SECONDS,
        # botocore would repeat a request whose answer was lost: a campaign's message must not go out twice.
        retries={"mode": "standard", "total_max_attempts": 1 if once else 2},
        max_pool_connections=AT_ONCE,
        # From private subnets a provider is reached over IPv6; a stand-in on this machine has one address only.
        use_dualstack_endpoint=os.environ.get("AWS_DUALSTACK") == "true" and not own & os.environ.keys(),
    )
    return boto3.client(service, config=config)


def client(service: str, *, once: bool) -> Any:
    """The client of a provider's service; `once`: it never repeats a request by itself."""
    key, now = (service, once), time.monotonic()
    # Threads share a client, but making one is not theirs to do at the same time.
    with _making:
        made = _clients.get(key)
        if made is None:
            made = _clients[key] = _make(service, once=once)
        elif now - _last_used[key] > _IDLE_SECONDS:
            made.close()
        _last_used[key] = now
    return made


def at_once(call: Callable[[T], R], of: Sequence[T]) -> list[R]:
    """Call for all of them together; returns what came of each, in their order, when the last one is over.

    Each call is mostly waiting, so threads do. Raises what a call raised, also not before the others are over.
    """
    with ThreadPoolExecutor(max(len(of), 1), thread_name_prefix="provider") as pool:
        # Not pool.map: where a call fails, it never makes those whose threads have not come so far.
        made = [pool.submit(call, one) for one in of]
    return [one.result() for one in made]


def forget() -> None:
    """Make the clients anew: their environment changed."""
    for one in _clients.values():
        one.close()
    _clients.clear()
    _last_used.clear()


def message_id(answer: Mapping[str, Any]) -> str:
    """The provider's id of a message that it took. Raises Unclear for an answer without one: taken, as far as anybody can tell."""
    found = answer.get("MessageId")
    if not found:
        raise Unclear("the provider's answer has no id")
    return str(found)


@contextmanager
def told() -> Iterator[None]:
    """Give a provider's errors our two words: refused (certainly not sent) or unclear (perhaps it was)."""
    from botocore import exceptions, parsers  # noqa: PLC0415

    never_left = (
        exceptions.EndpointConnectionError,
        exceptions.ConnectTimeoutError,
        exceptions.ProxyConnectionError,
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.NoRegionError,
    )
    try:
        yield
    except exceptions.ClientError as error:
        raise _answered(error.response) from error
    except exceptions.ParamValidationError as error:
        raise Refused("invalid", str(error), retryable=False) from error
    except never_left as error:
        raise Refused("unreachable", str(error), retryable=True) from error
    except exceptions.SSLError as error:
        # Before anything was said, where it is the certificate; after that nobody knows.
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise Refused("unreachable", str(error), retryable=True) from error
        raise Unclear(str(error)) from error
    except (exceptions.HTTPClientError, parsers.ResponseParserError) as error:
        # No answer in time, a connection that broke, half an answer: the request was on its way.
        raise Unclear(str(error)) from error


def _answered(response: Any) -> Exception:
    """What an answer of the provider's means. A 5xx is no refusal: it may come from behind the place that took the message."""
    told, status = response.get("Error", {}), response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code, detail = str(told.get("Code", "")), str(told.get("Message", ""))
    if code in THROTTLED or status == _TOO_MANY:
        return Refused("throttled", f"{code} {detail}", retryable=True)
    if code in NOT_THE_MESSAGES:
        return Refused(code, detail, retryable=True)
    if status >= _SERVER_ERROR or not code:
        return Unclear(f"{status} {code} {detail}"[:400])
    reason = response.get("Reason")
    return Refused(str(reason or code).lower() if reason else code, detail, retryable=False)
