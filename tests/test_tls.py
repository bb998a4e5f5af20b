"""The database over TLS, as RDS offers it: verified or not at all, and the IAM token goes nowhere else.

PostgreSQL's own build here has no TLS, so a front stands before it: it ends TLS, asks for a password in clear as RDS does
for IAM users, and passes everything else on.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from clientway import administration, db, engines
from tests.fixtures import forget_engines

HOST = "cluster.rds.example"


def authority(name):
    """A certificate authority with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    return certificate(name, key, name, key, x509.BasicConstraints(ca=True, path_length=None)), key


def certificate(name, key, issuer, issuer_key, extension):
    """A certificate for a name, good for a day."""
    now = datetime.now(UTC)
    named, issued = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, issuer))
    builder = x509.CertificateBuilder().subject_name(named).issuer_name(issued).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.add_extension(extension, critical=True).sign(issuer_key, hashes.SHA256())


class Front(threading.Thread):
    """Takes connections for PostgreSQL; `tls` None refuses TLS, as a server without it does."""

    def __init__(self, tls: ssl.SSLContext | None, server: str) -> None:
        super().__init__(daemon=True)
        self.tls, self.server = tls, (urlsplit(server).hostname, urlsplit(server).port)
        self.passwords: list[str] = []
        self.in_clear = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        with suppress(OSError, struct.error), client:
            assert len(client.recv(8)) == 8  # SSLRequest
            if self.tls is None:
                client.sendall(b"N")
                self.in_clear = bool(client.recv(1))
                return
            client.sendall(b"S")
            with self.tls.wrap_socket(client, server_side=True) as secured, socket.create_connection(self.server) as upstream:
                startup = self.message(secured)
                secured.sendall(b"R" + struct.pack("!ii", 8, 3))
                assert secured.recv(1) == b"p"
                self.passwords.append(self.message(secured)[4:-1].decode())
                upstream.sendall(startup)
                threading.Thread(target=self.pump, args=(upstream, secured), daemon=True).start()
                self.pump(secured, upstream)

    @staticmethod
    def message(stream: socket.socket) -> bytes:
        head = stream.recv(4)
        left = struct.unpack("!i", head)[0] - 4
        body = b""
        while left > len(body):
            body += stream.recv(left - len(body))
        return head + body

    @staticmethod
    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)


@pytest.fixture
def front(tmp_path: Path, job_url: str, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Front]]:
    """Fronts of which the first alone is right, and the settings of functions that trust its authority."""
    (root, root_key), (_, stranger_key) = authority("Authority"), authority("Authority")
    (tmp_path / "ca.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))

    def context(name, issuer_key):
        key = ec.generate_private_key(ec.SECP256R1())
        made = certificate(name, key, "Authority", issuer_key, x509.SubjectAlternativeName([x509.DNSName(name)]))
        file = tmp_path / f"{name}-{id(key)}.pem"
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(file)
        return tls

    fronts = {
        "right": Front(context(HOST, root_key), job_url),
        "stranger": Front(context(HOST, stranger_key), job_url),
        "elsewhere": Front(context("other.rds.example", root_key), job_url),
        "in clear": Front(None, job_url),
    }
    for one in fronts.values():
        one.start()
    real = socket.create_connection
    monkeypatch.setattr(
        socket, "create_connection", lambda at, *more, **named: real(("127.0.0.1" if at[0] == HOST else at[0], at[1]), *more, **named)
    )
    for name, value in {"AWS_REGION": "us-east-1", "DATABASE_CA_FILE": str(tmp_path / "ca.pem"), "DATABASE_IAM": "true"}.items():
        monkeypatch.setenv(name, value)
    yield fronts
    for one in fronts.values():
        one.listener.close()
    forget()


def forget() -> None:
    """Settings, pools and contexts are made once a process."""
    forget_engines()
    engines.tls.cache_clear()


@pytest.fixture
def point(front, database, monkeypatch):
    """Point the settings at one of the fronts."""

    def at(which):
        for name, role in (("DATABASE_URL", "clientway_app"), ("JOB_DATABASE_URL", "clientway_job")):
            monkeypatch.setenv(name, f"postgresql://{role}@{HOST}:{front[which].port}/{database}")
        forget()
        return front[which]

    return at


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_verified_server_gets_a_token_of_the_role_that_connects(point):
    front = point("right")
    with db.job_connection() as connection:
        assert connection.scalar(text("select current_user")) == "clientway_job"

    with db.job_connection() as connection:  # the same one again
        assert connection.scalar(text("select 1")) == 1
    (token,) = front.passwords
    assert token.startswith(f"{HOST}:{front.port}/?Action=connect&DBUser=clientway_job&X-Amz-Algorithm=AWS4-HMAC-SHA256&")
    assert "X-Amz-Expires=900" in token


@pytest.mark.parametrize("which", ["stranger", "elsewhere", "in clear"])
def test_a_server_that_cannot_be_verified_is_told_nothing(point, which):
    front = point(which)
    with pytest.raises(db.Unavailable), db.job_connection():
        pass

    assert front.passwords == []
    assert not front.in_clear


@pytest.mark.parametrize("which", ["stranger", "elsewhere", "in clear"])
def test_nor_does_the_administrator_tell_it_anything(point, which, database):
    front = point(which)
    url = f"postgresql://clientway_admin:first-time@{HOST}:{front.port}/{database}"
    with pytest.raises((DBAPIError, OSError)):
        administration.engine(url).connect()

    assert front.passwords == []
    assert not front.in_clear
