"""A TCP proxy in front of PostgreSQL that counts flights and can cut the wire.

A flight is one turn of the conversation: whatever the client sends until the server has answered it. Counted as the
changes of direction from client to server, after the connection's start-up.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """Listens on a free port of 127.0.0.1 and passes everything on to `target`."""

    target: tuple[str, int]
    flights: int = 0
    sent: list[bytes] = field(default_factory=list)
    cut_before: Callable[[bytes], bool] = lambda _data: False
    cut_after: Callable[[bytes], bool] = lambda _data: False
    _swallow: bool = False
    _open: list[socket.socket] = field(default_factory=list)

    def start(self) -> int:
        """Begin to listen; returns the port."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return int(self._listener.getsockname()[1])

    def stop(self) -> None:
        """Stop listening and cut what is open."""
        self._listener.close()
        for one in self._open:
            _close(one)

    def reset(self) -> None:
        """Forget what was counted."""
        self.flights = 0
        self.sent.clear()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self.target)
                self._open += [client, server]
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                turn = {"client": False}
                threading.Thread(target=self._to_server, args=(client, server, turn), daemon=True).start()
                threading.Thread(target=self._to_client, args=(server, client, turn), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket, turn: dict[str, bool]) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if not turn["client"]:
                    turn["client"] = True
                    self.flights += 1
                self.sent.append(data)
                if self.cut_before(data):
                    break
                self._swallow = self.cut_after(data)
                server.sendall(data)
        for one in (client, server):
            _close(one)

    def _to_client(self, server: socket.socket, client: socket.socket, turn: dict[str, bool]) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                turn["client"] = False
                if self._swallow:
                    # Hang up once the server has ended the transaction, so that what it did is certain.
                    while b"Z\x00\x00\x00\x05I" not in data:
                        data += server.recv(65536)
                    self._swallow = False
                    break
                client.sendall(data)
        for one in (client, server):
            _close(one)


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
