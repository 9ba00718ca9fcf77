"""The whole map of the disk: where everything is that outrig keeps.

    $XDG_DATA_HOME/outrig/sessions/     the session root (~/.local/share), unless told otherwise
        .root-id                        how containers know whose they are
        .open/<id>                      sessions that have not ended
        .locks/<id>.attend, .record     who looks after a session; one rewrite of its record
        .names/<name>                   link to the id
        .events                         what happened to sessions, a JSON line each
        <id>/                           a directory, or a symlink to an explicit --session-dir
            session.json intent.json config.toml
            .reserve                space for the end, should the disk be full by then
            logs/                       stdout.log stderr.log terminal.log timing build.log
                                        NAME.log of each sidecar
            etc/ home/ workspace/       what is mounted into the container
            run/gateway/                policy.json, network.jsonl: mounted into its gateway
    $XDG_CONFIG_HOME/outrig/config.toml the global config (~/.config)
    /etc/outrig/config.toml             the machine's
    <repo>/.agents/outrig/config.toml   the repository's, and config.local.toml beside it
    $XDG_CACHE_HOME/outrig/             what was learned about engines and images (~/.cache)
    $XDG_STATE_HOME/outrig/             approvals (~/.local/state)
    $XDG_RUNTIME_DIR/outrig/            control sockets, secrets (tmpfs)
    <temporary>/outrig-slots/           engine slots that all users share

Functions here only say where; they make nothing. A relative XDG variable is ignored, as its
specification demands.
"""

from __future__ import annotations

import os
from pathlib import Path

from outrig.core.session import FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT_ID = ".root-id"
OPEN = ".open"
LOCKS = ".locks"
NAMES = ".names"
EVENTS = ".events"

RECORD = FILE
INTENT = "intent.json"
RESERVE = ".reserve"
CONFIG = "config.toml"
LOGS = "logs"
TIMING = "timing"  # in LOGS; written after each chunk of output
LOG_FILES = ("stdout.log", "stderr.log", "terminal.log", "timing", "build.log", "network.jsonl")
NETWORK_LOG = "network.jsonl"  # in LOGS, and the same file in GATEWAY
POLICY = "policy.json"  # in GATEWAY
USAGE = "usage.json"  # the same: of models
GATEWAY = "run/gateway"
MOUNTED = ("etc", "home", "workspace", "run")

SYSTEM_CONFIG = Path("/etc/outrig/config.toml")
REPO_CONFIG = Path(".agents/outrig/config.toml")
LOCAL_CONFIG_NAME = "config.local.toml"


def home(env: Mapping[str, str]) -> Path:
    """$HOME, else the home directory that the password database knows."""
    named = env.get("HOME")
    return Path(named) if named else Path.home()


def own_home(env: Mapping[str, str]) -> Path:
    """Where this process may keep things: never in the HOME of another that sudo let stand.

    What root made there would be in its owner's way for good.
    """
    named = home(env)
    if os.geteuid() == 0 and _owner(named) not in (0, None):
        import pwd  # noqa: PLC0415 - only under sudo

        return Path(pwd.getpwuid(0).pw_dir)
    return named


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except OSError:
        return None


def default_session_root(env: Mapping[str, str]) -> Path:
    return _xdg(env, "XDG_DATA_HOME", ".local/share") / "outrig" / "sessions"


def global_config(env: Mapping[str, str]) -> Path:
    return _xdg(env, "XDG_CONFIG_HOME", ".config") / "outrig" / "config.toml"


def cache(env: Mapping[str, str]) -> Path:
    return _xdg(env, "XDG_CACHE_HOME", ".cache") / "outrig"


def state(env: Mapping[str, str]) -> Path:
    return _xdg(env, "XDG_STATE_HOME", ".local/state") / "outrig"


def runtime(env: Mapping[str, str]) -> Path:
    """For sockets and secrets: the user's runtime directory, else one in the temporary one."""
    named = env.get("XDG_RUNTIME_DIR", "")
    if named.startswith("/"):
        return Path(named) / "outrig"
    usual = Path(f"/run/user/{os.getuid()}")
    return usual / "outrig" if usual.is_dir() else temporary(env) / f"outrig-{os.getuid()}"


def slots(env: Mapping[str, str]) -> Path:
    """Locks that bound how many engine calls run at once, shared by the users of the machine."""
    return temporary(env) / "outrig-slots"


def temporary(env: Mapping[str, str]) -> Path:
    """$TMPDIR or /tmp; spelled out because importing tempfile takes 4 ms."""
    named = env.get("TMPDIR", "")
    return Path(named) if named.startswith("/") else Path("/tmp")  # noqa: S108 - made 0700 by its users


def _xdg(env: Mapping[str, str], variable: str, usual: str) -> Path:
    named = env.get(variable, "")
    if named.startswith("/"):
        return Path(named)
    return (home(env) if variable == "XDG_CONFIG_HOME" else own_home(env)) / usual
