"""An engine over TLS: certificates checked, calls and frames as over any other line."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from outrig.engine.endpoint import Endpoint, Tls
from outrig.engine.output import AttachedOutput
from outrig.engine.wire import Wire
from outrig.errors import EngineUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PONG = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK"

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "2", "-subj", "/CN=engine", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", folder / "key.pem", "-out", folder / "ca.pem",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def listener(keys: Path) -> Iterator[ssl.SSLSocket]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys / "ca.pem", keys / "key.pem")
    with (
        socket.create_server(("127.0.0.1", 0)) as plain,
        context.wrap_socket(plain, server_side=True) as secure,
    ):
        yield secure


@contextlib.contextmanager
def serving(listener: ssl.SSLSocket, *answers: bytes) -> Iterator[None]:
    """Take one connection; answer each request in turn, then hang up."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            line, _ = listener.accept()
            with line:
                for answer in answers:
                    line.recv(65536)
                    line.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    thread.join()


def endpoint(listener: ssl.SSLSocket, tls: Tls) -> Endpoint:
    address = listener.getsockname()
    return Endpoint(url=f"tcp://{address[0]}:{address[1]}", origin="test", address=address, tls=tls)


def test_calls(listener: ssl.SSLSocket, keys: Path) -> None:
    tls = Tls(ca=keys / "ca.pem", cert=keys / "ca.pem", key=keys / "key.pem")
    with serving(listener, PONG), contextlib.closing(Wire(endpoint(listener, tls))) as wire:
        assert wire.api == (1, 41)


def test_a_certificate_that_nobody_vouches_for_is_refused(listener: ssl.SSLSocket) -> None:
    with serving(listener), pytest.raises(EngineUnreachableError, match="certificate"):
        endpoint(listener, Tls()).dial()


def test_without_verification_any_certificate_will_do(listener: ssl.SSLSocket) -> None:
    with serving(listener, PONG):
        Wire(endpoint(listener, Tls(verify=False))).close()


def test_frames_that_the_descriptor_does_not_show(listener: ssl.SSLSocket, keys: Path) -> None:
    data = bytes(range(256)) * 300  # several TLS records, read in one go
    frame = b"\x01\0\0\0" + len(data).to_bytes(4, "big") + data
    with serving(listener, frame):
        line = endpoint(listener, Tls(ca=keys / "ca.pem")).dial()
        output = AttachedOutput(line, first=b"", tty=False, where="test")
        with contextlib.closing(output):
            assert output.read() == []
            assert output.write(memoryview(b"go")) == 2
            heard = b""
            while (chunks := output.read()) is not None:
                heard += b"".join(piece for _, piece in chunks)
    assert heard == data
