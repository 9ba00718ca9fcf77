"""The base image from the packages of the distribution, for machines that reach no registry.

It stands apart because it starts a process of the machine: mmdebstrap, which unpacks packages from
wherever this machine's apt gets them. Authorities that the machine's administrator has added are
added to the image: what this machine reaches through them, builds on the image must reach too.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from subprocess import Popen

AUTHORITIES = Path("/usr/local/share/ca-certificates")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# Node and Python's requests look at no system bundle unless they are told.
TRUSTING = (f"ENV NODE_EXTRA_CA_CERTS={BUNDLE} REQUESTS_CA_BUNDLE={BUNDLE} SSL_CERT_FILE={BUNDLE}",)
PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "TMPDIR")
PIECE = 256 * 1024
SAID = 8  # lines of a failure that are shown


def check() -> None:
    """Raises BuildError when this machine cannot make the image, naming what is missing."""
    if not shutil.which("mmdebstrap", path=PROGRAMS):
        raise BuildError("mmdebstrap is missing", hint="sudo apt-get install mmdebstrap")
    if os.geteuid() != 0:
        raise BuildError(
            "unpacking packages with their owners needs root",
            hint="sudo outrig build base --bootstrap",
        )


def archive(
    packages: Sequence[str], *, env: Mapping[str, str], show: Callable[[str], None]
) -> Iterator[bytes]:
    """The tar stream of a small system with these packages. `show` gets mmdebstrap's words.

    Raises BuildError at its end when mmdebstrap has failed, so that the engine keeps nothing.
    """
    suite = _suite()
    argv = [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(packages)}",
        *_authority_hooks(),
        suite,
        "-",
        *map(str, sources(suite)),
    ]
    show(f"mmdebstrap makes {suite} with {', '.join(packages)}")
    yield from _output(argv, env, show)


def changes() -> Sequence[str]:
    """What the image must be told beyond its Dockerfile."""
    return (f"ENV PATH={PROGRAMS}", *(TRUSTING if authorities() else ()))


def authorities() -> Sequence[Path]:
    return sorted(path for path in AUTHORITIES.glob("**/*.crt") if path.is_file())


def sources(suite: str, top: Path = Path("/etc/apt")) -> Sequence[Path]:
    """The files of apt that name the suite; other people's archives have suites of their own."""
    files = [top / "sources.list", *sorted(top.glob("sources.list.d/*"))]
    named = re.compile(rf"^[^#]*(?<![\w/-]){re.escape(suite)}(?!\w)", re.MULTILINE)
    wanted = [path for path in files if path.suffix in {".list", ".sources"} and path.is_file()]
    found = [path for path in wanted if named.search(path.read_text())]
    if not found:
        raise BuildError(f"no file in {top} says where the packages of {suite} come from")
    return found


def _suite() -> str:
    try:
        return platform.freedesktop_os_release()["VERSION_CODENAME"]
    except (OSError, KeyError):
        raise BuildError(
            "this machine's distribution has no packages that mmdebstrap understands",
            hint="docker load brings a base image from a file; [images.base] image-name names it",
        ) from None


def _authority_hooks() -> Iterator[str]:
    if not authorities():
        return
    yield f'--customize-hook=mkdir -p "$1{AUTHORITIES}"'
    for path in authorities():
        yield f"--customize-hook=upload {path} {AUTHORITIES}/{path.name}"
    yield '--customize-hook=chroot "$1" update-ca-certificates'


def _output(
    argv: Sequence[str], env: Mapping[str, str], show: Callable[[str], None]
) -> Iterator[bytes]:
    import subprocess  # noqa: PLC0415 - only here
    import threading  # noqa: PLC0415 - only here

    clean = {name: env[name] for name in PASSED_ON if name in env}
    process = subprocess.Popen(
        argv,
        env={**clean, "PATH": PROGRAMS, "LC_ALL": "C.UTF-8"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # so that all of it can be ended, and only by us
    )
    said: list[str] = []
    listener = threading.Thread(target=_listen, args=(process, said, show), daemon=True)
    listener.start()
    try:
        assert process.stdout
        while piece := process.stdout.read1(PIECE):  # type: ignore[attr-defined]
            yield piece
        code = process.wait()
    finally:
        _end(process)
        listener.join()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
    if code:
        raise BuildError("\n  ".join((f"mmdebstrap failed with exit code {code}:", *said[-SAID:])))


def _listen(process: Popen[bytes], said: list[str], show: Callable[[str], None]) -> None:
    assert process.stderr
    for line in process.stderr:
        said.append(line.decode("utf-8", "replace").rstrip())
        show(said[-1])


def _end(process: Popen[bytes]) -> None:
    """Nobody reads any more: mmdebstrap takes down its mounts and directory when told to stop."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        with contextlib.suppress(ProcessLookupError):  # a child that missed it holds our pipes
            os.killpg(process.pid, signal.SIGKILL)
