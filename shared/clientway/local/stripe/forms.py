"""Requests as Stripe's libraries write them: forms whose names carry brackets, and what is wrong with one."""

from typing import Any
from urllib.parse import parse_qsl

Json = dict[str, Any]
BAD_REQUEST, UNAUTHORIZED, PAYMENT_REQUIRED, FORBIDDEN, NOT_FOUND = 400, 401, 402, 403, 404


class Refusal(Exception):  # noqa: N818  (what the API answers)
    """An error in Stripe's form."""

    def __init__(
        self,
        message: str,
        *,
        status: int = BAD_REQUEST,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        kept: bool = False,
        **more: Any,
    ) -> None:
        """`kind` is Stripe's `type`; `kept`: what was done before stands nevertheless."""
        super().__init__(message)
        self.status = status
        self.kept = kept
        given = {"type": kind, "code": code, "message": message, "param": param, **more}
        self.body = {"error": {name: value for name, value in given.items() if value is not None}}


def absent(kind: str, object_id: str, param: str = "id") -> Refusal:
    """What the API says of an id that it does not know."""
    return Refusal(f"No such {kind}: '{object_id}'", status=NOT_FOUND, code="resource_missing", param=param)


def parse(form: str) -> Json:
    """`items[0][price]=x&expand[]=y` as nested objects and lists."""
    found: Json = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        head, *rest = name.replace("]", "").split("[")
        _put(found, [head, *rest], value)
    return _lists(found)


def _put(into: Json, path: list[str], value: str) -> None:
    head, *rest = path
    if head == "":
        head = str(len(into))
    if rest:
        inner = into.setdefault(head, {})
        if not isinstance(inner, dict):
            raise Refusal(f"Invalid object: {head}", param=head)
        _put(inner, rest, value)
    else:
        into[head] = value


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _lists(one) for name, one in value.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


def required(given: Json, *names: str) -> None:
    """Refuse a request that lacks one of these."""
    for name in names:
        if given.get(name) in (None, ""):
            raise Refusal(f"Missing required param: {name}.", code="parameter_missing", param=name)


def known(given: Json, names: set[str]) -> None:
    """Refuse what the endpoint does not know, as Stripe does."""
    for name in given:
        if name not in names:
            raise Refusal(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def integer(given: Json, name: str, default: int | None = None, *, least: int = 0) -> int:
    """A whole number."""
    value = given.get(name, default)
    try:
        number = int(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise Refusal(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name) from None
    if number < least:
        raise Refusal(f"This value must be greater than or equal to {least}.", code="parameter_invalid_integer", param=name)
    return number


def boolean(value: Any) -> bool:
    """A flag."""
    return value in (True, "true", "1")


def metadata(before: Json | None, given: Any) -> Json:
    """Metadata as an update leaves it: an empty value removes its key."""
    merged = {**(before or {}), **(given if isinstance(given, dict) else {})}
    return {name: str(value) for name, value in merged.items() if value != ""}
