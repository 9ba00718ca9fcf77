"""Endpoint: where a container engine listens, and how that was found out.

Docker's own order: what is configured, DOCKER_HOST, DOCKER_CONTEXT or the current context of
docker's config, then the usual sockets, rootless and podman's included. Nothing is sent here.
"""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

from outrig.core.frozen import frozen
from outrig.errors import ConfigError, EngineUnreachableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

DOCTOR = "outrig doctor"
TCP_PORT = 2375
TLS_PORT = 2376
CONNECT_SECONDS = 10.0


@frozen
class Tls:
    """Files for an encrypted endpoint; None: the system's authorities, no certificate of ours."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    verify: bool = True


@frozen
class Endpoint:
    """`url` names it in records; `origin` says who chose it, for messages."""

    url: str
    origin: str
    path: str | None = None  # of a unix socket
    address: tuple[str, int] | None = None  # of a TCP one
    tls: Tls | None = None

    @property
    def host(self) -> str:
        """What the Host header says; a unix socket has none, and docker takes any word."""
        return f"{self.address[0]}:{self.address[1]}" if self.address else "docker"

    def dial(self) -> socket.socket:
        """Connect. Raises EngineUnreachableError that says why not."""
        try:
            return self._connected()
        except OSError as error:
            raise unreachable(self, error) from error

    def _connected(self) -> socket.socket:
        if self.address:
            line = socket.create_connection(self.address, CONNECT_SECONDS)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return _encrypted(line, self.address[0], self.tls) if self.tls else line
        line = socket.socket(socket.AF_UNIX)
        try:
            line.settimeout(CONNECT_SECONDS)
            line.connect(self.path or "")
        except BaseException:  # a Ctrl-C, too: nobody else has the socket yet
            line.close()
            raise
        return line


def _encrypted(line: socket.socket, name: str, tls: Tls) -> socket.socket:
    import ssl  # noqa: PLC0415 - 18 ms that a unix socket need not pay

    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.cert:
            context.load_cert_chain(tls.cert, tls.key)
        return context.wrap_socket(line, server_hostname=name)
    except BaseException:  # a refused certificate closes nothing
        line.close()
        raise


def unreachable(endpoint: Endpoint, error: OSError) -> EngineUnreachableError:
    """Why a connection failed, in words; permission is another matter than absence."""
    where = f"{endpoint.url} ({endpoint.origin})"
    why = error.strerror or str(error)
    message, hint = f"no container engine answers at {where}: {why}", DOCTOR
    if isinstance(error, PermissionError):
        message = f"no permission to use the container engine at {where}"
        hint = 'sudo usermod -aG docker "$USER", then log in again'
    failure = EngineUnreachableError(message, hint=hint)
    failure.endpoint = endpoint.url
    return failure


def find(engine: str | None, *, env: Mapping[str, str], home: Path) -> Endpoint:
    """The engine to use. Raises EngineUnreachableError or ConfigError, naming what was tried."""
    if engine and "://" in engine:
        return parse(engine, "engine of the configuration or the record", env=env, home=home)
    config = Path(env.get("DOCKER_CONFIG") or home / ".docker")
    if engine and engine != "default":
        return _context(engine, f"docker context {engine!r}", config)
    if not engine and env.get("DOCKER_HOST"):
        return parse(env["DOCKER_HOST"], "DOCKER_HOST", env=env, home=home)
    name = "" if engine else env.get("DOCKER_CONTEXT") or _current(config)
    if name and name != "default":
        return _context(name, f"docker context {name!r}", config)
    return _usual(env, home)


def parse(url: str, origin: str, *, env: Mapping[str, str], home: Path) -> Endpoint:
    """An engine URL as DOCKER_HOST may hold it, with docker's TLS variables for tcp://."""
    scheme, _, rest = url.partition("://")
    if not rest:
        scheme, rest = "tcp", url
    if scheme == "unix":
        return Endpoint(url=url, origin=origin, path=rest)
    if scheme in ("tcp", "http", "https"):
        return _tcp(url, origin, rest, _tls_of(env, home, scheme))
    if scheme == "ssh":
        raise EngineUnreachableError(
            f"outrig does not speak ssh to an engine: {url} ({origin})",
            hint=f"ssh -nNT -L /tmp/engine.sock:/var/run/docker.sock {rest.partition('/')[0]} & "
            "export DOCKER_HOST=unix:///tmp/engine.sock",
        )
    raise ConfigError(
        f"{origin} is no engine URL that outrig knows: {url}",
        hint="unix:///var/run/docker.sock, or tcp://HOST:PORT",
    )


def _tcp(url: str, origin: str, rest: str, tls: Tls | None) -> Endpoint:
    place = rest.partition("/")[0]
    host, colon, port = place.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = place, str(TLS_PORT if tls else TCP_PORT)
    if not host or not port.isascii() or not port.isdecimal():
        raise ConfigError(f"{origin} is no engine URL: {url}", hint="tcp://HOST:PORT")
    return Endpoint(url=url, origin=origin, address=(host.strip("[]"), int(port)), tls=tls)


def _tls_of(env: Mapping[str, str], home: Path, scheme: str) -> Tls | None:
    verify = bool(env.get("DOCKER_TLS_VERIFY"))
    if not verify and not env.get("DOCKER_TLS") and scheme != "https":
        return None
    folder = env.get("DOCKER_CERT_PATH") or env.get("DOCKER_CONFIG") or home / ".docker"
    return _tls_in(Path(folder), verify=verify or scheme == "https")


def _tls_in(folder: Path, *, verify: bool) -> Tls:
    names = ("ca.pem", "cert.pem", "key.pem")
    ca, cert, key = (path if path.exists() else None for path in map(folder.joinpath, names))
    return Tls(ca=ca, cert=cert, key=key, verify=verify)


def _current(config: Path) -> str:
    found = _read_json(config / "config.json")
    name = found.get("currentContext") if found else None
    return name if isinstance(name, str) else ""


def _context(name: str, origin: str, config: Path) -> Endpoint:
    """A docker context, from the files in which `docker context create` keeps it."""
    import hashlib  # noqa: PLC0415 - 3 ms, and few people use contexts

    digest = hashlib.sha256(name.encode()).hexdigest()
    found = _read_json(config / "contexts/meta" / digest / "meta.json")
    try:
        place = (found or {})["Endpoints"]["docker"]
        url, verify = str(place["Host"]), not place.get("SkipTLSVerify", False)
    except (KeyError, TypeError, AttributeError):
        raise ConfigError(
            f"there is no docker context {name!r} in {config}", hint="docker context ls"
        ) from None
    plain = parse(url, origin, env={}, home=config)
    keys = config / "contexts/tls" / digest / "docker"
    if plain.address and keys.is_dir():
        tls = _tls_in(keys, verify=verify)
        return Endpoint(url=url, origin=origin, address=plain.address, tls=tls)
    return plain


def _read_json(path: Path) -> Mapping[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read docker's configuration {path}: {error}") from error
    return found if isinstance(found, dict) else None


def usual_sockets(env: Mapping[str, str], home: Path) -> Iterator[str]:
    """Where engines listen when nobody says otherwise: docker, rootless, desktop, podman."""
    runtime = env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    yield "/var/run/docker.sock"
    yield "/run/docker.sock"
    yield f"{runtime}/docker.sock"
    yield str(home / ".docker/run/docker.sock")
    yield str(home / ".docker/desktop/docker.sock")
    yield f"{runtime}/podman/podman.sock"
    yield "/run/podman/podman.sock"


def _usual(env: Mapping[str, str], home: Path) -> Endpoint:
    tried: list[EngineUnreachableError] = []
    known: set[tuple[int, int]] = set()  # /var/run is /run on most machines
    for path in usual_sockets(env, home):
        endpoint = Endpoint(url=f"unix://{path}", origin="usual socket", path=path)
        try:
            seen = os.stat(path)  # noqa: PTH116 - on the hot path
            if not stat.S_ISSOCK(seen.st_mode) or (seen.st_dev, seen.st_ino) in known:
                continue
            known.add((seen.st_dev, seen.st_ino))
            endpoint.dial().close()
        except FileNotFoundError:
            continue
        except PermissionError as error:
            tried.append(unreachable(endpoint, error))
        except EngineUnreachableError as error:
            tried.append(error)
        else:
            return endpoint
    raise _none_found(tried, env, home)


def _none_found(
    tried: list[EngineUnreachableError], env: Mapping[str, str], home: Path
) -> EngineUnreachableError:
    if tried:
        words = "; ".join(error.message for error in tried)
        return EngineUnreachableError(words, hint=tried[0].hint)
    places = ", ".join(usual_sockets(env, home))
    return EngineUnreachableError(
        f"no container engine found; DOCKER_HOST is not set and none of these exists: {places}",
        hint="outrig doctor --fix",
    )
