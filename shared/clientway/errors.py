"""Anticipated failures: what a rule or a service raises and the edge answers as application/problem+json (RFC 9457)."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

TYPE_BASE = "https://clientway.dev/problems/"


@dataclass(frozen=True)
class FieldError:
    """One faulty place: a JSON pointer into the body, or into #/query, #/path or #/header."""

    pointer: str
    code: str
    message: str


class Problem(Exception):  # noqa: N818  (RFC 9457's word)
    """The base of every typed error. A subclass names its status, code and title, and lives beside the rule that raises it."""

    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    code: str = "internal"
    title: str = "Internal error"
    commits: bool = False
    """Whether what was written stands although the request is refused: a failed try is counted, say."""

    def __init__(
        self, detail: str = "", *, errors: Iterable[FieldError] = (), headers: Mapping[str, str] | None = None, **extensions: object
    ) -> None:
        """Say what went wrong, with one entry for each faulty field, headers to answer with, and any further members."""
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extensions = extensions

    def as_document(self, instance: str) -> dict[str, Any]:
        """The problem details document; `instance` is the request's id."""
        document: dict[str, Any] = {"type": TYPE_BASE + self.code, "title": self.title, "status": int(self.status), "code": self.code}
        document |= {"detail": self.detail, "instance": instance}
        if self.errors:
            document["errors"] = [asdict(error) for error in self.errors]
        return document | self.extensions


class Malformed(Problem):
    """400: the request cannot be read."""

    status, code, title = HTTPStatus.BAD_REQUEST, "malformed", "Malformed request"


class Unauthorized(Problem):
    """401: no credential, or none that is valid."""

    status, code, title = HTTPStatus.UNAUTHORIZED, "unauthorized", "Unauthorized"


class Forbidden(Problem):
    """403: the caller is known, but its role may not do this."""

    status, code, title = HTTPStatus.FORBIDDEN, "forbidden", "Forbidden"


class NotFound(Problem):
    """404: absent, or another tenant's; the two cannot be told apart."""

    status, code, title = HTTPStatus.NOT_FOUND, "not_found", "Not found"


class Conflict(Problem):
    """409: the state does not allow it."""

    status, code, title = HTTPStatus.CONFLICT, "conflict", "Conflict"


class PreconditionFailed(Problem):
    """412: the row has moved on since the caller read it."""

    status, code, title = HTTPStatus.PRECONDITION_FAILED, "stale", "Stale version"


class TooLarge(Problem):
    """413: the body is larger than an endpoint takes."""

    status, code, title = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", "Body too large"


class Unprocessable(Problem):
    """422: the body can be read but breaks a rule."""

    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "unprocessable", "Unprocessable"


class PreconditionRequired(Problem):
    """428: a change without If-Match could undo somebody else's."""

    status, code, title = HTTPStatus.PRECONDITION_REQUIRED, "if_match_required", "If-Match required"


class TooManyRequests(Problem):
    """429: the caller's bucket is empty."""

    status, code, title = HTTPStatus.TOO_MANY_REQUESTS, "rate_limited", "Too many requests"


class ServiceUnavailable(Problem):
    """503: something we depend on is away for a moment."""

    status, code, title = HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "Unavailable"


def check_version(current: int, expected: int) -> None:
    """Raise PreconditionFailed (412, with the current ETag) if the row has moved on since the caller read it."""
    if current != expected:
        raise PreconditionFailed("This was changed since you read it.", headers={"ETag": f'"{current}"'}, current_version=current)
