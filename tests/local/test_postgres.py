"""The launcher of the embedded server: what it survives."""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pg8000.native
import pytest

from clientway.local import postgres


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the unprivileged user of PostgreSQL can reach, which pytest's own temporary folders are not when run as root."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        data = Path(name)
        yield data
        postgres.stop(data)


def query(server: postgres.Server, sql: str) -> list[list[object]]:
    connection = pg8000.native.Connection("postgres", host=server.host, port=server.port, database="postgres", ssl_context=False)
    try:
        return list(connection.run(sql) or [])
    finally:
        connection.close()


def postmaster(data: Path) -> int:
    return int((data / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def wait_until_gone(pid: int, data: Path) -> None:
    for _ in range(500):
        if not postgres._is_our_postgres(pid, data):
            return
        time.sleep(0.01)
    raise AssertionError("the process is still there")


def test_a_restart_keeps_data_and_port(folder: Path) -> None:
    first = postgres.start(folder, durable=False)
    query(first, "create table kept as select 7 as answer")
    assert first.url("clientway", "clientway_app") == f"postgresql://clientway_app@127.0.0.1:{first.port}/clientway"

    pid = postmaster(folder)
    postgres.stop(folder)
    assert not postgres._is_our_postgres(pid, folder)
    postgres.stop(folder)

    second = postgres.start(folder, durable=False)
    assert second == first
    assert query(second, "select answer from kept") == [[7]]
    assert query(second, "show fsync") == [["off"]]
    assert query(second, "show listen_addresses") == [["127.0.0.1"]]
    assert query(second, "show unix_socket_directories") == [[""]]


def test_starting_at_once_from_many_sides_gives_one_server(folder: Path) -> None:
    servers: list[postgres.Server] = []
    threads = [threading.Thread(target=lambda: servers.append(postgres.start(folder, durable=False))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(servers) == 4
    assert len(set(servers)) == 1


def test_a_killed_server_recovers_with_its_data(folder: Path) -> None:
    server = postgres.start(folder)
    query(server, "create table kept as select 7 as answer")
    pid = postmaster(folder)
    os.kill(pid, signal.SIGKILL)
    wait_until_gone(pid, folder)
    again = postgres.start(folder)
    assert query(again, "select answer from kept") == [[7]]


def test_a_reused_process_id_is_neither_trusted_nor_killed(folder: Path) -> None:
    postgres.start(folder, durable=False)
    postgres.stop(folder)
    pidfile = folder / "cluster" / "postmaster.pid"
    pidfile.write_text(f"{os.getpid()}\n{folder / 'cluster'}\n1\n1\n\n127.0.0.1\n\nready\n")
    postgres.stop(folder)
    assert query(postgres.start(folder, durable=False), "select 1") == [[1]]


def test_a_half_made_cluster_is_thrown_away(folder: Path) -> None:
    (folder / "making-1").mkdir()
    (folder / "making-1" / "PG_VERSION").write_text("18\n")
    postgres.start(folder, durable=False)
    assert not list(folder.glob("making-*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user for PostgreSQL")
def test_a_folder_out_of_reach_gives_one_clear_error() -> None:
    with tempfile.TemporaryDirectory() as closed, pytest.raises(postgres.PostgresError, match="nobody"):
        postgres.start(Path(closed) / "data")
