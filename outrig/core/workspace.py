"""Isolation: what a session sees of the user's tree, and what of it the session may write.

| mode     | the session works on                                | user's tree | ignored files |
|----------|-----------------------------------------------------|-------------|---------------|
| bind     | the user's tree itself                              | written     | there         |
| bind-ro  | the user's tree, and a scratch directory of its own | read-only   | there         |
| worktree | a checkout of its own, on a branch of its own       | untouched   | by `include`  |
| overlay  | a layer of its own over the user's tree             | untouched   | there         |
| copy     | a copy of its own                                   | untouched   | there         |

In the bind modes `git` says whose .git it is: `shadow`, one of the session's own that borrows the
objects of the user's; `ro`, the user's, read-only; `bind`, the user's, with all that risks. The
other modes always have one of their own. There is no way from a stronger mode to a weaker one but
asking for it.
"""

from __future__ import annotations

from outrig.core.frozen import frozen
from outrig.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from outrig.core.config import WorkspaceConfig

    Mode = Literal["bind", "bind-ro", "worktree", "overlay", "copy"]
    GitMode = Literal["shadow", "ro", "bind"]

MODES: tuple[Mode, ...] = ("bind", "bind-ro", "worktree", "overlay", "copy")
GITS: tuple[GitMode, ...] = ("shadow", "ro", "bind")
OWN_TREE: tuple[Mode, ...] = ("worktree", "overlay", "copy")
SHORTEST_CHECKPOINT = 1.0  # seconds

# What acts on the host when somebody opens, enters or pushes the tree.
PROTECTED = (
    ".agents/outrig",
    ".claude/hooks",
    ".claude/settings.json",
    ".claude/settings.local.json",
    ".devcontainer",
    ".envrc",
    ".github/workflows",
    ".gitlab-ci.yml",
    ".husky",
    ".idea",
    ".mcp.json",
    ".vscode",
)

INSIDE = "/run/outrig/git"  # what the session's git needs and the tree cannot hold
SCRATCH = "/scratch"  # OUTRIG_SCRATCH says so inside

RISK = (
    "[workspace] git = bind: the session can write the repository's own .git: review .git/config "
    "and hooks before you run git there"
)


@frozen
class Isolation:
    """How the session's view is kept apart. `start` is the REF of --from."""

    mode: Mode
    git: GitMode
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    protect: tuple[str, ...] = ()
    checkpoint: float | None = None  # seconds
    start: str | None = None
    with_changes: bool = False

    @property
    def own_tree(self) -> bool:
        """Whether what the session writes is not the user's tree."""
        return self.mode in OWN_TREE


def isolation(
    config: WorkspaceConfig, *, start: str | None, with_changes: bool, repository: bool
) -> Isolation:
    """What was asked for. Raises UsageError for what makes no sense together."""
    mode, git = _mode(config.mode), _git(config.git)
    if mode == "worktree" and not repository:
        raise UsageError(
            "--workspace worktree needs a git repository, and the workspace is none",
            hint="--workspace copy, or run it at the top of a repository",
        )
    for flag, given in (("--from", start is not None), ("--with-changes", with_changes)):
        if given and mode != "worktree":
            raise UsageError(
                f"{flag} says what a checkout begins with, and mode {mode} makes none",
                hint=f"--workspace worktree {flag}",
            )
    if start is not None and with_changes:
        raise UsageError(
            "--from and --with-changes exclude each other: your changes are changes of HEAD"
        )
    if mode == "bind-ro" and git == "bind":
        raise UsageError(
            "mode bind-ro keeps the tree from being written, and git = bind opens its .git",
            hint='set git = "ro" or "shadow"',
        )
    if config.checkpoint is not None and config.checkpoint < SHORTEST_CHECKPOINT:
        raise UsageError(f"a checkpoint every {config.checkpoint} s is too often: at least 1s")
    return Isolation(
        mode=mode,
        git=git,
        include=config.include,
        exclude=config.exclude,
        protect=config.protect,
        checkpoint=config.checkpoint,
        start=start,
        with_changes=with_changes,
    )


def notice(wanted: Isolation, *, repository: bool) -> str | None:
    """What the user must hear of it."""
    opens = repository and not wanted.own_tree and wanted.git == "bind"
    return RISK if opens else None


def _mode(text: str) -> Mode:
    return next(mode for mode in MODES if mode == text)


def _git(text: str) -> GitMode:
    return next(git for git in GITS if git == text)
