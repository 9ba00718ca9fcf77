"""Images for tests, made on the machine itself: no registry is asked.

`python -m tests.images` makes them all beforehand; a fixture makes the one it needs when it is
missing. An image whose recipe has changed is made again.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker

RECIPE = "org.outrig.test-recipe"
PACKAGES = "ca-certificates,git,procps,python3"


def busybox(client: docker.DockerClient) -> str:
    program = static_busybox().read_bytes()
    return kept(client, "busybox", program, [], lambda: io.BytesIO(busybox_root(program)))


def busybox_user(client: docker.DockerClient) -> str:
    program = static_busybox().read_bytes()
    root = busybox_root
    return kept(client, "busybox-user", program, ["USER 1000"], lambda: io.BytesIO(root(program)))


def debian(client: docker.DockerClient) -> str:
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    recipe = f"{suite} {PACKAGES}".encode()
    return kept(client, "debian", recipe, ["CMD bash"], lambda: debian_root(suite))


def kept(
    client: docker.DockerClient,
    name: str,
    recipe: bytes,
    changes: list[str],
    root: Callable[[], IO[bytes]],
) -> str:
    """Import `root` as `outrig-test/<name>`, unless the engine has it from the same recipe."""
    digest = hashlib.sha256(recipe).hexdigest()
    repository = f"outrig-test/{name}"
    known = client.images.list(name=f"{repository}:latest", filters={"label": f"{RECIPE}={digest}"})
    if not known:
        with root() as data:
            answer = client.api.import_image_from_data(
                data,
                repository=repository,
                tag="latest",
                changes=[*changes, f"LABEL {RECIPE}={digest}"],
            )
        refusals = [line for line in answer.splitlines() if "error" in json.loads(line)]
        assert not refusals, refusals
    return f"{repository}:latest"


def static_busybox() -> Path:
    found = shutil.which("busybox", path="/bin:/usr/bin")
    assert found, "busybox is missing: apt-get install busybox-static"
    return Path(found)


def busybox_root(program: bytes) -> bytes:
    """A tar of /bin alone, the program and a link for each of its names."""
    listing = subprocess.run(
        [static_busybox(), "--list"], capture_output=True, check=True, text=True
    )
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        folder = tarfile.TarInfo("bin")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        whole = tarfile.TarInfo("bin/busybox")
        whole.size, whole.mode = len(program), 0o755
        tar.addfile(whole, io.BytesIO(program))
        for name in set(listing.stdout.split()) - {"busybox"}:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return packed.getvalue()


def debian_root(suite: str) -> IO[bytes]:
    """Let mmdebstrap unpack a small system from wherever this machine's apt gets its packages."""
    packed = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    argv = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", suite, "-"]
    subprocess.run([*argv, *map(str, sources(suite))], stdout=packed, check=True)
    packed.seek(0)
    return packed


def sources(suite: str) -> list[Path]:
    """The files of apt that name the suite; other people's archives have suites of their own."""
    top = Path("/etc/apt")
    files = [top / "sources.list", *sorted(top.glob("sources.list.d/*"))]
    named = re.compile(rf"^[^#]*(?<![\w/-]){re.escape(suite)}(?!\w)", re.MULTILINE)
    return [path for path in files if path.is_file() and named.search(path.read_text())]


if __name__ == "__main__":
    import docker

    engine = docker.from_env(timeout=120)
    for make in (busybox, busybox_user, debian):
        sys.stdout.write(f"{make(engine)}\n")
        sys.stdout.flush()
    engine.close()
