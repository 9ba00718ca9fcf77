"""Aside: a call in a thread of its own, whose end is waited for; and a network made by one.

Only the engine is used there: the record and what undoes a step belong to who waits.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from outrig.core.network import Inner
    from outrig.runner.network import Making

T = TypeVar("T")


class Aside(Generic[T]):
    """It begins when this is made."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._found: list[T] = []
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found.append(self._call())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._failure = error

    def over(self) -> None:
        """Block until it has ended, however it did."""
        self._thread.join()

    def wait(self) -> T:
        """What the call gave, once it has ended. Raises what it raised."""
        self.over()
        if self._failure:
            raise self._failure
        return self._found[0]


class MadeNetwork(Aside[tuple[str, "Inner"]]):
    """A network that is being made."""

    def __init__(self, call: Callable[[], tuple[str, Inner]], making: Making, attempt: str) -> None:
        super().__init__(call)
        self._making = making
        self._attempt = attempt
        making.undo.callback(self.over)

    def there(self) -> tuple[str, Inner]:
        """Its id, and who is where in it; the record knows it then."""
        made, inner = self.wait()
        self._making.made_network(made, self._attempt)
        return made, inner
