"""A repository's layers without what they may not say: the rest of them counts.

| what an unapproved repository says               | what becomes of it                          |
|--------------------------------------------------|---------------------------------------------|
| a key that may not be set, a limit that is wider | left out, and named in one line             |
| a mount of which that is true                    | left out as a whole                         |
| a named entry that is no agent: [images.dev]     | left out as a whole: a lower layer's counts |
| ... of [images]                                  | and an error for whoever wants that image   |
| an agent's entry that loosens its network        | the network stays as it was                 |
| `workspace.path` outside of the repository       | an error: it would be another session       |
| `session-root`                                   | an error, approved or not                   |
| `engine`, `hooks`                                | left out, approved or not                   |

Approved with `outrig trust`, it may say everything but the last two.
"""

from __future__ import annotations

from outrig.core import keys, layer, trust
from outrig.core.frozen import frozen, given, replace
from outrig.core.layer import Setting
from outrig.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from outrig.core.keys import Path
    from outrig.core.layer import Findings, Layer

    Settings = Mapping[Path, Setting]

_MOUNTS = ("workspace", "mounts")
_NEEDED = ("session-root", "workspace")  # without these it would be another session
_WHOLE = 2  # parts of the path of a named entry
_MOUNT = 3  # and of a mount


@frozen
class LeftOut:
    """Something that a repository says and that does not count."""

    key: str
    why: str
    file: str
    helps: bool  # whether an approval would let it count


@frozen
class Trusted:
    """The trusted layers below: their settings, the built-in networks of agents, defaults."""

    floor: Settings
    allowed: str  # the file that may set what a repository may not
    agent_network: Callable[[str], str | None]


@frozen
class Judged:
    """A repository's layer and settings, as far as they count."""

    layer: Layer
    settings: Settings
    left_out: tuple[LeftOut, ...] = ()
    images: Mapping[str, str] = given(factory=dict)  # unapproved ones: who declared them


def judge(one: Layer, settings: Settings, below: Trusted, findings: Findings) -> Judged:
    """The table above. What is an error goes to `findings`."""
    entries = {} if one.approved else {unit: _entry(one, unit) for unit in _entries(one)}
    refused = dict(entries)
    for path, setting in settings.items():
        why = None if path[:_WHOLE] in entries else _why(one, path, setting, below)
        if why is None:
            continue
        if path[0] in _NEEDED and path[:2] != _MOUNTS and not _narrows(setting):
            hint = "remove it here, and set it there if you trust it"
            findings.error(one, setting.place, why, hint=hint)
            continue
        unit = path[:_MOUNT] if path[:2] == _MOUNTS else path
        helps = setting.field.about["trust"] != "global"
        refused.setdefault(unit, _left_out(one, unit, f"{setting.place}: {why}", helps=helps))
    left = {path: kept for path, kept in settings.items() if not _covered(path, refused)}
    left, kept = _agents(one, left, below)
    return Judged(
        layer=replace(one, values=_without(one.values, entries)),
        settings=_renumbered(left),
        left_out=(*refused.values(), *kept),
        images={str(unit[1]): layer.place(one, unit) for unit in entries if unit[0] == "images"},
    )


def told(left_out: Iterable[LeftOut], approve: Callable[[str], str]) -> Iterator[str]:
    """A line for each file; `approve` makes a command of it."""
    found = list(left_out)
    for file in dict.fromkeys(one.file for one in found):
        helped = [one.key for one in found if one.file == file and one.helps]
        never = [one.key for one in found if one.file == file and not one.helps]
        if helped:
            yield (
                f"{file} is not approved; left out: {', '.join(dict.fromkeys(helped))}; "
                f"to see and approve it: {approve(file)}"
            )
        if never:
            keys_ = ", ".join(dict.fromkeys(never))
            yield f"{file}: left out: {keys_}; no repository may set that, only your own config"


def refuse_unapproved(name: str, unapproved: Mapping[str, str]) -> None:
    """Raise ConfigError for an image that only an unapproved repository declares."""
    if name in unapproved:
        raise ConfigError(
            f"{unapproved[name]}: the image {name} is this repository's own, and it is built or "
            "pulled only once you have approved that",
            hint="outrig trust, or --image host",
        )


def _why(one: Layer, path: Path, setting: Setting, below: Trusted) -> str | None:
    field, wanted = setting.field, setting.value
    if one.approved and field.about["trust"] != "global":
        return None
    root = one.root or one.base
    why = trust.refusal(path, field, wanted, root=root, allowed=below.allowed)
    if why is None and _narrows(setting) and path[0] != "agents":
        bound = below.floor.get(path)
        why = trust.widening(
            path,
            field,
            wanted,
            bound=bound.value if bound else field.default,
            bound_by=bound.place if bound else "default",
            allowed=below.allowed,
        )
    return why


def _narrows(setting: Setting) -> bool:
    return bool(setting.field.about["trust"] == "narrower")


def _covered(path: Path, refused: Mapping[Path, LeftOut]) -> bool:
    return any(path[: len(unit)] == unit for unit in refused)


def _entries(one: Layer) -> Iterator[Path]:
    """The entries of named tables but for agents, empty ones included: they replace others."""
    for table, entries in one.values.items():
        top = keys.find((table,))
        if top and top.shape == "named" and table != "agents" and isinstance(entries, dict):
            yield from ((table, name) for name in entries)


def _entry(one: Layer, unit: Path) -> LeftOut:
    why = f"{layer.place(one, unit)}: {keys.dotted(unit)} counts only once you have approved it"
    return _left_out(one, unit, why, helps=True)


def _left_out(one: Layer, unit: Path, why: str, *, helps: bool) -> LeftOut:
    return LeftOut(key=keys.dotted(unit), why=why, file=one.file or "", helps=helps)


def _without(values: Mapping[str, Any], entries: Iterable[Path]) -> Mapping[str, Any]:
    """The tables without these entries, so that they replace no lower ones."""
    left = dict(values)
    for table, name in entries:
        left[str(table)] = {one: held for one, held in left[str(table)].items() if one != name}
    return left


def _renumbered(settings: Settings) -> dict[Path, Setting]:
    """Mounts are numbered without gaps again."""
    order = list(dict.fromkeys(path[2] for path in settings if path[:2] == _MOUNTS))
    return {
        (*path[:2], order.index(path[2]), *path[3:]) if path[:2] == _MOUNTS else path: setting
        for path, setting in settings.items()
    }


def _agents(
    one: Layer, settings: Settings, below: Trusted
) -> tuple[dict[Path, Setting], Sequence[LeftOut]]:
    """An entry wins alone, so a repository's could drop the network bound of the global one."""
    left, kept = dict(settings), []
    entries = one.values.get("agents")
    for name in entries if isinstance(entries, dict) and not one.approved else ():
        path: Path = ("agents", name, "network")
        own = below.agent_network(name)
        bound = below.floor.get(path)
        before = bound.value if bound else own
        after = settings[path].value if path in settings else own
        field = keys.find(path)
        if field is None or not trust.is_wider(after, before):
            continue
        by = bound.place if bound else "default"
        left[path] = Setting(field, before, bound.layer if bound else one, by)
        why = (
            f"{layer.place(one, path)}: [agents.{name}] replaces an entry that says "
            f"network = {keys.literal(before)} ({by}); a repository may only tighten it"
        )
        kept.append(_left_out(one, path, why, helps=True))
    return left, kept
