"""Config files as bytes, read without being tricked; and the one key that every command needs.

session_root() answers without the rest of the configuration: `outrig ls` must be quick, and a
broken setting that it does not use is no reason for it to fail.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from outrig.errors import ConfigError
from outrig.store import places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LARGEST = 256 * 1024  # bytes; a config of a hundred agents has 30 KiB
VARIABLE = "OUTRIG_SESSION_ROOT"
KEY = "session-root"

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def session_root(
    *,
    flag: Path | None,
    env: Mapping[str, str],
    cwd: Path,
    global_config: Path | None = None,
    system: Path = places.SYSTEM_CONFIG,
) -> Path:
    """--session-root > OUTRIG_SESSION_ROOT > global > system > $XDG_DATA_HOME/outrig/sessions.

    Given the flag or the variable, no file is opened. Raises ConfigError.
    """
    said = str(flag) if flag is not None else env.get(VARIABLE)
    if said:
        return _absolute(said, cwd, env)
    named = None if global_config is None else cwd / global_config
    for file in (named or places.global_config(env), system):
        data = read(file, must_exist=file == named)
        if data is None or not (KEY.encode() in data or b"\\" in data):
            continue  # a key can be spelled with escapes, hence the backslash
        from outrig.store import toml  # noqa: PLC0415 - rare, and a millisecond

        value = toml.parse(data, str(file)).get(KEY)
        if isinstance(value, str) and value:
            return _absolute(value, file.parent, env)
        if value is not None:
            raise ConfigError(f"{file}: {KEY}: expected a path")
    return places.default_session_root(env)


def read(file: Path, *, must_exist: bool = False) -> bytes | None:
    """A file that the user's own configuration names; None when it does not exist.

    Its links are followed: dotfile managers link the global config into place.
    """
    try:
        descriptor = os.open(file, _READ)
    except (FileNotFoundError, NotADirectoryError):
        if must_exist:
            raise ConfigError(f"no such config file: {file}") from None
        return None
    except OSError as error:
        raise _unreadable(file, error) from error
    return _take(descriptor, file)[0]


def read_below(root: Path, file: Path, *, owners: Sequence[int] | None = None) -> bytes | None:
    """A repository's file, `file` relative to `root`, following no link on the way down.

    Raises ConfigError when it is none of `owners`' (any, if None); None when it does not exist.
    """
    path = root / file
    *directories, name = file.parts
    above = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for directory in directories:
            below = _entered(directory, above)
            if below is None:
                return None
            os.close(above)
            above = below
        descriptor = os.open(name, _READ | os.O_NOFOLLOW, dir_fd=above)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(above)
    data, owner = _take(descriptor, path)
    if owners is not None and owner not in owners:
        raise ConfigError(
            f"{path} belongs to uid {owner}, not to you, and is not obeyed",
            hint=f"look at it; if you trust it: --config {path}",
        )
    return data


def _entered(directory: str, above: int) -> int | None:
    """A directory's handle; None where a plain file has its name: nothing is below that."""
    try:
        return os.open(directory, _ENTER, dir_fd=above)
    except NotADirectoryError:  # with O_DIRECTORY this is said of a link too
        if stat.S_ISLNK(os.stat(directory, dir_fd=above, follow_symlinks=False).st_mode):
            raise
        return None


def _take(descriptor: int, file: Path) -> tuple[bytes, int]:
    """The bytes of an open file and its owner; closes it."""
    data = b""
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) and found.st_rdev != os.stat(os.devnull).st_rdev:
            raise ConfigError(f"{file} is not a regular file")
        while len(data) <= LARGEST and (part := os.read(descriptor, LARGEST + 1)):
            data += part
    except OSError as error:
        raise _unreadable(file, error) from error
    finally:
        os.close(descriptor)
    if len(data) > LARGEST:
        raise ConfigError(f"{file} is larger than {LARGEST // 1024} KiB, too large for a config")
    return data, found.st_uid


def _unreadable(file: Path, error: OSError) -> ConfigError:
    import errno  # noqa: PLC0415

    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return ConfigError(
            f"{file} is, or is reached through, a symlink, which a repository's config may not be",
            hint=f"if you trust it: --config {file}",
        )
    return ConfigError(f"cannot read {file}: {error.strerror}")


def _absolute(text: str, base: Path, env: Mapping[str, str]) -> Path:
    """Lexically clean, as core.value.path makes it."""
    if text == "~" or text.startswith("~/"):
        text = str(places.home(env)) + text[1:]
    elif text.startswith("~"):
        raise ConfigError(f"{KEY}: expected a path; ~USER is not understood")
    return Path("/" + os.path.normpath(base / text).lstrip("/"))
