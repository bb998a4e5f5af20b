"""A TCP proxy in front of PostgreSQL that counts flights, can cut the wire, and can fall silent.

A flight is one turn of the conversation: whatever the client sends until the server has answered it. Counted as the
changes of direction from client to server, after the connection's start-up.
"""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

READY = b"Z\x00\x00\x00\x05"
STARTUP = b"\x00\x03\x00\x00"
"""What follows the length in the message that opens a connection: version 3.0 of the protocol."""
_PAUSE = 0.01
_WHOLE = 16_384
"""What is sent at once and has no more bytes than this comes at once, too."""
TERMINATE = b"X\x00\x00\x00\x04"


@dataclass
class _Line:
    """One connection: whose turn it is, whether it has fallen silent, and behind which answer it is cut."""

    clients_turn: bool = False
    silent: bool = False
    last: bytes = b""


@dataclass
class Proxy:
    """Listens on a free port of 127.0.0.1 and passes everything on to `target`.

    What the client sends is shown to four questions before it goes on. `cut_before`: hang up in its place. `cut_after`:
    hang up once the server has answered it. `silence_before`, `silence_after`: keep the line open and pass on nothing
    more, neither what comes from here on nor any answer. `delay`: seconds that each flight takes on the way.
    """

    target: tuple[str, int]
    flights: int = 0
    connects: bool = True
    sent: list[bytes] = field(default_factory=list)
    cut_before: Callable[[bytes], bool] = lambda _data: False
    cut_after: Callable[[bytes], bool] = lambda _data: False
    silence_before: Callable[[bytes], bool] = lambda _data: False
    silence_after: Callable[[bytes], bool] = lambda _data: False
    delay: float = 0.0
    _open: list[socket.socket] = field(default_factory=list)
    _stopped: bool = False

    def start(self) -> int:
        """Begin to listen; returns the port."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return int(self._listener.getsockname()[1])

    def stop(self) -> None:
        """Stop listening and cut what is open."""
        self._stopped = True
        self._listener.close()
        for one in self._open:
            _close(one)

    def reset(self, *, connects: bool = True) -> None:
        """Forget what was counted. Without `connects`, making a connection counts nothing: one that was idle for long is made anew."""
        self.flights = 0
        self.connects = connects
        self.sent.clear()

    def heal(self) -> None:
        """Cut, silence and delay nothing from here on; the lines that are silent stay so."""
        self.delay = 0.0
        self.cut_before = self.cut_after = self.silence_before = self.silence_after = lambda _data: False

    def cut_commits(self, where: str, *, once: bool) -> list[bytes]:
        """Hang up around COMMIT, at the first one or at each: "before it arrives" or "after it is answered". Returns what was asked."""
        commits: list[bytes] = []

        def is_commit(data: bytes) -> bool:
            if b"commit\x00" in data:
                commits.append(data)
            return b"commit\x00" in data and not (once and len(commits) > 1)

        setattr(self, {"before it arrives": "cut_before", "after it is answered": "cut_after"}[where], is_commit)
        return commits

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self.target)
                except OSError:
                    client.close()
                    continue
                self._open += [client, server]
                if self._stopped:
                    # Whoever stopped it has not seen these two.
                    _close(client)
                    _close(server)
                    return
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                line = _Line()
                threading.Thread(target=self._to_server, args=(client, server, line), daemon=True).start()
                threading.Thread(target=self._to_client, args=(server, client, line), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket, line: _Line) -> None:
        # A ValueError: closed by the test meanwhile, so there is nothing to select.
        with contextlib.suppress(OSError, ValueError):
            while data := client.recv(65536):
                # A large statement comes in parts, and on a busy machine the server would answer what the first begins with.
                while (
                    not self.connects and len(data) > _WHOLE and select.select([client], [], [], _PAUSE)[0] and (more := client.recv(65536))
                ):
                    data += more
                if not line.clients_turn:
                    line.clients_turn = True
                    self.flights += self.connects or not (data.startswith(STARTUP, 4) or data.startswith(TERMINATE))
                self.sent.append(data)
                if line.silent or self.silence_before(data):
                    line.silent = True
                    continue
                if self.cut_before(data):
                    break
                if self.cut_after(data):
                    # Once the server has ended the transaction, so that what it did is certain.
                    line.last = READY + b"I" if b"commit\x00" in data else READY
                line.silent = self.silence_after(data)
                time.sleep(self.delay)
                server.sendall(data)
        # Where the line is silent, the server is not told that the client has given up.
        for one in (client,) if line.silent else (client, server):
            _close(one)

    def _to_client(self, server: socket.socket, client: socket.socket, line: _Line) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                line.clients_turn = False
                if line.last:
                    while line.last not in data and (more := server.recv(65536)):
                        data += more
                    line.last = b""
                    break
                if not line.silent:
                    client.sendall(data)
        for one in (server,) if line.silent else (client, server):
            _close(one)


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
