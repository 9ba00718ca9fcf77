"""`outrig doctor`: one line per check, with a remedy; `--fix` brings an engine first."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outrig.cli import here, report
from outrig.core.frozen import as_dict
from outrig.core.terminal import safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outrig.core.doctor import Check


def doctor(
    fix: Annotated[
        bool, typer.Option("--fix", help="Install and start a container engine where none answers.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the checks as a JSON array.")
    ] = False,
    session_root: Annotated[
        Path | None,
        typer.Option("--session-root", readable=False, help="Where sessions are listed."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Use this file in place of the repository's.")
    ] = None,
    global_config: Annotated[
        Path | None, typer.Option("--global-config", help="Use this file in place of your own.")
    ] = None,
) -> int:
    """Check everything that outrig needs, and say what helps.

    Exit 1 if something is wrong.

    outrig doctor --fix

    Then run something: `outrig run -- COMMAND`.
    """
    from outrig.runner.doctor import Patient, examine
    from outrig.runner.doctor import fix as provide

    patient = Patient(
        env=os.environ,
        cwd=here.directory(),
        session_root=session_root,
        config=config,
        global_config=global_config,
    )
    if fix:
        provide(patient, report.notice)
    checks = list(examine(patient))
    typer.echo(_json(checks) if as_json else _table(checks))
    return int(any(check.state == "wrong" for check in checks))


def _json(checks: Sequence[Check]) -> str:
    import json

    return json.dumps([as_dict(check) for check in checks], indent=2)


def _table(checks: Sequence[Check]) -> str:
    width = max(len(check.name) for check in checks)
    return "\n".join(safe(_line(check, width)).replace("\n", "; ") for check in checks)


def _line(check: Check, width: int) -> str:
    remedy = f" -> {check.remedy}" if check.remedy else ""
    return f"{check.state:<8} {check.name:<{width}}  {check.says}{remedy}"
