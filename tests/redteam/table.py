"""The table of attacks and what became of each."""

from __future__ import annotations

import pytest

TABLE = pytest.StashKey[list[tuple[str, str, str, bool]]]()


class Printed:
    """A plugin of pytest that prints the table at the end."""

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, config: pytest.Config
    ) -> None:
        rows = config.stash.get(TABLE, [])
        width = min(60, max((len(attack) for _, attack, _, _ in rows), default=0))
        group = ""
        for test, attack, outcome, held in rows:
            if test != group:
                group = test
                terminalreporter.write_line(f"\n{test.removeprefix('test_').replace('_', ' ')}")
            verdict = "held" if held else "BROKEN"
            terminalreporter.write_line(f"  {verdict:<7} {attack:<{width}}  {outcome}")
        lost = sum(not held for *_, held in rows)
        terminalreporter.write_line(f"\n{len(rows)} attacks, {lost} not held")
