"""Stripe's API, as far as the product and its tests use it: keys, accounts, idempotency, errors, expansion, pages of lists."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from clientway.local.stripe import routes
from clientway.local.stripe.books import API_VERSION, Books
from clientway.local.stripe.forms import FORBIDDEN, UNAUTHORIZED, Refusal, absent, parse
from clientway.local.stripe.routes import Call
from clientway.local.stripe.store import new_id

Json = dict[str, Any]

_CONFLICT, _OK, _PAYMENT_REQUIRED = 409, 200, 402
_LONGEST_KEY: Final = 255
# Which kinds of object an id is of; the longer prefix first.
_PREFIXES: Final = {
    "pi_": "payment_intent", "ch_": "charge", "cus_": "customer", "prod_": "product", "price_": "price", "in_": "invoice",
    "plink_": "payment_link", "re_": "refund", "sub_": "subscription", "cs_": "checkout.session", "dp_": "dispute",
}  # fmt: skip
_SHOWN = 4


@dataclass(frozen=True)
class Response:
    """What goes back over HTTP."""

    status: int
    body: Json
    headers: dict[str, str]


class Api:
    """Answers requests; one at a time, whole or not at all."""

    def __init__(self, books: Books) -> None:
        """Serve these books."""
        self.books = books

    def handle(self, method: str, path: str, query: str, headers: dict[str, str], form: str) -> Response:
        """Answer one request."""
        answer_headers = {"Request-Id": new_id("req", 14), "Stripe-Version": headers.get("stripe-version", API_VERSION)}
        try:
            with self.books.store.transaction():
                status, body, replayed = self._answer(method, path, headers, form if method == "POST" else query)
        except Refusal as refusal:
            status, body, replayed = refusal.status, refusal.body, False
        if replayed:
            answer_headers["Idempotent-Replayed"] = "true"
        return Response(status, body, answer_headers)

    def _answer(self, method: str, path: str, headers: dict[str, str], form: str) -> tuple[int, Json, bool]:
        account = self._enter(headers)
        route, ids = _match(method, path)
        key = headers.get("idempotency-key") if method == "POST" else None
        if key is None:
            status, body = self._run(route, account, ids, form)
            return status, body, False
        if len(key) > _LONGEST_KEY:
            raise Refusal("Idempotency keys have at most 255 characters.", kind="idempotency_error")
        fingerprint = hashlib.sha256(f"{method} {path}\n{form}".encode()).hexdigest()
        kept = self.books.store.replay(account, key)
        if kept is not None and kept[0] != fingerprint:
            message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
            raise Refusal(
                f"{message} Try using a key other than '{key}' if you meant to execute a different request.", kind="idempotency_error"
            )
        if kept is not None:
            return kept[1], json.loads(kept[2]), True
        # What fails its validation raises, and is kept for nobody: it has changed nothing.
        status, body = self._run(route, account, ids, form)
        self.books.store.keep(account, key, fingerprint, status, json.dumps(body))
        return status, body, False

    def _run(self, route: "_Route", account: str, ids: tuple[str, ...], form: str) -> tuple[int, Json]:
        given = parse(form)
        expand = given.pop("expand", [])
        try:
            body = route(Call(self.books, account, given), *ids)
        except Refusal as refusal:
            if not refusal.kept:
                raise
            return refusal.status, refusal.body
        for place in expand:
            _expand(self.books, account, body, str(place).split("."))
        return _OK, body

    def _enter(self, headers: dict[str, str]) -> str:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            raise Refusal("Send the key as a bearer token.", status=UNAUTHORIZED)
        if not key:
            raise Refusal("You did not provide an API key.", status=UNAUTHORIZED)
        account = self.books.store.account_of(key)
        if account is None:
            shown = f"{key[:8]}{'*' * 8}{key[-_SHOWN:]}"
            raise Refusal(f"Invalid API Key provided: {shown}", status=UNAUTHORIZED)
        acts_for = headers.get("stripe-account")
        if acts_for in {None, account}:
            return account
        if acts_for is None or self.books.platform_of(acts_for) != account:
            message = f"The provided key does not have access to account '{acts_for}' (or that account does not exist)."
            raise Refusal(message, status=FORBIDDEN, code="account_invalid")
        return acts_for


_Route = Callable[..., Json]


def _match(method: str, path: str) -> tuple[_Route, tuple[str, ...]]:
    for (wanted, pattern), route in _TABLE:
        found = pattern.fullmatch(path) if wanted == method else None
        if found:
            return route, found.groups()
    raise Refusal(f"Unrecognized request URL ({method}: {path}).", status=404)


_TABLE: Final = [((method, re.compile(path.replace("{id}", "([^/]+)"))), route) for (method, path), route in routes.ROUTES.items()]


def _expand(books: Books, account: str, body: Any, path: list[str]) -> None:
    """Put the object in place of its id."""
    if isinstance(body, list):
        for one in body:
            _expand(books, account, one, path)
        return
    head, *rest = path
    if not isinstance(body, dict) or head not in body:
        raise Refusal(f"This property cannot be expanded ({head}).", code="property_cannot_be_expanded", param="expand")
    value = body[head]
    if isinstance(value, str):
        kind = next((kind for prefix, kind in _PREFIXES.items() if value.startswith(prefix)), None)
        if kind is None:
            raise Refusal(f"This property cannot be expanded ({head}).", param="expand")
        found = books.store.get(account, value, kind)
        if found is None:
            raise absent(kind, value)
        body[head] = value = found
    if rest and value is not None:
        _expand(books, account, value, rest)
