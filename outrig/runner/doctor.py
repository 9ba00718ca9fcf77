"""What outrig needs of this machine, looked at one by one; and fix(), which brings an engine.

Looking changes nothing, and one thing that is broken keeps no other from being looked at.
core/doctor.py says what each finding is worth.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from outrig.core import cascade, doctor
from outrig.core.config import Config
from outrig.core.doctor import Check
from outrig.core.frozen import frozen
from outrig.engine import connect
from outrig.engine.endpoint import DOCTOR as ASK_THE_DOCTOR
from outrig.engine.provision import named_endpoint, provision
from outrig.errors import EngineUnreachableError, OutrigError
from outrig.runner import reconcile, system
from outrig.store import config as store_config
from outrig.store import layers, places
from outrig.store.sessions import SessionStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from outrig.engine import Engine


RESOLVERS = Path("/etc/resolv.conf")
BEHIND = Path("/run/systemd/resolve/resolv.conf")  # which an engine takes by itself
BRIDGE = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


@frozen
class Patient:
    """Whom to examine: this process's environment and the flags that were given."""

    env: Mapping[str, str]
    cwd: Path
    session_root: Path | None = None
    config: Path | None = None
    global_config: Path | None = None

    @property
    def home(self) -> Path:
        return places.home(self.env)


def examine(patient: Patient) -> Iterator[Check]:
    """Every check, the engine's first."""
    checked, config = _config(patient)
    yield from _engine(patient, config)
    yield _git(patient)
    yield from _session_root(patient)
    yield checked


def fix(patient: Patient, show: Callable[[str], None]) -> None:
    """See to it that an engine answers. Raises OutrigError with what the user has to do."""
    _, config = _config(patient)

    def answers() -> bool:
        try:
            _connect(patient, config).close()
        except EngineUnreachableError:
            return False
        return True

    named = named_endpoint(config.engine, env=patient.env, home=patient.home)
    provision(show, answers=answers, named=named, env=patient.env)


# ---------------------------------------------------------------- configuration


def _config(patient: Patient) -> tuple[Check, Config]:
    """The configuration that counts here; the built-in one in place of one that is broken."""
    try:
        found = layers.read(
            env=patient.env,
            cwd=patient.cwd,
            home=patient.home,
            config_file=patient.config,
            global_config=patient.global_config,
        )
        resolved = cascade.resolve(found.layers, home=str(patient.home))
    except OutrigError as error:
        return _wrong("config", error), Config()
    files = [str(file.path) for file in found.files if file.state == "read"]
    says = ", ".join(files) or "no file: the built-in defaults"
    trouble = "; ".join(resolved.warnings)
    return doctor.graded("config", says, trouble, "outrig config check"), resolved.config


# ---------------------------------------------------------------- engine


def _connect(patient: Patient, config: Config) -> Engine:
    return connect(
        config.engine,
        env=patient.env,
        home=patient.home,
        cache=places.cache(patient.env),
        slots=places.slots(patient.env),
    )


def _engine(patient: Patient, config: Config) -> Iterator[Check]:
    try:
        with contextlib.closing(_connect(patient, config)) as engine:
            facts, locality = engine.facts(), engine.locality()
            built = [tag for image in engine.images() for tag in image.tags]
    except OutrigError as error:
        hint = error.hint if error.hint != ASK_THE_DOCTOR else f"{ASK_THE_DOCTOR} --fix"
        yield Check(name="engine", state="wrong", says=error.message, remedy=hint)
        return
    yield from doctor.engine_checks(facts, engine.endpoint, locality)
    if locality.local:
        yield doctor.resolver(_servers(RESOLVERS), _servers(BEHIND))
        yield doctor.bridge_filter(_line(BRIDGE))
        yield doctor.network(system.absent())
        yield _room("engine disk", Path(facts.root_directory))
    yield _images(config, built)


def _servers(file: Path) -> list[str]:
    """The nameservers of a resolv.conf."""
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    return [line[1] for line in words if line[:1] == ["nameserver"] and len(line) > 1]


def _line(file: Path) -> str | None:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return None


def _images(config: Config, built: list[str]) -> Check:
    names = {tag.removeprefix("outrig/").partition(":")[0] for tag in built}
    ready = sorted(names & set(config.images))
    says = f"default {config.default_image}; {len(config.images)} configured, built: "
    return Check(name="images", state="ok", says=says + (", ".join(ready) or "none"))


# ---------------------------------------------------------------- this machine


def _git(patient: Patient) -> Check:
    path = shutil.which("git", path=patient.env.get("PATH"))
    missing = "" if path else "commits in a session have no author, and image contexts every file"
    return doctor.graded("git", path or "not found", missing, "apt-get install git")


def _session_root(patient: Patient) -> Iterator[Check]:
    try:
        root = store_config.session_root(
            flag=patient.session_root,
            env=patient.env,
            cwd=patient.cwd,
            global_config=patient.global_config,
        )
        there = _nearest(root)
        sessions = _sessions(patient, SessionStore(root))
    except OutrigError as error:
        yield _wrong("session root", error)
        return
    yield _writable(root, there)
    yield _room("disk", there)
    yield sessions


def _sessions(patient: Patient, store: SessionStore) -> Check:
    """Of those that have really not ended, as far as an engine can tell."""

    def named(endpoint: str | None) -> Engine:
        return _connect(patient, Config(engine=endpoint))

    waiting = store.unattended()
    unknown = reconcile.settle(store, waiting, connect=named).unknown if waiting else {}
    unfinished = [session.id for session in store.unfinished()]
    attended = [one for one in unfinished if store.attended(one)]
    alone = [one for one in unfinished if one not in attended and one not in unknown]
    return doctor.sessions(attended, alone, [one for one in unfinished if one in unknown])


def _writable(root: Path, there: Path) -> Check:
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        says = str(root) if root == there else f"{root}, made with the first session"
        return Check(name="session root", state="ok", says=says)
    return Check(
        name="session root",
        state="wrong",
        says=f"{root}: {there} is {'not writable' if there.is_dir() else 'not a directory'}",
        remedy="choose another with OUTRIG_SESSION_ROOT, or session-root in the global config",
    )


def _room(name: str, path: Path) -> Check:
    there = _nearest(path)
    return doctor.room(name, str(path), shutil.disk_usage(there).free)


def _nearest(path: Path) -> Path:
    """The path, or the nearest one above it that exists, as far as we may look."""
    return next(one for one in (path, *path.parents) if os.path.lexists(one))


def _wrong(name: str, error: OutrigError) -> Check:
    return Check(name=name, state="wrong", says=error.message, remedy=error.hint)
