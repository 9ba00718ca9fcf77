"""Relations: what a session has to do with others, as its user said when starting it.

kind    main | subagent | cron; one with a parent is a subagent unless it says otherwise
parent  the id of the session that started it
group   any word that several sessions share
issue   what it works on, such as "#12" or a URL; one unfinished session per issue and project
project the repository's common directory, shared by all its worktrees; else the workspace
"""

from __future__ import annotations

from outrig.core.frozen import frozen
from outrig.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from outrig.core.session import Session

    Kind = Literal["main", "subagent", "cron"]

KINDS: tuple[Kind, ...] = ("main", "subagent", "cron")
_LONGEST = 200  # characters of a group or an issue


@frozen
class Relations:
    kind: str = "main"
    parent: str | None = None
    group: str | None = None
    issue: str | None = None
    force: bool = False  # although another unfinished session works on the same issue


@frozen
class Work:
    """An issue of a project: two sessions on it would do the same thing twice."""

    issue: str
    project: str

    def is_of(self, session: Session) -> bool:
        """Whether a session works, or worked, on it."""
        return session.text("issue") == self.issue and session.text("project") == self.project


def relations(
    *,
    kind: str | None = None,
    parent: str | None = None,
    group: str | None = None,
    issue: str | None = None,
    force: bool = False,
) -> Relations:
    """What was given, checked. Raises UsageError that names the option."""
    check_kind(kind)
    _check_words("--group", group)
    _check_words("--issue", issue)
    usual = "subagent" if parent else "main"
    return Relations(kind=kind or usual, parent=parent, group=group, issue=issue, force=force)


def check_kind(kind: str | None) -> None:
    """Raises UsageError for a kind that there is not."""
    if kind is not None and kind not in KINDS:
        raise UsageError(f'--kind "{kind}" is no kind', hint=f"one of: {', '.join(KINDS)}")


def project_name(project: str) -> str:
    """What people call a project: the directory that its repository lies in."""
    path = project.removesuffix("/.git").rstrip("/")
    return path.rpartition("/")[2].removesuffix(".git") or path or "/"


def is_project(project: str, asked: str) -> bool:
    """Whether `asked`, a resolved path or a name as people say it, means this project."""
    if not project:
        return False
    if asked.startswith("/"):
        return asked in (project, project.removesuffix("/.git"))
    return asked == project_name(project)


def _check_words(option: str, text: str | None) -> None:
    if text is not None and (not text.strip() or len(text) > _LONGEST or not text.isprintable()):
        raise UsageError(
            f"{option} {text[:40]!r} cannot be kept",
            hint=f"one line of at most {_LONGEST} printable characters",
        )
