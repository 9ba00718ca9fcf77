r"""Patterns as in .gitignore: which paths of a tree they mean. The last one that fits decides.

| pattern      | means                                                     |
|--------------|-----------------------------------------------------------|
| `name`       | files and directories of that name, at any depth          |
| `name/`      | directories only                                          |
| `/name`      | at the top only; so does a slash in the middle            |
| `*.pem`      | `*` and `?` fit anything but a slash, `[a-z]` one of them |
| `a/**/b`     | `**` fits any number of directories                       |
| `!name`      | not that one, though an earlier pattern fits              |
| `# text`     | nothing; `\#` and `\!` begin a name                       |

What lies below a directory that fits, fits.
"""

from __future__ import annotations

import re

from outrig.core.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 4096  # characters of a pattern: the longest path there is
_MOST_STARS = 16  # a hostile pattern of many would take for ever


@frozen
class Rule:
    expression: re.Pattern[str]
    directories: bool
    negated: bool


@frozen(kw_only=False)
class Rules:
    """`given` in their order."""

    given: tuple[Rule, ...]

    def __bool__(self) -> bool:
        return bool(self.given)

    def fits(self, path: str, *, directory: bool) -> bool:
        """Whether this very path fits; the directories above it were asked about before."""
        for rule in reversed(self.given):
            if (directory or not rule.directories) and rule.expression.fullmatch(path):
                return not rule.negated
        return False

    def fits_below(self, path: str, *, directory: bool) -> bool:
        """Whether the path, or a directory above it, fits."""
        parts = path.split("/")
        above = ("/".join(parts[:at]) for at in range(1, len(parts)))
        return any(self.fits(one, directory=True) for one in above) or self.fits(
            path, directory=directory
        )


def rules(patterns: Iterable[str]) -> Rules:
    """What cannot mean anything is left out, as git does."""
    return Rules(tuple(rule for text in patterns if (rule := _rule(text))))


def _rule(text: str) -> Rule | None:
    text = _trimmed(text)
    if not text or text.startswith("#") or len(text) > _LONGEST:
        return None
    negated = text.startswith("!")
    text = text[1:] if negated else text
    directories = text.endswith("/")
    text = text.rstrip("/") if directories else text
    anchored = "/" in text
    text = text.lstrip("/")
    if not text or text.count("*") > _MOST_STARS:
        return None
    found = _expression(text)
    if found is None:
        return None
    expression = re.compile(found if anchored else f"(?:.*/)?{found}", re.DOTALL)
    return Rule(expression=expression, directories=directories, negated=negated)


def _trimmed(text: str) -> str:
    text = text.rstrip("\r\n")
    bare = text.rstrip(" ")
    return f"{bare} " if bare.endswith("\\") and bare != text else bare


def _expression(text: str) -> str | None:
    """None where a bracket or a backslash does not end."""
    found: list[str] = []
    at = 0
    while at < len(text):
        if text.startswith("**/", at) and (at == 0 or text[at - 1] == "/"):
            found.append("(?:.*/)?")
            at += 3
        elif text.startswith("**", at) and at + 2 == len(text) and text[at - 1 : at] in ("", "/"):
            found.append(".+")
            at += 2
        elif text[at] == "*":
            found.append("[^/]*")
            at += 1
        elif text[at] == "?":
            found.append("[^/]")
            at += 1
        elif text[at] == "[":
            bracket, at = _bracket(text, at)
            if bracket is None:
                return None
            found.append(bracket)
        elif text[at] == "\\":
            if at + 1 == len(text):
                return None
            found.append(re.escape(text[at + 1]))
            at += 2
        else:
            found.append(re.escape(text[at]))
            at += 1
    return "".join(found)


def _bracket(text: str, at: int) -> tuple[str | None, int]:
    """One character of a set. A `]` that comes first belongs to it."""
    end = at + 1
    negated = text[end : end + 1] in ("!", "^")
    end += negated
    close = text.find("]", end + 1)
    if close < 0:
        return None, at
    inside = text[end:close].replace("\\", "\\\\").replace("[", "\\[").replace("&", "\\&")
    inside = inside.replace("]", "\\]").replace("^", "\\^").replace("~", "\\~")
    set_ = f"(?!/)[{'^' if negated else ''}{inside}]"
    try:
        re.compile(set_)
    except re.error:
        return None, at
    return set_, close + 1
