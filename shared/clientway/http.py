"""The HTTP edge: Powertools' resolver with our errors, credentials, one transaction a request, replays and ETags.

A handler opens the transaction, calls a service and returns its answer. The commit happens here, after the answer has
been built: nothing is committed for a request that fails to answer, and the stored answer of an idempotent request is
exactly the bytes that were sent.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from http.cookies import SimpleCookie
from types import MappingProxyType
from typing import Any, NoReturn, cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import (
    OpenAPIRequestValidationMiddleware,
    OpenAPIResponseValidationMiddleware,
)
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel
from sqlalchemy import text

from clientway import bodies, db, effects, ratelimit, tokens
from clientway.access import roles_allowed
from clientway.config import TIMEOUTS
from clientway.db import Tx
from clientway.errors import (
    FieldError,
    Forbidden,
    Malformed,
    NotFound,
    PreconditionRequired,
    Problem,
    Unauthorized,
    Unprocessable,
)
from clientway.paging import DatabaseJson

logger = Logger(service="clientway")

SESSION_COOKIE = "__Host-clientway"
PORTAL_COOKIE = "__Host-clientway-portal"
PERSON_COOKIE = "__Host-clientway-person"
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_ATTEMPTS = 2


class InFlight(Problem):
    """The same Idempotency-Key is being worked on by another request."""

    status, code, title = HTTPStatus.CONFLICT, "idempotency_in_flight", "Request in flight"


class KeyReused(Unprocessable):
    """An Idempotency-Key came with another body than before."""

    code, title = "idempotency_key_reused", "Idempotency key reused"


class UnsupportedMediaType(Problem):
    """The body is not JSON."""

    status, code, title = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type"


class Replay(Exception):  # noqa: N818  (not an error: it carries the stored answer out of the handler)
    """Raised in place of running a handler whose answer is already known."""

    def __init__(self, status: int, headers: dict[str, str], body: str) -> None:
        """Carry the stored answer."""
        super().__init__("replayed")
        self.answer = Response(status, headers=cast("Any", {**headers, "Idempotent-Replayed": "true"}), body=body)


class _Requests(OpenAPIRequestValidationMiddleware):
    """Powertools' validation, for JSON alone: it would fill the same models from forms, which any web page can send."""

    def _get_body(self, app: Any) -> Any:
        kind = app.current_event.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in {"", "application/json"}:
            raise UnsupportedMediaType("Send the body as application/json.")
        return self._parse_json_data(app)


class _Answers(OpenAPIResponseValidationMiddleware):
    """In place of Powertools' response validation: an answer is a model, valid by construction, or JSON the database built."""

    def handler(self, app: Any, next_middleware: NextMiddleware) -> Response[Any]:
        _check_query(app)
        response: Response[Any] = next_middleware(app)
        body = response.body
        if isinstance(body, (BaseModel, DatabaseJson)):
            version = getattr(body, "version", None)
            if version is not None:
                response.headers["ETag"] = f'"{version}"'
        if isinstance(body, BaseModel):
            response.body = body.model_dump_json()
        return response


class Api(APIGatewayHttpResolver):
    """The resolver of one path's handlers."""

    module = ""
    rate: Mapping[str, str] = MappingProxyType({})

    event: Mapping[str, Any] = MappingProxyType({"requestContext": {"requestId": ""}, "headers": {}})
    """The request that is being answered, as it came; no request's before the first."""
    tx: Tx | None = None
    failure: Exception | None = None
    idempotency: tuple[str, str, str] | None = None
    replay_refusal: Problem | None = None
    keyed = False
    until = 0.0

    def resolve(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Answer one HTTP API v2 event; a request that lost a connection which had worked before is run once more."""
        started = time.monotonic()
        self.event, self.until = event, started + TIMEOUTS["request"]
        unknown: dict[str, Any] | None = None
        for _ in range(_ATTEMPTS):
            self.tx = self.failure = self.idempotency = self.replay_refusal = None
            self.rate, self.keyed = {}, False
            answer = self._attempt(event, context)
            if unknown is not None and answer["statusCode"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
                # It settled nothing: what came of the first attempt is as unknown as before.
                answer = unknown
                break
            in_time = time.monotonic() - started < TIMEOUTS["request"] / 2
            if not (in_time and self._worth_repeating()):
                break
            unknown = answer if isinstance(self.failure, db.CommitUnknown) else None
        headers = answer.setdefault("headers", {})
        headers["X-Request-Id"] = _request_id(event)
        headers.update(self.rate)
        headers.setdefault("Cache-Control", "no-store")
        logger.info(
            "request",
            extra={
                "handler": self.module,
                "method": event["requestContext"]["http"]["method"],
                "route": event.get("routeKey"),
                "status": answer["statusCode"],
                "milliseconds": round((time.monotonic() - started) * 1000, 1),
            },
        )
        return answer

    def lambda_handler(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """What template.yaml names: answer one event."""
        return self.resolve(event, context)

    def _worth_repeating(self) -> bool:
        """Whether the connection broke, as one does that was idle for long, and running the request again is no second effect."""
        if not isinstance(self.failure, db.Unavailable) or self.failure.fresh:
            return False
        # Where the answer to COMMIT was lost, the answer that is kept under the key says what was done.
        return not self.failure.sent_commit or self.keyed

    def _attempt(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        try:
            bodies.check(event)
            answer = super().resolve(event, context)
        except Exception as failure:  # noqa: BLE001  (the last line of defence: a defect answers 500 and leaks nothing)
            answer = self._refusal(failure)
        if self.tx is None:
            return answer
        tx, self.tx = self.tx, None
        refused = self.failure is not None or answer["statusCode"] >= HTTPStatus.BAD_REQUEST
        if refused and not (isinstance(self.failure, Problem) and self.failure.commits):
            db.rollback(tx)
            return answer
        try:
            if self.idempotency is not None:
                method, route, key = self.idempotency
                effects.answer(tx, method=method, route=route, key=key, **self._for_replays(answer, event))
            db.commit(tx, effects.pending(tx))
        except Exception as failure:  # noqa: BLE001
            db.rollback(tx)
            if isinstance(failure, db.CommitUnknown) and event["requestContext"]["http"]["method"] in _SAFE_METHODS:
                # What was read is right, whether or not anybody heard that the reading is over.
                return answer
            return self._refusal(failure)
        return answer

    def _for_replays(self, answer: dict[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
        if self.replay_refusal is not None:
            body = json.dumps(self.replay_refusal.as_document(_request_id(event)))
            return {"status": int(self.replay_refusal.status), "headers": {"Content-Type": "application/problem+json"}, "body": body}
        kept = {name: value for name, value in answer["headers"].items() if name in ("Content-Type", "ETag", "Location")}
        return {"status": answer["statusCode"], "headers": kept, "body": answer["body"]}

    def _handle_not_found(self, method: str, path: str) -> NoReturn:  # noqa: ARG002  (what it is of Powertools' resolver)
        """Nobody's path, or one whose parameter no rule of Powertools fits (an emoji in a slug). What its query holds is no matter."""
        raise NotFound("There is nothing at this path.")

    def _refusal(self, failure: Exception) -> dict[str, Any]:
        response = self.refuse(failure)
        return {"statusCode": response.status_code, "headers": dict(response.headers), "body": response.body, "isBase64Encoded": False}

    def refuse(self, failure: Exception) -> Response[Any]:
        """Turn whatever went wrong into problem+json; what is not anticipated becomes a 500 that says nothing."""
        self.failure = failure
        problem = failure if isinstance(failure, Problem) else _as_problem(failure)
        if problem is None:
            logger.error("unexpected failure", exc_info=failure)
            problem = Problem("Something went wrong on our side; it has been logged under this request id.")
        body = json.dumps(problem.as_document(_request_id(self.event)), default=str)
        return Response(int(problem.status), content_type="application/problem+json", headers=dict(problem.headers), body=body)


def api(name: str) -> Api:
    """Make the resolver of the handler module of this name, which ends in `handler = app.lambda_handler`."""
    app = Api(enable_validation=True, json_body_deserializer=bodies.strict_json)
    app._request_validation_middleware = _Requests()  # type: ignore[no-untyped-call]  # noqa: SLF001
    app._response_validation_middleware = _Answers()  # noqa: SLF001
    app.module = name
    app.exception_handler(Exception)(app.refuse)
    app.exception_handler(Replay)(lambda replay: replay.answer)
    return app


@contextmanager
def transaction(app: Api, *, needs: str, replay_refusal: Problem | None = None) -> Iterator[Tx]:
    """Authenticate, set the tenant, and yield the request's transaction; it commits once the answer is built.

    `needs` names a permission of `clientway.access`. An answer that shows a secret once is never stored: with
    `replay_refusal`, a repeated request gets that instead. Raises Unauthorized (401), Forbidden (403), or Replay when
    the request's Idempotency-Key already has an answer.
    """
    app.replay_refusal = replay_refusal
    token = _credential(app, PORTAL_COOKIE if needs.startswith("portal:") else SESSION_COOKIE)
    app.rate = ratelimit.take(tokens.digest(token)[:16])
    with _open(app, db.Credential(tokens.digest(token), roles_allowed(needs))) as tx:
        yield tx


@contextmanager
def anonymous(app: Api) -> Iterator[Tx]:
    """A transaction without a credential: no tenant is set and row security shows nothing. For sign-in alone."""
    with _open(app, db.Anonymous()) as tx:
        yield tx


@contextmanager
def personal(app: Api) -> Iterator[tuple[Tx, str]]:
    """A transaction of a person's own and the hash of their session, which the functions of identity take and check.

    They belong to no tenant, so that none is set and row security shows nothing. Raises Unauthorized (401).
    """
    session = tokens.digest(_credential(app, PERSON_COOKIE))
    # Nobody repeats a decision by its key here, but what is no JSON is refused as everywhere, whether it is read or not.
    bodies.fingerprint(app.current_event.decoded_body)
    app.rate = ratelimit.take(session[:16])
    with _open(app, db.Anonymous()) as tx:
        yield tx, session


@contextmanager
def _open(app: Api, entry: db.Entry) -> Iterator[Tx]:
    tx = db.begin(entry, now=datetime.now(UTC), request_id=_request_id(app.event), until=app.until)
    app.tx = tx
    if not isinstance(entry, db.Anonymous):
        _remember(app, tx)
    yield tx


def if_match(app: Api) -> int:
    """The version that the caller last saw, from If-Match. Raises PreconditionRequired (428), Malformed (400)."""
    raw = app.current_event.headers.get("if-match")
    if raw is None:
        raise PreconditionRequired("Send the ETag of what you are changing in If-Match.")
    found = ETAG.fullmatch(raw.strip())
    if found is None:
        pointer = FieldError("#/header/if-match", "invalid_etag", "not an ETag of ours")
        raise Malformed("If-Match is not an ETag of ours.", errors=[pointer])
    return int(raw.strip().removeprefix("W/").strip('"'))


# Both stand in the contract as they are here. Weak ETags too: a proxy that compresses makes them of ours. 18 digits fit a bigint.
ETAG = re.compile(r'^((W/)?"[0-9]{1,18}"|[0-9]{1,18})$')
IDEMPOTENCY_KEY = re.compile(r"^[!-~]([ -~]{0,253}[!-~])?$")


def require_idempotency_key(app: Api) -> None:
    """Insist on an Idempotency-Key, where money moves or a message goes out. Raises Malformed (400)."""
    if app.current_event.headers.get("idempotency-key") is None:
        pointer = FieldError("#/header/idempotency-key", "missing", "required here: it makes a retry safe")
        raise Malformed("Send an Idempotency-Key: a repeated request must not count twice.", errors=[pointer])


def _remember(app: Api, tx: Tx) -> None:
    """Reserve the request's Idempotency-Key, or raise Replay with the answer that it already has."""
    http = app.event["requestContext"]["http"]
    key = app.current_event.headers.get("idempotency-key")
    if http["method"] != "POST" or key is None:
        return
    if not IDEMPOTENCY_KEY.fullmatch(key):
        pointer = FieldError("#/header/idempotency-key", "invalid", "1 to 255 printable ASCII characters")
        raise Malformed("Idempotency-Key is 1 to 255 printable ASCII characters.", errors=[pointer])
    route, fingerprint = http["path"], bodies.fingerprint(app.current_event.decoded_body)
    given = {"method": "POST", "route": route, "key": key, "fingerprint": fingerprint}
    app.keyed = True
    try:
        fresh = tx.execute(_RESERVE, given).first()
    except db.LockTimeout:
        raise InFlight("A request with this Idempotency-Key is still being worked on.", headers={"Retry-After": "1"}) from None
    if fresh is not None:
        app.idempotency = ("POST", route, key)
        return
    stored = tx.execute(_RECALL, {"method": "POST", "route": route, "key": key}).one()
    if stored.fingerprint != fingerprint:
        pointer = FieldError("#/header/idempotency-key", "reused", "use a new key for a new request")
        raise KeyReused("This Idempotency-Key was used with another body.", errors=[pointer])
    raise Replay(stored.status, stored.headers, stored.body)


_RESERVE = text("""
insert into idempotency_keys (principal, method, route, key, fingerprint)
values (current_setting('app.principal', true), :method, :route, :key, :fingerprint)
on conflict (tenant_id, principal, method, route, key) do nothing returning 1
""")
_RECALL = text("""
select fingerprint, status, headers, body from idempotency_keys
 where tenant_id = app.tenant() and principal = current_setting('app.principal', true)
   and method = :method and route = :route and key = :key
""")


def _credential(app: Api, cookie: str) -> str:
    headers = app.current_event.headers
    scheme, _, bearer = (headers.get("authorization") or "").partition(" ")
    token = bearer.strip() if scheme.lower() == "bearer" else ""
    if not token:
        cookies = SimpleCookie("; ".join(app.event.get("cookies") or []))
        morsel = cookies.get(cookie)
        token = morsel.value if morsel else ""
        # A cookie comes along by itself, so a change also needs a header that another site cannot set.
        if token and app.event["requestContext"]["http"]["method"] not in _SAFE_METHODS and "x-clientway-csrf" not in headers:
            raise Forbidden("A change by cookie needs the header X-Clientway-CSRF.")
    if not tokens.is_well_formed(token):
        raise Unauthorized("No valid credential was sent.", headers={"WWW-Authenticate": "Bearer"})
    return token


def _check_query(app: Api) -> None:
    route = app.context["_route"]
    known = {field.alias for field in route.dependant.query_params}
    unknown = sorted(set(app.current_event.query_string_parameters) - known)
    # A page for people is opened by a link, to which newsletters and mail gateways add what they like.
    if unknown and route.include_in_schema:
        hint = f"known are: {', '.join(sorted(known)) or 'none'}"
        errors = [FieldError(f"#/query/{name}", "unknown_parameter", hint) for name in unknown]
        raise Malformed("The query has parameters that this endpoint does not know.", errors=errors)
    unfit = [name for name, value in app.current_event.query_string_parameters.items() if "\x00" in value]
    if unfit:
        errors = [FieldError(f"#/query/{name}", "nul", "must not contain a NUL character") for name in unfit]
        raise Malformed("The query has a NUL character.", errors=errors)


def _as_problem(failure: Exception) -> Problem | None:
    """Powertools' own refusals as ours; None for what nobody anticipated."""
    if isinstance(failure, RequestValidationError):
        errors = [_field_error(error) for error in failure.errors()]
        malformed = any(error["loc"][0] != "body" or error["type"] == "json_invalid" for error in failure.errors())
        if malformed:
            return Malformed("The request is malformed.", errors=errors)
        return Unprocessable("The body breaks a rule.", errors=errors)
    return None


def _field_error(error: Mapping[str, Any]) -> FieldError:
    place = [str(part).replace("~", "~0").replace("/", "~1") for part in error["loc"]]
    if error["type"] == "json_invalid":
        return FieldError("#", "json_invalid", f"{(error.get('ctx') or {}).get('error')} (at character {place[-1]})")
    pointer = "#/" + "/".join(place[1:] if place[0] == "body" else place) if len(place) > 1 else "#"
    return FieldError(pointer, error["type"], error["msg"])


def _request_id(event: Mapping[str, Any]) -> str:
    return str(event["requestContext"].get("requestId", ""))
