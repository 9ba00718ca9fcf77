"""What a session reached and what it was refused, as its gateway told of it (logs/network.jsonl).

| of a line  | allowed, the connection is over   | refused, a second's worth           |
|------------|-----------------------------------|-------------------------------------|
| time       | when it ended                     | the first of them                   |
| verdict    | allowed                           | refused                             |
| rule       | which rule let it through         | which one did not, or why in words  |
| host, port | what was asked for                | the same, as far as it is known     |
| bytes      | sent, received                    |                                     |
| count      |                                   | how many                            |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outrig.core.frozen import frozen
from outrig.core.quantity import size_text
from outrig.core.rules import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SPECIAL = "special "  # how the rule begins that refuses what is not public
_ALLOWED_BY = "allow "
HEADS = ("VERDICT", "RULE", "WHERE", "TIMES", "SENT", "RECEIVED")


@frozen
class Reached:
    """All that was told of one place under one rule. Sizes in bytes."""

    verdict: str
    rule: str
    host: str
    port: int | None
    count: int
    sent: int = 0
    received: int = 0
    address: str = ""  # the last that it was found at

    @property
    def where(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"


def summed(lines: Iterable[Mapping[str, Any]]) -> list[Reached]:
    """One for each place, rule and verdict, in the order in which they were first told of."""
    totals: dict[tuple[str, str, str, int | None], list[int]] = {}
    found_at: dict[tuple[str, str, str, int | None], str] = {}
    for line in lines:
        port = line.get("port")
        key = (
            _text(line, "verdict"),
            _text(line, "rule"),
            _text(line, "host"),
            port if isinstance(port, int) else None,
        )
        found_at[key] = _text(line, "address") or found_at.get(key, "")
        total = totals.setdefault(key, [0, 0, 0])
        for at, (name, usual) in enumerate((("count", 1), ("sent", 0), ("received", 0))):
            total[at] += _number(line, name, usual)
    return [
        Reached(
            verdict=verdict,
            rule=rule,
            host=host,
            port=port,
            count=count,
            sent=sent,
            received=received,
            address=found_at[verdict, rule, host, port],
        )
        for (verdict, rule, host, port), (count, sent, received) in totals.items()
    ]


def rows(reached: Iterable[Reached]) -> list[Sequence[str]]:
    """For a table, its heads first."""
    return [
        HEADS,
        *(
            (
                one.verdict,
                one.rule,
                one.where or "-",
                str(one.count),
                size_text(one.sent) if one.sent else "-",
                size_text(one.received) if one.received else "-",
            )
            for one in reached
        ),
    ]


def rules(reached: Iterable[Reached]) -> list[str]:
    """The rules that allow what was reached, and nothing else."""
    found = [one for one in reached if one.verdict == "allowed" and one.host and one.port]
    return sorted({_rule(one.host, one.port) for one in found} | {*_of_addresses(found)})


def _of_addresses(reached: Iterable[Reached]) -> Iterator[str]:
    """A special address was let through by a rule of its own, which its name does not replace."""
    for one in reached:
        text = one.rule.removeprefix(_ALLOWED_BY)
        if (
            text != one.rule
            and parse(text).network is not None
            and one.address not in ("", one.host)
        ):
            yield text


def advice(reached: Iterable[Reached]) -> Iterator[str]:
    """What would let through that no rule for a name does."""
    for one in reached:
        if one.verdict == "refused" and one.rule.startswith(SPECIAL) and one.address:
            rule = _rule(one.address, one.port)
            kind = one.rule.removeprefix(SPECIAL)
            yield f"{one.where} is {one.address} ({kind}), which only an address allows: {rule}"


def _rule(host: str, port: int | None) -> str:
    where = f"[{host}]" if ":" in host else host
    return where if port is None else f"{where}:{port}"


def _text(line: Mapping[str, Any], key: str) -> str:
    value = line.get(key)
    return value if isinstance(value, str) else ""


def _number(line: Mapping[str, Any], key: str, usual: int) -> int:
    value = line.get(key)
    return value if isinstance(value, int) and value >= 0 else usual
