"""The options of a command, said once and read twice: by typer, and by read() without it.

read() takes a command line that is spelled out, and leaves all that it does not understand at once
to typer, which then says what is wrong. That spares a run the 50 ms in which typer loads.

| word                        | is                                               |
|-----------------------------|--------------------------------------------------|
| --name VALUE, --name=VALUE  | an option; of a list, one more; else the last    |
| -n VALUE                    | the same, by its letter                          |
| --flag, -f                  | a bool that is true                              |
| --                          | the end of the options; what follows are words   |
| no option at all, or -      | the first of the words                           |
| -nVALUE, -fg, anything else | for typer; so is a VALUE that looks like options |
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

from outrig.core.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Annotated as Annotated  # noqa: PLC0414 - given on to run and resume
    from typing import Any

else:

    class Annotated:
        """As typing's own, which takes 8 ms to load: a type, and what is said of it here."""

        def __init__(self, kind: Any, about: Any) -> None:
            self.__origin__, self.__metadata__ = kind, (about,)

        def __class_getitem__(cls, said: tuple[Any, Any]) -> Annotated:
            return cls(*said)


_KINDS = {bool: bool, str | None: str, Path | None: Path, list[str] | None: list}


@frozen(kw_only=False)
class Option:
    """To be said of a parameter: `Annotated[TYPE, Option(...)]`, with a type of _KINDS."""

    names: str  # "-p --prompt"
    help: str
    metavar: str | None = None
    complete: Callable[[str], list[str]] | None = None


@frozen(kw_only=False)
class Words:
    """The same of the parameter for what follows the options."""

    metavar: str
    help: str
    complete: Callable[[str], list[str]] | None = None


def read(command: Callable[..., Any], line: Sequence[str]) -> dict[str, Any] | None:
    """What a command line has for the parameters of `command`; None where typer is to be asked."""
    known, rest = _known(command)
    given: dict[str, Any] = {}
    words = deque(line)
    while words and _is_option(words[0]):
        word = words.popleft()
        if word == "--":
            break
        name, equals, text = word.partition("=") if word.startswith("--") else (word, "", "")
        parameter, kind = known.get(name, ("", None))
        if kind is None or (kind is bool and equals):
            return None
        if kind is bool:
            given[parameter] = True
            continue
        if not equals:
            if not words or _is_option(words[0]):
                return None
            text = words.popleft()
        given[parameter] = [*given.get(parameter, ()), text] if kind is list else kind(text)
    return {**given, rest: list(words)}


def said(annotation: Any) -> tuple[Any, Option | Words | None]:
    """The type of a parameter, and what is said of it here."""
    about: tuple[Any, ...] = getattr(annotation, "__metadata__", ())
    ours = about and isinstance(about[0], (Option, Words))
    return (annotation.__origin__, about[0]) if ours else (annotation, None)


def _known(command: Callable[..., Any]) -> tuple[dict[str, tuple[str, Any]], str]:
    """By each name of an option its parameter and kind; and the parameter for the words."""
    known: dict[str, tuple[str, Any]] = {}
    words = ""
    for parameter, annotation in command.__annotations__.items():
        kind, about = said(annotation)
        if isinstance(about, Option):
            known |= dict.fromkeys(about.names.split(), (parameter, _KINDS[kind]))
        elif about:
            words = parameter
    return known, words


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"
