"""What a session may leave that acts on the host later, told by where it stands.

| kind         | acts when                                 | for instance                        |
|--------------|-------------------------------------------|-------------------------------------|
| git-hook     | git commits, checks out, pushes           | .git/hooks/x .husky                 |
| git-config   | git does anything                         | .git/config .git/commondir          |
| repository   | git is asked inside of it                 | a nested one, a bare one            |
| setuid       | another user runs it                      | setgid too; cleared, where we may   |
| device       | it is opened                              |                                     |
| environment  | somebody enters the directory             | .envrc mise.toml shell.nix          |
| editor       | an editor opens the directory             | .vscode .idea .devcontainer         |
| agent        | an agent works there                      | .claude .mcp.json AGENTS.md         |
| outrig       | outrig runs there                         | .agents/outrig                      |
| ci           | it is pushed                              | .github/workflows .gitlab-ci.yml    |
| attributes   | git checks out, adds, compares            | .gitattributes that name a driver   |
| submodule    | submodules are updated                    | .gitmodules                         |
| scripts      | the package is installed, tested, built   | the scripts of package.json         |
| build        | it is built or installed                  | setup.py build.rs Makefile .npmrc   |
| link         | something is read or written through it   | a symlink that leaves the tree      |
| fifo, socket | something reads it, and waits for ever    |                                     |
| executable   | somebody runs it                          | a program that was none before      |
| unseen       | nobody knows                              | what a look had to leave out        |

Names count in any case: git and some file systems make no difference. What comes first
here is told first. Source code counts for nothing: whoever runs it has read the diff.
"""

from __future__ import annotations

import json
import posixpath
import re

from outrig.core.frozen import frozen
from outrig.core.terminal import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from outrig.core.session import Session

KINDS = (
    *("git-hook", "git-config", "repository", "setuid", "device", "environment", "editor"),
    *("agent", "outrig", "ci", "attributes", "submodule", "scripts", "build", "link"),
    *("fifo", "socket", "executable", "unseen"),
)
# What is told of ignored files too: what acts although nobody runs it.
HIDDEN = frozenset({*KINDS[: KINDS.index("scripts")], "link"})
MOST = 200  # that a record names
_FEW = 4  # that a notice names
_LONGEST = 60  # characters of a path in a notice

_DIRECTORIES = {
    ".husky": "git-hook",
    ".githooks": "git-hook",
    ".lefthook": "git-hook",
    ".direnv": "environment",
    ".vscode": "editor",
    ".idea": "editor",
    ".zed": "editor",
    ".fleet": "editor",
    ".devcontainer": "editor",
    ".claude": "agent",
    ".codex": "agent",
    ".continue": "agent",
    ".cursor": "agent",
    ".gemini": "agent",
    ".kiro": "agent",
    ".opencode": "agent",
    ".roo": "agent",
    ".windsurf": "agent",
    ".cargo": "build",
    ".mvn": "build",
}
_TOP = {  # only where a service looks for them
    ".agents/outrig": "outrig",
    ".agents": "agent",
    ".buildkite": "ci",
    ".circleci": "ci",
    ".forgejo": "ci",
    ".gitea": "ci",
    ".github/actions": "ci",
    ".github/workflows": "ci",
    ".github/copilot-instructions.md": "agent",
    ".github/instructions": "agent",
    ".gitlab": "ci",
    ".woodpecker": "ci",
}
_FILES = {
    ".lefthook.yml": "git-hook",
    ".overcommit.yml": "git-hook",
    ".pre-commit-config.yaml": "git-hook",
    ".pre-commit-hooks.yaml": "git-hook",
    "lefthook.yml": "git-hook",
    ".envrc": "environment",
    ".env.mise": "environment",
    ".mise.toml": "environment",
    "devenv.nix": "environment",
    "flake.nix": "environment",
    "mise.toml": "environment",
    "shell.nix": "environment",
    ".dir-locals.el": "editor",
    ".devcontainer.json": "editor",
    ".exrc": "editor",
    ".nvim.lua": "editor",
    ".nvimrc": "editor",
    ".vimrc": "editor",
    ".aider.conf.yml": "agent",
    ".cursorrules": "agent",
    ".mcp.json": "agent",
    ".windsurfrules": "agent",
    "agents.md": "agent",
    "claude.md": "agent",
    "claude.local.md": "agent",
    "gemini.md": "agent",
    "opencode.json": "agent",
    ".appveyor.yml": "ci",
    ".drone.yml": "ci",
    ".gitlab-ci.yml": "ci",
    ".travis.yml": "ci",
    "azure-pipelines.yml": "ci",
    "bitbucket-pipelines.yml": "ci",
    "cloudbuild.yaml": "ci",
    "jenkinsfile": "ci",
    ".gitattributes": "attributes",
    ".gitmodules": "submodule",
    "composer.json": "scripts",
    "package.json": "scripts",
    ".npmrc": "build",
    ".pnpmfile.cjs": "build",
    ".yarnrc": "build",
    ".yarnrc.yml": "build",
    "build.gradle": "build",
    "build.gradle.kts": "build",
    "build.rs": "build",
    "gnumakefile": "build",
    "justfile": "build",
    "makefile": "build",
    "noxfile.py": "build",
    "pyproject.toml": "build",
    "rakefile": "build",
    "setup.cfg": "build",
    "setup.py": "build",
    "taskfile.yml": "build",
}
_ENDINGS = {".code-workspace": "editor", ".sublime-project": "editor", ".gemspec": "build"}
# Packages and what was made of them: whoever uses those runs them anyway. In .git nothing counts
# by its name.
_MADE = frozenset(
    {
        ".git",
        *("node_modules", "bower_components", "site-packages", ".venv", "venv", "vendor"),
        *(".tox", ".nox", ".cache", "__pycache__", "target", "dist", "build", ".gradle", ".m2"),
        *(".npm", ".pnpm-store"),
    }
)
_BUILT_IN = frozenset(
    {
        *(b"text", b"binary", b"union", b"ada", b"bash", b"bibtex", b"cpp", b"csharp", b"css"),
        *(b"dts", b"elixir", b"fortran", b"fountain", b"golang", b"html", b"java", b"kotlin"),
        *(b"markdown", b"matlab", b"objc", b"pascal", b"perl", b"php", b"python", b"ruby"),
        *(b"rust", b"scheme", b"tex"),
    }
)


@frozen
class Trace:
    """One thing that was left. `path` is relative to the workspace; its text is an agent's."""

    kind: str
    path: str
    what: str = ""


def kind(path: str) -> str | None:
    """What a file is by its path below the workspace; None for nothing in particular."""
    low = path.lower()
    parts = low.split("/")
    for above in range(min(len(parts), 3), 0, -1):
        if found := _TOP.get("/".join(parts[:above])):
            return found
    for part in parts[:-1]:
        if found := _DIRECTORIES.get(part):
            return found
    name = parts[-1]
    return (
        _FILES.get(name)
        or _DIRECTORIES.get(name)  # a link may stand for the directory
        or next((found for ending, found in _ENDINGS.items() if name.endswith(ending)), None)
    )


def made(path: str) -> bool:
    """Whether it lies among installed packages, or what a build has made."""
    return not _MADE.isdisjoint(path.lower().split("/")[:-1])


def leaves(path: str, target: str) -> bool:
    """Whether a symlink at `path` leads out of the workspace."""
    if target.startswith("/"):
        return True
    led = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return led == ".." or led.startswith("../")


# ---------------------------------------------------------------- by content


def telling(path: str, old: bytes, new: bytes) -> str | None:
    """What of a changed file counts, in a few words; None if nothing does. "" without words."""
    judge = _BY_CONTENT.get(posixpath.basename(path).lower())
    return judge(old, new) if judge else ""


def _scripts(old: bytes, new: bytes) -> str | None:
    before, after = _read_scripts(old), _read_scripts(new)
    if after is None:
        return ""
    changed = [name for name, text in after.items() if (before or {}).get(name) != text]
    return f"scripts {', '.join(changed)}" if changed else None


def _read_scripts(text: bytes) -> Mapping[str, Any] | None:
    """None for what is not the JSON that it should be."""
    try:
        found = json.loads(text or b"{}")
    except (ValueError, RecursionError):
        return None
    scripts = found.get("scripts") if isinstance(found, dict) else None
    return scripts if isinstance(scripts, dict) else {}


def _drivers(old: bytes, new: bytes) -> str | None:
    """Drivers that attributes name; what they are is in a git config."""
    named = sorted(set(_driver_words(new)) - set(_driver_words(old)))
    return b" ".join(named).decode("utf-8", "replace") or None


def _driver_words(text: bytes) -> Iterator[bytes]:
    for word, _, driver in re.findall(rb"(?<!\S)((filter|diff|merge)=(\S+))", text):
        if driver not in _BUILT_IN:
            yield word


def _build_system(old: bytes, new: bytes) -> str | None:
    before = set(_build_lines(old))
    return "build-system" if any(line not in before for line in _build_lines(new)) else None


def _build_lines(text: bytes) -> Iterator[bytes]:
    """Lines of pyproject.toml that say what builds it, however they are spelled."""
    inside = False
    for line in text.splitlines():
        if line.lstrip().startswith(b"["):
            inside = b"build-system" in line
        if (inside or re.search(rb"build[-_]system|build-backend|backend-path", line)) and line:
            yield line.strip()


_BY_CONTENT: Mapping[str, Callable[[bytes, bytes], str | None]] = {
    "package.json": _scripts,
    "composer.json": _scripts,
    ".gitattributes": _drivers,
    "pyproject.toml": _build_system,
}


# ---------------------------------------------------------------- told


def ordered(traces: Iterable[Trace]) -> list[Trace]:
    """Each once, what matters most first."""
    rank = {one: place for place, one in enumerate(KINDS)}
    found = {(one.kind, one.path): one for one in traces}
    return sorted(found.values(), key=lambda one: (rank.get(one.kind, len(rank)), one.path))


def as_field(traces: Sequence[Trace]) -> list[dict[str, str]]:
    """The record's `workspace.tamper`. Names that are not UTF-8 stay readable in JSON."""
    named = [
        {"kind": one.kind, "path": _said(one.path), "what": _said(one.what)}
        for one in traces[:MOST]
    ]
    more = len(traces) - len(named)
    return [*named, *([{"kind": "more", "path": "", "what": f"and {more} more"}] if more else [])]


def _said(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def noted(session: Session) -> list[Trace]:
    """What the record names."""
    listed = session.workspace.get("tamper")
    entries = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return [
        Trace(kind=str(one.get("kind")), path=str(one.get("path")), what=str(one.get("what", "")))
        for one in entries
    ]


def words(trace: Trace) -> str:
    """One line."""
    return one_line(" ".join(filter(None, (trace.kind, _quoted(trace.path), trace.what))))


def _quoted(path: str) -> str:
    """As it is, or so that nobody can take a part of it for something else."""
    plain = path.isascii() and path.isprintable() and " " not in path
    return path if plain or not path else json.dumps(path)


def notice(session: Session) -> str | None:
    """What whoever ran it is told; None if nothing was left."""
    traces = noted(session)
    if not traces:
        return None
    counted = sum(1 for one in traces if one.kind != "more")
    named = [f"{one.kind} {_cut(_quoted(one.path))}" for one in traces[:_FEW]]
    beyond = next((one.what for one in traces if one.kind == "more"), "")
    left = counted - len(named) + int(next(iter(re.findall(r"\d+", beyond)), 0))
    more = f" and {left} more" if left else ""
    return one_line(
        f"it changed what can act on this machine later: {', '.join(named)}{more}; "
        f"see: outrig show {session.id}"
    )


def _cut(path: str) -> str:
    return path if len(path) <= _LONGEST else f"{path[:_LONGEST]}..."
