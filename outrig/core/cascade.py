"""Layers of settings -> one Config, and which file and line, variable or flag set each key.

    default < system < global < repo < local < OUTRIG_* < flags

| shape                        | how layers meet                                                   |
|------------------------------|-------------------------------------------------------------------|
| ordinary table, each key     | the highest layer that has it wins; lacking a key resets nothing  |
| named table, [agents.claude] | the highest file that has the entry wins alone, over the built-in |
| array                        | the highest layer wins                                            |
| array that a repo adds to    | a repository's is put behind that of the layers below             |
| [[workspace.mounts]]         | all layers' entries, the lowest layer's first                     |

Every problem of every layer is found before any is raised.
"""

from __future__ import annotations

from itertools import pairwise

from outrig.core import keys, layer, repository, secrets, trust, value
from outrig.core.agents import BUILTIN_AGENTS
from outrig.core.config import Config, ImageConfig
from outrig.core.frozen import frozen, given, replace
from outrig.core.layer import Findings, Setting, Source
from outrig.core.repository import Judged
from outrig.core.suggestion import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from outrig.core.keys import Field, Path
    from outrig.core.layer import Layer
    from outrig.core.repository import LeftOut

DEFAULT = "default"
HOST_IMAGE = "host"
# Without dockerfile and image-name: images/NAME as it is shipped; host is the machine's own /usr.
BUILTIN_IMAGES: Mapping[str, ImageConfig] = {
    name: ImageConfig()
    for name in (
        HOST_IMAGE,
        "base",
        "gateway",
        "claude",
        "codex",
        "gemini",
        "opencode",
        "aider",
        "mini",
    )
}
BUILTIN: Mapping[str, Mapping[str, Any]] = {
    "images": BUILTIN_IMAGES,
    "agents": BUILTIN_AGENTS,
    "secrets": {},
    "sidecars": {},
}

_USUAL_GLOBAL_FILE = "~/.config/outrig/config.toml"


@frozen
class Resolved:
    """The effective configuration; `origin` maps each dotted key that is set to who set it.

    `confined` maps the dotted keys of paths that a repository declared to the directory which
    they must still be inside once their links are resolved; `narrowed` are the dotted keys of
    limits that an unapproved repository set, `doubted` those of its paths. `left_out` is what
    repositories say in vain, and `unapproved` the images among it, with who declared them.
    """

    config: Config
    origin: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    confined: Mapping[str, str] = given(factory=dict)
    narrowed: frozenset[str] = frozenset()
    doubted: frozenset[str] = frozenset()
    left_out: tuple[LeftOut, ...] = ()
    unapproved: Mapping[str, str] = given(factory=dict)


def resolve(layers: Sequence[Layer], *, home: str) -> Resolved:
    """The effective configuration. Raises ConfigError that names every problem found."""
    ordered = sorted(layers, key=lambda one: one.source)
    findings = Findings()
    read = [(one, layer.read(one, home=home, findings=findings)) for one in ordered]
    judged = _judge(read, findings)
    for one in ordered:
        _check_entries(one, findings)
    findings.fail()
    left_out = tuple(item for one in judged for item in one.left_out)
    chosen = _merged((one.layer, one.settings) for one in judged)
    config = _built(Config, _tree(chosen), None)
    return Resolved(
        config=config,
        origin={keys.dotted(path): setting.place for path, setting in chosen.items()},
        warnings=(
            *findings.warnings,
            *repository.told(left_out, _approving(ordered)),
            *_doubts(config, chosen),
        ),
        confined=_confined(chosen),
        narrowed=_of_repository(chosen, "narrower"),
        doubted=_of_repository(chosen, "repo-inside"),
        left_out=left_out,
        unapproved={name: place for one in judged for name, place in one.images.items()},
    )


def _of_repository(chosen: Mapping[Path, Setting], trusted: str) -> frozenset[str]:
    return frozenset(
        keys.dotted(path)
        for path, setting in chosen.items()
        if _says_repository(setting) and setting.field.about["trust"] == trusted
    )


def _says_repository(setting: Setting) -> bool:
    return setting.layer.source.is_repo and not setting.layer.approved


def _approving(layers: Sequence[Layer]) -> Callable[[str], str]:
    """The command that approves a file: --config names one that no repository would be read by."""
    roots = {one.file: one.root for one in layers}

    def command(file: str) -> str:
        import shlex  # noqa: PLC0415 - rare, and 5 ms

        usual = file.startswith(f"{roots.get(file)}/.agents/outrig/config.")
        return "outrig trust" if usual else f"outrig trust --config {shlex.quote(file)}"

    return command


# ---------------------------------------------------------------- how layers meet


def _merged(read: Iterable[tuple[Layer, Mapping[Path, Setting]]]) -> dict[Path, Setting]:
    chosen: dict[Path, Setting] = {}
    for one, settings in read:
        replaced = set(_entries(one))
        chosen = {path: kept for path, kept in chosen.items() if path[:2] not in replaced}
        listed = {path[2] for path in chosen if path[:2] == ("workspace", "mounts")}
        for path, setting in settings.items():
            at = path[2:3]
            if path[:2] == ("workspace", "mounts") and isinstance(at[0], int):
                path = (*path[:2], at[0] + len(listed), *path[3:])  # noqa: PLW2901
            adds = one.source.is_repo and setting.field.about["trust"] == "adds"
            chosen[path] = _added(chosen.get(path), setting) if adds else setting
    return chosen


def _added(below: Setting | None, setting: Setting) -> Setting:
    held = below.value if below else setting.field.default
    return replace(setting, value=tuple(dict.fromkeys((*held, *setting.value))))


def _entries(one: Layer) -> Iterator[tuple[str, str]]:
    """The entries of named tables that a layer has, empty ones included."""
    for table in BUILTIN:
        given = one.values.get(table)
        if isinstance(given, dict):
            yield from ((table, name) for name in given)


def _tree(chosen: Mapping[Path, Setting]) -> dict[Any, Any]:
    tree: dict[Any, Any] = {}
    for path, setting in chosen.items():
        table = tree
        for part in path[:-1]:
            table = table.setdefault(part, {})
        table[path[-1]] = setting.value
    return tree


def _built(section: Any, tree: Mapping[Any, Any], builtin: Any) -> Any:
    """A section from its part of the tree, over a built-in entry if there is one."""
    given: dict[str, Any] = {}
    for name, found in keys.fields(section).items():
        below = tree.get(name)
        if found.shape == "named":
            ours = BUILTIN[name]
            entries = {
                entry: _built(found.entry, _without_foreign(table), ours.get(entry))
                for entry, table in (below or {}).items()
            }
            given[found.attribute] = {**ours, **entries}
        elif below is None:
            continue
        elif found.shape == "section":
            given[found.attribute] = _built(found.entry, below, None)
        elif found.shape == "list":
            given[found.attribute] = tuple(
                _built(found.entry, below[at], None) for at in sorted(below)
            )
        elif found.is_table and builtin:
            given[found.attribute] = {**getattr(builtin, found.attribute), **below}
        else:
            given[found.attribute] = below
    return replace(builtin, **given) if builtin else section(**given)


def _without_foreign(entry: Mapping[Any, Any]) -> dict[Any, Any]:
    """Whoever gives an agent a command of their own does not go on with the built-in one's."""
    pairs = (("command", "resume"), ("interactive", "resume-interactive"))
    return {**{resume: () for command, resume in pairs if command in entry}, **entry}


# ---------------------------------------------------------------- what is refused, or doubted


def _judge(
    read: Sequence[tuple[Layer, Mapping[Path, Setting]]], findings: Findings
) -> list[Judged]:
    """Hold what a repository says against what the trusted layers below it say."""
    below = [(one, settings) for one, settings in read if one.source < Source.REPO]
    trusted = repository.Trusted(
        floor=_merged(below),
        allowed=next(
            (one.file for one, _ in reversed(below) if one.source is Source.GLOBAL and one.file),
            _USUAL_GLOBAL_FILE,
        ),
        agent_network=lambda name: BUILTIN_AGENTS[name].network if name in BUILTIN_AGENTS else None,
    )
    return [
        repository.judge(one, settings, trusted, findings)
        if one.source.is_repo
        else Judged(layer=one, settings=settings)
        for one, settings in read
    ]


def _check_entries(one: Layer, findings: Findings) -> None:
    """Entries that say too little or contradict themselves."""
    for table, name in _entries(one):
        entry = one.values[table][name]
        if not isinstance(entry, dict):
            continue
        place = layer.place(one, (table, name))
        wrong = _ENTRY_ERRORS[table](name, entry)
        if wrong:
            findings.error(one, place, f"{keys.dotted((table, name))}: {wrong}")


def _image_error(name: str, entry: Mapping[str, Any]) -> str | None:
    if name == HOST_IMAGE:
        return "this image is the machine's own /usr and cannot be redefined; choose another name"
    built = "dockerfile" in entry or "context" in entry
    if "image-name" in entry and (built or "build-args" in entry):
        return "expected either image-name, or dockerfile, context and build-args"
    if "image-name" not in entry and not built and name not in BUILTIN_IMAGES:
        return "expected dockerfile, context or image-name"
    return None


def _agent_error(name: str, entry: Mapping[str, Any]) -> str | None:
    if name in BUILTIN_AGENTS or entry.get("command") or entry.get("interactive"):
        return None
    return "expected a command (argv of a run with a prompt) or interactive (argv without one)"


def _secret_error(_name: str, entry: Mapping[str, Any]) -> str | None:
    if "from" not in entry:
        return "expected from, which says where the value is: env:NAME, file:PATH, command:ARGV"
    return secrets.contradiction(entry)


def _sidecar_error(_name: str, entry: Mapping[str, Any]) -> str | None:
    return None if "image" in entry else "expected image, which is what it runs"


_ENTRY_ERRORS: Mapping[str, Callable[[str, Mapping[str, Any]], str | None]] = {
    "images": _image_error,
    "agents": _agent_error,
    "secrets": _secret_error,
    "sidecars": _sidecar_error,
}


def _doubts(config: Config, chosen: Mapping[Path, Setting]) -> Iterator[str]:
    """What is valid and probably not meant."""
    agent = config.default_agent
    if agent is not None and agent not in config.agents:
        text = f"{chosen[('default-agent',)].place}: default-agent: no agent {keys.literal(agent)}"
        close = nearest(agent, config.agents)
        yield f"{text}; did you mean {close}?" if close else text


def _confined(chosen: Mapping[Path, Setting]) -> dict[str, str]:
    """Whoever approved a path in the repository did not approve what a session makes it lead to."""
    return {
        keys.dotted(path): setting.layer.root or setting.layer.base
        for path, setting in chosen.items()
        if setting.layer.source.is_repo
        and setting.field.about["trust"] == "repo-inside"
        and trust.is_inside(setting.value, setting.layer.root or setting.layer.base)
    }


# ---------------------------------------------------------------- the effective configuration


def settings(config: Config) -> Iterator[tuple[Path, Field, Any]]:
    """Every key with its effective value, None where it is unset; of entries, what they set."""
    yield from _settings(config, (), whole=True)


def _settings(section: Any, prefix: Path, *, whole: bool) -> Iterator[tuple[Path, Field, Any]]:
    for name, found in keys.fields(section.__class__).items():
        path, holds = (*prefix, name), getattr(section, found.attribute)
        if found.shape == "section":
            yield from _settings(holds, path, whole=True)
        elif found.shape == "named":
            for entry in sorted(holds):
                yield from _settings(holds[entry], (*path, entry), whole=False)
        elif found.shape == "list":
            for at, item in enumerate(holds):
                yield from _settings(item, (*path, at), whole=True)
        elif found.is_table:
            yield from (((*path, entry), found, holds[entry]) for entry in sorted(holds))
        elif whole or holds != found.default:
            yield path, found, holds


def as_table(config: Config) -> dict[str, Any]:
    """The effective configuration as a TOML table that reads back as the same configuration.

    References stay `${VAR}`. Keys that are unset are left out: TOML has no null.
    """
    table: dict[str, Any] = {}
    for path, found, holds in settings(config):
        if holds is None:
            continue
        at: Any = table
        for part, following in pairwise(path):
            at = _below(at, part, [] if isinstance(following, int) else {})
        at[path[-1]] = holds if found.is_table else value.written(found, holds)
    return table


def _below(table: Any, part: str | int, empty: Any) -> Any:
    if isinstance(part, str):
        return table.setdefault(part, empty)
    if part == len(table):
        table.append(empty)
    return table[part]
