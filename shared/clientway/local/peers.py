"""Whose process is at the other end of a connection on this machine."""

import os
import socket
import struct
from pathlib import Path

_TABLE = Path("/proc/net/tcp")
_OWNER, _LOCAL = 7, 1


def is_ours(address: str, port: int, table: Path = _TABLE) -> bool:
    """Whether the process that connected from this IPv4 address and port may see what only the owner of this one may.

    That is the same user's, or the administrator's. Where the system has no such table, it is not known and nobody is refused.
    """
    try:
        local = f"{struct.unpack('=I', socket.inet_aton(address))[0]:08X}:{port:04X}"
        owners = {int(columns[_OWNER]) for line in table.read_text().splitlines()[1:] if (columns := line.split())[_LOCAL] == local}
    except (OSError, ValueError, IndexError):
        return True
    return owners <= {os.getuid(), 0}
