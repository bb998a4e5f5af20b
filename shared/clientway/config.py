"""The environment, parsed once into a typed object. A setting that is missing or wrong fails in one clear line."""

import os
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

# Each is well below the next, so that the innermost gives up first and its caller still has time to say so.
TIMEOUTS = {"lock": 2.0, "statement": 5.0, "flight": 7.0, "provider": 8.0, "request": 20.0, "handler": 25.0, "api": 29.0}
"""Seconds; lock and statement stand on the database roles (migrations/run.py), handler in template.yaml.

A flight is one turn to the database and back; all of a request's end by "request"."""

IDLE_SECONDS = 4.0
"""How long the database lets an idle session be (migrations/run.py). Each function's environments keep a connection of
their own and most of them are idle: none may hold a place that another one needs, nor keep Aurora from pausing."""

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_SHORTEST_KEY = 32


class ConfigurationError(RuntimeError):
    """The environment lacks something or holds nonsense; the message names the variable."""


@dataclass(frozen=True)
class Settings:
    """Everything that differs between one installation and another."""

    database_url: str
    job_database_url: str
    database_pool_size: int
    signing_keys: tuple[bytes, ...]
    identity_key: bytes
    public_url: str
    mail_from: str
    import_bucket: str
    mail_queue_url: str
    import_queue_url: str
    stripe_send_queue_url: str
    campaign_queue_url: str
    message_queue_url: str
    wake_queue_url: str
    wakes: bool

    @property
    def signing_key(self) -> bytes:
        """What signs, and verifies whatever need not outlive it; the former keys of `signing_keys` only verify links in old mail."""
        return self.signing_keys[0]


@cache
def settings() -> Settings:
    """The settings of this process. Raises ConfigurationError."""
    database_url = _required("DATABASE_URL")
    job_database_url = os.environ.get("JOB_DATABASE_URL") or database_url
    for name, url in (("DATABASE_URL", database_url), ("JOB_DATABASE_URL", job_database_url)):
        if not urlsplit(url).hostname:
            raise ConfigurationError(f"{name} is not a PostgreSQL URL with a host")
        if not is_loopback(url):
            ca_file(url)
    return Settings(
        database_url=database_url,
        job_database_url=job_database_url,
        database_pool_size=int(os.environ.get("DATABASE_POOL_SIZE", "1")),
        signing_keys=_keys("CLIENTWAY_SIGNING_KEY"),
        identity_key=_key("CLIENTWAY_IDENTITY_KEY"),
        public_url=os.environ.get("PUBLIC_URL", "http://127.0.0.1:3000").rstrip("/"),
        mail_from=os.environ.get("MAIL_FROM", "Clientway <hello@clientway.example>"),
        import_bucket=os.environ.get("IMPORT_BUCKET", ""),
        mail_queue_url=os.environ.get("MAIL_QUEUE_URL", ""),
        import_queue_url=os.environ.get("IMPORT_QUEUE_URL", ""),
        stripe_send_queue_url=os.environ.get("STRIPE_SEND_QUEUE_URL", ""),
        campaign_queue_url=os.environ.get("CAMPAIGN_QUEUE_URL", ""),
        message_queue_url=os.environ.get("MESSAGE_QUEUE_URL", ""),
        wake_queue_url=os.environ.get("WAKE_QUEUE_URL", ""),
        # Whether what is due later asks to be woken for; otherwise a schedule looks every quarter of an hour.
        wakes=os.environ.get("MESSAGE_WAKE", "interval") == "next_due",
    )


def is_loopback(url: str) -> bool:
    """Whether a database URL stays on this machine."""
    return urlsplit(url).hostname in _LOOPBACK


def ca_file(url: str) -> str:
    """The file of authorities that the server of a remote URL is verified with.

    Raises ConfigurationError when there is none: pg8000 would fall back to an unverified or plain connection without a word.
    """
    path = os.environ.get("DATABASE_CA_FILE")
    if not path:
        raise ConfigurationError(f"set DATABASE_CA_FILE to verify the certificate of the remote host {urlsplit(url).hostname}")
    return path


def iam(url: str) -> bool:
    """Whether AWS's identities open a database in place of passwords; one on this machine has never heard of them."""
    return os.environ.get("DATABASE_IAM", "") == "true" and not is_loopback(url)


def _required(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ConfigurationError(f"{name} is not set")
    return value


def _keys(name: str) -> tuple[bytes, ...]:
    """The current key and, each after a space, those that it took the place of."""
    return tuple(_long_enough(name, key) for key in _required(name).split() or ("",))


def _key(name: str) -> bytes:
    return _long_enough(name, _required(name))


def _long_enough(name: str, key: str) -> bytes:
    value = key.encode()
    if len(value) < _SHORTEST_KEY:
        raise ConfigurationError(f"{name} needs at least {_SHORTEST_KEY} bytes")
    return value
