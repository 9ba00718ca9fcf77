"""What models used, from the usage fields of their providers' own answers.

| API                | in one answer   | in a stream                                       |
|--------------------|-----------------|---------------------------------------------------|
| Anthropic messages | `usage`         | `message_start`: message.usage; `message_delta`   |
| OpenAI chat        | `usage`         | the last chunk, where the request asks for it     |
| OpenAI responses   | `usage`         | `response.completed`: response.usage              |
| Gemini             | `usageMetadata` | the same in each piece, counted up                |

A stream tells the same fields again and again, and each time what is so far: the highest counts.
Where there is a total it counts, as some name the parts of it twice (prompt and input tokens).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LONGEST = 32 * 1024 * 1024  # bytes of one event, or of one answer
_WITHIN = ("message", "response")
_TOTAL = ("total_tokens", "totalTokenCount")
_PARTS = (
    *("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"),
    *("prompt_tokens", "completion_tokens"),
    *("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount"),
)


class Counter:
    """The tokens of one answer, as its bytes pass by."""

    def __init__(self, kind: str) -> None:
        """`kind` is the answer's content type."""
        self._stream = kind.startswith("text/event-stream")
        self._json = "json" in kind
        self._held = b""
        self._fields: dict[str, int] = {}

    def feed(self, data: bytes) -> None:
        if not (self._stream or self._json):
            return
        self._held += data
        if self._stream:
            *lines, self._held = self._held.split(b"\n")
            for line in lines:
                self._line(line)
        if len(self._held) > _LONGEST:
            self._held = b""
            self._json = False

    def end(self) -> int:
        """All tokens of it, both ways; 0 where it does not say."""
        if self._stream:
            self._line(self._held)
        elif self._json and b"sage" in self._held:
            self._document(self._held)
        total = max(self._fields.get(name, 0) for name in _TOTAL)
        return total or sum(self._fields.get(name, 0) for name in _PARTS)

    def _line(self, line: bytes) -> None:
        if line.startswith(b"data:") and b"sage" in line:
            self._document(line[5:])

    def _document(self, data: bytes) -> None:
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            return
        for one in found if isinstance(found, list) else [found]:
            for usage in _usages(one):
                for name in (*_TOTAL, *_PARTS):
                    count = usage.get(name)
                    if isinstance(count, int) and not isinstance(count, bool):
                        self._fields[name] = max(self._fields.get(name, 0), count)


def _usages(document: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(document, dict):
        return
    for holder in (document, *(document.get(name) for name in _WITHIN)):
        if isinstance(holder, dict):
            found = (holder.get("usage"), holder.get("usageMetadata"))
            yield from (one for one in found if isinstance(one, dict))


class Budget:
    """What the session has used of models, kept in a file for whoever follows it.

    None is no limit. `refused` counts the requests that were turned away.
    """

    def __init__(self, limits: Mapping[str, int | None], write: Any) -> None:
        self._limits = limits
        self._write = write
        self.requests = self.tokens = self.refused = 0

    def exceeded(self) -> str | None:
        """The limit that is used up, in words."""
        for name, used in (("model-requests", self.requests), ("model-tokens", self.tokens)):
            limit = self._limits.get(name)
            if limit is not None and used >= limit:
                return f"limits.{name} = {limit} is used up ({used})"
        return None

    @property
    def counts_tokens(self) -> bool:
        """Whether a stream must say what it used."""
        return self._limits.get("model-tokens") is not None

    def request(self) -> None:
        self.requests += 1
        self._tell()

    def used(self, tokens: int) -> None:
        self.tokens += tokens
        self._tell()

    def refuse(self) -> None:
        self.refused += 1
        self._tell()

    def _tell(self) -> None:
        said = {"requests": self.requests, "tokens": self.tokens, "refused": self.refused}
        self._write(said)
