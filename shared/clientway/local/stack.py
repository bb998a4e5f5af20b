"""The whole system on one machine: database, local AWS, workers, pollers, schedules and the HTTP API, started and stopped together."""

import contextlib
import fcntl
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

from clientway.local import aws, demo, events, mailbox, postgres, redelivery, server, template
from clientway.local.authorizer import JwtAuthorizer
from clientway.local.messages import local as messages
from clientway.local.messages.pages import Pages
from clientway.local.oneshots import OneShots
from clientway.local.stripe import demo as stripe
from clientway.local.workers import Pool
from clientway.migrations.run import migrate

DATABASE = "clientway"
# What would only be noise on a console; whoever wants it sets the variable.
_QUIET = {"POWERTOOLS_LOG_LEVEL": "WARNING", "POWERTOOLS_METRICS_DISABLED": "true", "POWERTOOLS_TRACE_DISABLED": "true"}
# Keys that the functions get from Secrets Manager in the cloud.
_KEYS = ("CLIENTWAY_SIGNING_KEY", "CLIENTWAY_IDENTITY_KEY", "STRIPE_TICKET_KEY")


class StackError(RuntimeError):
    """The stack cannot start; the message is one line for the console."""


@dataclass(frozen=True)
class Stack:
    """Where the running stack is."""

    url: str
    demo_key_file: Path
    database_url: str
    endpoint: str
    mailbox_file: Path
    stripe_url: str | None
    environment: Mapping[str, str]


@contextlib.contextmanager
def running(root: Path, template_file: Path, port: int) -> Iterator[Stack]:
    """Run the stack with its state in `root`/.clientway until the context ends; nothing of it is left then.

    Raises StackError when another one runs there or the port is taken, PostgresError when the database does not start.
    """
    state = root / ".clientway"
    state.mkdir(exist_ok=True)
    sam = template.read(template_file)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_only_one(state))

        def invoke(handler: str, event: dict[str, Any]) -> Any:
            return pool.invoke(handler, event)

        def own_pages(request: server.Request) -> server.Answer | None:
            return box.answer(request)

        # Bound first: a taken port is found out before anything is started.
        http = _bind(server.Gateway(sam.routes, invoke, JwtAuthorizer.from_environment(), own_pages), port)
        stack.callback(http.server_close)

        url = f"http://127.0.0.1:{http.server_address[1]}"
        admin_url = os.environ.get("DATABASE_URL") or _database(stack, state)
        job_url = os.environ.get("JOB_DATABASE_URL") or _as_role(admin_url, "clientway_job")
        settings = {
            "DATABASE_URL": os.environ.get("APP_DATABASE_URL") or _as_role(admin_url, "clientway_app"),
            "JOB_DATABASE_URL": job_url,
            "ADMIN_DATABASE_URL": admin_url,
            "PUBLIC_URL": os.environ.get("PUBLIC_URL") or url,
            **{name: os.environ.get(name) or _kept_secret(state / name.lower().replace("_", "-")) for name in _KEYS},
        }
        migrate(admin_url)
        # The demo tenant is made by the services themselves, in this process: they read their settings where a function would.
        stack.enter_context(_environment(settings))
        key_file = state / "demo-api-key"
        known_key = key_file.read_text().strip() if key_file.exists() else None
        _write_secret(key_file, demo.seed(admin_url, known_key=known_key or None))

        redelivery.resume()
        cloud = aws.start(sam)
        stack.callback(cloud.stop)
        # Whoever names Stripe's address gets that one: https://api.stripe.com with keys of its test mode, say.
        if not os.environ.get("STRIPE_API_BASE"):
            payments = stripe.start(state)
            stack.callback(payments.stop)
            stripe.resume(payments, cloud, settings["PUBLIC_URL"], demo.tenant(admin_url))
            settings["STRIPE_API_BASE"] = payments.base
        providers = messages.start(state, cloud, mailbox.Mailbox(state / "mailbox.jsonl").show)
        stack.callback(providers.stop)
        box = Pages(providers, settings["PUBLIC_URL"])
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment = {**_QUIET, **messages.SENDERS, **own, **cloud.environment, **providers.environment, **settings}
        pool = stack.enter_context(Pool(environment, functions=_functions(sam, cloud, environment)))

        clocks = [
            events.Clock(schedule, invoke, every=events.seconds_override(schedule.function, schedule.expression), region=cloud.region)
            for schedule in sam.schedules
        ]
        pollers = [events.Poller(consumer, cloud, invoke) for consumer in sam.consumers]
        threads: list[events.Poller | events.Clock | OneShots] = [*pollers, *clocks]
        if environment.get("MESSAGE_WAKE") == "next_due":
            # What is due then asks to be woken, as where the parameter ReminderWake says so.
            threads.append(OneShots(sam, cloud, invoke))
        for thread in threads:
            thread.start()
            stack.callback(thread.stop)
        threading.Thread(target=http.serve_forever, daemon=True, name="http").start()
        stack.callback(http.shutdown)
        stripe_url = None if os.environ.get("STRIPE_API_BASE") else settings["STRIPE_API_BASE"]
        yield Stack(url, key_file, admin_url, cloud.endpoint, state / "mailbox.jsonl", stripe_url, environment)


@contextlib.contextmanager
def _only_one(state: Path) -> Iterator[None]:
    """Hold the state folder. The kernel drops the lock of a killed process, so a stale one stands in nobody's way."""
    with (state / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(f"Clientway is already running in {state.parent} (process {_holder(lock)}).") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _holder(lock: IO[str]) -> str:
    lock.seek(0)
    return lock.read().strip() or "unknown"


def _bind(gateway: server.Gateway, port: int) -> ThreadingHTTPServer:
    try:
        return server.serve(gateway, port)
    except OSError as error:
        raise StackError(f"Port {port} on 127.0.0.1 is not free ({error.strerror}). Choose another with --port or PORT.") from error


def _database(stack: contextlib.ExitStack, state: Path) -> str:
    data = state / "postgres"
    # Before the start: an interrupted start leaves no server either.
    stack.callback(postgres.stop, data)
    return postgres.start(data).url(DATABASE)


def _as_role(url: str, role: str) -> str:
    """Return the URL for another role; a password stays, so on a server of one's own the roles have that of the administrator."""
    parts = urlsplit(url)
    credentials, _, place = parts.netloc.rpartition("@")
    _, colon, password = credentials.partition(":")
    return urlunsplit(parts._replace(netloc=f"{role}{colon}{password}@{place}"))


def _functions(
    sam: template.Template, cloud: aws.LocalAws, environment: Mapping[str, str]
) -> dict[str, tuple[template.Function, dict[str, str]]]:
    """Map handlers to their functions and the variables of the template that this machine does not set itself."""
    return {
        function.handler: (
            function,
            {name: value for name, value in sam.environment(function, cloud.known).items() if name not in environment},
        )
        for function in sam.functions
    }


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _kept_secret(file: Path) -> str:
    """Return this folder's own random key: made once, or sessions and identities would not outlive a restart."""
    if not file.exists():
        fresh = file.with_suffix(".new")
        _write_secret(fresh, secrets.token_urlsafe(48))
        fresh.rename(file)
    return file.read_text().strip()


def _write_secret(file: Path, text: str) -> None:
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as secret:
        secret.write(f"{text}\n")
