"""Host: the image that is nothing but this machine's own system, read-only.

An empty image gets the links, directories and mount points that a root needs; /usr and a short,
listed part of /etc are mounted into it. So the system's toolchain runs sandboxed, offline, with
nothing to pull or to build. No password, key, or setting of pip or npm is on the list.
"""

from __future__ import annotations

import io
import json
import os
import stat
from pathlib import Path

from outrig.core.engine import Mount
from outrig.core.frozen import as_dict, frozen
from outrig.engine import learned
from outrig.errors import MountError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

REPOSITORY = "outrig/host"
STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CHANGES = (f"ENV PATH={STANDARD_PATH}", 'CMD ["/bin/sh"]')
RECIPE = 1  # raise it when the same layout is to make another archive

# What programs under /usr look for in /etc and anybody may read. /etc/ssl and /etc/pki only in
# part: their other halves hold private keys. Left out on purpose: passwd, shadow, ssh, sudoers,
# gitconfig, wgetrc, netrc, maven, apt, docker, NetworkManager, pip.conf, npmrc, environment,
# profile: who set this machine up may have written secrets into them.
ETC = (
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "debian_version",
    "fedora-release",
    "fonts",
    "gai.conf",
    "groff",
    "host.conf",
    "inputrc",
    "java*",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "lsb-release",
    "magic",
    "magic.mime",
    "mime.types",
    "networks",
    "nsswitch.conf",
    "OpenCL",
    "os-release",
    "perl",
    "pki/ca-trust",
    "pki/java",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "protocols",
    "python3*",
    "redhat-release",
    "rpc",
    "services",
    "sgml",
    "shells",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "system-release",
    "terminfo",
    "timezone",
    "vim",
    "X11/rgb.txt",
    "xml",
)
# Only these can be links at the top of a root; /sbin is made by hand, for init is mounted there.
TOP = ("bin", "lib", "lib32", "lib64", "libx32")
DIRECTORIES = (
    "dev", "etc", "home", "mnt", "opt", "proc", "root", "run", "sbin", "srv", "sys", "tmp", "usr",
    "var", "var/cache", "var/lib", "var/log", "var/tmp",
)  # fmt: skip
STICKY = ("tmp", "var/tmp")
SBIN_AT = ".host/sbin"  # where a /sbin that is no part of /usr is mounted
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}

# Not as they are, nor anything below them: a session would hold keys, or the engine itself.
REFUSED_TREES = ("/proc", "/sys", "/dev", "/etc", "/run", "/var/run", "/boot")
REFUSED_IN_HOME = (
    ".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", ".config/gcloud",
    ".config/gh", ".netrc", ".git-credentials", ".local/share/keyrings", ".local/share/outrig",
)  # fmt: skip


@frozen
class Layout:
    """What the image holds: links, mount points for directories and for files, all relative."""

    links: Mapping[str, str]
    directories: Sequence[str]
    files: Sequence[str]


def survey(root: Path = Path("/")) -> tuple[Layout, Sequence[Mount]]:
    """What this machine's image holds, and what is mounted into it."""
    links: dict[str, str] = {}
    directories = [*DIRECTORIES]
    files: list[str] = []
    mounts = [Mount(source=str((root / "usr").resolve()), target="/usr")]
    for name in (*_top(root), *_etc(root)):
        entry = root / name
        if entry.is_symlink() and (target := _inside_usr(entry, root)):
            links[name] = target
            continue
        (directories if entry.is_dir() else files).append(name)
        mounts.append(Mount(source=str(entry.resolve()), target=f"/{name}"))
    if not (root / "sbin").resolve().is_relative_to((root / "usr").resolve()):
        directories.append(SBIN_AT)
        mounts.append(Mount(source=str((root / "sbin").resolve()), target=f"/{SBIN_AT}"))
        links |= {f"sbin/{name}": f"/{SBIN_AT}/{name}" for name in _sbin(root)}
    else:
        links |= {f"sbin/{name}": f"/usr/sbin/{name}" for name in _sbin(root)}
    return Layout(links=links, directories=directories, files=files), mounts


def _top(root: Path) -> Iterator[str]:
    return (name for name in TOP if os.path.lexists(root / name))


def _etc(root: Path) -> Iterator[str]:
    """The entries of the list that exist, in its order."""
    for pattern in ETC:
        if "*" not in pattern:
            found = [root / "etc" / pattern]
        else:
            found = sorted((root / "etc").glob(pattern))
        yield from (f"etc/{one.relative_to(root / 'etc')}" for one in found if one.exists())


def _inside_usr(entry: Path, root: Path) -> str | None:
    """The text of a link that leads into /usr and so needs no mount."""
    target = os.readlink(entry)  # noqa: PTH115 - the text as it is
    inside = os.path.normpath(os.path.join("/", entry.parent.relative_to(root), target))  # noqa: PTH118
    return target if inside.startswith("/usr/") else None


def _sbin(root: Path) -> Sequence[str]:
    try:
        return sorted(set(os.listdir(root / "sbin")) - {"docker-init"})  # noqa: PTH208 - names only
    except FileNotFoundError:
        return []


def has_stty(root: Path = Path("/")) -> bool:
    """Whether a session in this image can set its terminal's size itself."""
    return all(os.access(root / name, os.X_OK) for name in ("bin/sh", "usr/bin/stty"))


def tag(layout: Layout, cache: Path) -> str:
    """Content-addressed: another layout, another tag. Remembered, as hashlib alone takes 5 ms."""
    described = json.dumps([RECIPE, CHANGES, FILES, as_dict(layout)], sort_keys=True)
    known = learned.recall(cache, REPOSITORY, described)
    if isinstance(known, str):
        return known
    import hashlib  # noqa: PLC0415

    made = f"{REPOSITORY}:{hashlib.sha256(described.encode()).hexdigest()[:16]}"
    learned.remember(cache, REPOSITORY, described, made)
    return made


def archive(layout: Layout) -> bytes:
    """The image's one layer, the same bytes for the same layout."""
    import tarfile  # noqa: PLC0415 - only when the image is made

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted({*_parents(layout), *layout.directories}):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name in STICKY else 0o755
            tar.addfile(entry)
        for name, target in sorted(layout.links.items()):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
            tar.addfile(entry)
        for name in sorted({*layout.files, *FILES}):
            entry, text = tarfile.TarInfo(name), FILES.get(name, "").encode()
            entry.mode, entry.size = 0o644, len(text)
            tar.addfile(entry, io.BytesIO(text))
    return packed.getvalue()


def _parents(layout: Layout) -> Iterator[str]:
    for name in (*layout.links, *layout.directories, *layout.files):
        yield from (str(parent) for parent in Path(name).parents if parent.name)


def path_mounts(host_paths: Sequence[str], *, home: Path) -> Sequence[Mount]:
    """Each of `host-paths` read-only at the same path. Raises MountError for what is refused."""
    mounts = []
    for given in host_paths:
        source = Path(given).resolve()
        why = _refused(source, home.resolve())
        if why:
            raise MountError(
                f"host-paths: {given} is refused: {why}", hint="name a directory below it"
            )
        mounts.append(Mount(source=str(source), target=os.path.normpath(given)))
    return mounts


def _refused(source: Path, home: Path) -> str | None:
    if not source.exists():
        return "it does not exist"
    if source == Path("/") or home.is_relative_to(source):
        return f"{source} is, or contains, the home directory or the whole machine"
    if any(source.is_relative_to(tree) for tree in REFUSED_TREES):
        return f"{source} belongs to the machine's own configuration and state"
    if stat.S_ISSOCK(source.stat().st_mode):
        return f"{source} is a socket"
    for name in REFUSED_IN_HOME:
        if source.is_relative_to(home / name) or (home / name).is_relative_to(source):
            return f"{source} holds, or would show, keys"
    return None


def is_inside(path: str, host_paths: Sequence[str]) -> bool:
    """Whether a path of this machine exists, at the same place, in the host image."""
    tops = ("/usr", "/bin", "/sbin", "/lib", "/lib64", *map(os.path.normpath, host_paths))
    return any(path == top or path.startswith(f"{top}/") for top in tops)


def search_path(path: str, host_paths: Sequence[str]) -> str:
    """PATH inside the host image: the caller's directories that are there, then the standard."""
    mine = [one for one in _directories(path) if is_inside(one, host_paths)]
    return ":".join(dict.fromkeys([*mine, *STANDARD_PATH.split(":")]))


def missing_path_dirs(path: str, host_paths: Sequence[str]) -> Sequence[str]:
    """Directories of PATH with something in them that the host image does not have."""
    outside = (one for one in _directories(path) if not is_inside(one, host_paths))
    return [one for one in dict.fromkeys(outside) if _has_programs(one)]


def _directories(path: str) -> Iterator[str]:
    return (os.path.normpath(one) for one in path.split(":") if one.startswith("/"))


def _has_programs(directory: str) -> bool:
    try:
        with os.scandir(directory) as entries:
            return any(True for _ in entries)
    except OSError:
        return False


def program_path(name: str, path: str, host_paths: Sequence[str]) -> str | None:
    """Where a program is inside the host image, found as its shell would; None when it is not.

    What a link leads to must be there as well.
    """
    places = [name] if "/" in name else [f"{one}/{name}" for one in path.split(":")]
    for place in places:
        real = os.path.realpath(place)
        runnable = os.path.isfile(real) and os.access(real, os.X_OK)  # noqa: PTH113
        if runnable and is_inside(place, host_paths) and is_inside(real, host_paths):
            return place
    return None
