"""Delivers events to webhook endpoints as Stripe does: signed, at least once, in no order, again after a failure; worse on request."""

import hashlib
import hmac
import json
import logging
import random
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field

from clientway.local.stripe.books import Books
from clientway.local.stripe.store import Delivery

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 10
_LONGEST_WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.2
# Stripe gives up after three days; here a tenth of a day of tries says as much.
_MOST_ATTEMPTS = 300


@dataclass
class Trouble:
    """What is to go wrong; every count is used up one by one."""

    drop: int = 0
    """Deliveries that are lost on the way and tried again later."""
    duplicate: int = 0
    """Deliveries that come twice."""
    delay_seconds: float = 0.0
    """How long every delivery waits."""
    shuffled: random.Random | None = None
    """Deliveries that are due together go out in an order of its choice."""
    fail: list[int] = field(default_factory=list)
    """Statuses that the next calls of the API answer in place of doing anything."""
    lose: int = 0
    """Calls of the API that are done, but whose answer is lost: the connection is cut."""
    forbid: str = ""
    """A part of the API's paths that keys may not use, as a restricted key may not."""
    slow_seconds: float = 0.0
    """How long every call of the API takes."""


def signature(secret: str, payload: bytes, at: int) -> str:
    """The header Stripe-Signature. Source: "Verify webhook signatures manually", Stripe's documentation."""
    signed = hmac.new(secret.encode(), f"{at}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


class Deliverer(threading.Thread):
    """Delivers what is due until it is stopped; `deliver` does one round by itself."""

    def __init__(self, books: Books, trouble: Trouble) -> None:
        """Prepare; `start` begins to deliver."""
        super().__init__(daemon=True, name="stripe webhooks")
        self._books = books
        self._trouble = trouble
        self._stopping = threading.Event()

    def run(self) -> None:
        """Look for what is due until stopped."""
        while not self._stopping.wait(_POLL_SECONDS):
            self.deliver()

    def stop(self) -> None:
        """Begin no further delivery."""
        self._stopping.set()

    def deliver(self) -> int:
        """Deliver what is due now; returns how many came through."""
        store, trouble = self._books.store, self._trouble
        due = store.due()
        if trouble.shuffled:
            trouble.shuffled.shuffle(due)
        done = 0
        for delivery in due:
            if self._stopping.is_set():
                break
            if trouble.delay_seconds and not delivery.attempts:
                store.attempted(delivery, retry_at=store.clock() + trouble.delay_seconds)
                continue
            came = self._attempt(delivery)
            done += came
            wait = min(0.5 * 2 ** min(delivery.attempts, 10), _LONGEST_WAIT_SECONDS)
            gives_up = delivery.attempts >= _MOST_ATTEMPTS
            store.attempted(delivery, retry_at=None if came or gives_up else store.clock() + wait)
        return done

    def _attempt(self, delivery: Delivery) -> bool:
        trouble = self._trouble
        if trouble.drop:
            trouble.drop -= 1
            return False
        came = self._post(delivery)
        if came and trouble.duplicate:
            trouble.duplicate -= 1
            self._post(delivery)
        return came

    def _post(self, delivery: Delivery) -> bool:
        store = self._books.store
        event = store.get(delivery.account, delivery.event)
        hook = next((one for _, one in store.every("webhook_endpoint") if one["id"] == delivery.hook), None)
        if event is None or hook is None:
            return True
        payload = json.dumps(event, indent=2).encode()
        secret, _ = store.hook(delivery.hook)
        # Signed with the true time, whatever the stand-in's own clock says.
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)"}
        headers["Stripe-Signature"] = signature(secret, payload, int(time.time()))
        request = urllib.request.Request(hook["url"], payload, headers)  # noqa: S310  whoever runs the stand-in named it
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
                return bool(200 <= answer.status < 300)  # noqa: PLR2004
        except (OSError, urllib.error.HTTPError) as error:
            logger.debug("%s to %s: %s", event["type"], hook["url"], error)
            return False
