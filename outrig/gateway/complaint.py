"""What the broker answers where it refuses: in the shape in which each API's clients read errors.

| asked for                 | shape                                                               |
|---------------------------|---------------------------------------------------------------------|
| .../v1/messages           | Anthropic: type, error: type, message                               |
| .../models/MODEL:method   | Gemini: error: code, message, status                                |
| anything else             | OpenAI: error: message, type, param, code                           |

So that an agent shows its user the words, and does not take them for a defect of the network.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Words(NamedTuple):
    anthropic: str
    openai: str
    gemini: str


_WORDS: Mapping[int, _Words] = {
    400: _Words("invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"),
    403: _Words("permission_error", "permission_denied", "PERMISSION_DENIED"),
    404: _Words("not_found_error", "not_found", "NOT_FOUND"),
    413: _Words("request_too_large", "request_too_large", "INVALID_ARGUMENT"),
    429: _Words("rate_limit_error", "insufficient_quota", "RESOURCE_EXHAUSTED"),
    502: _Words("api_error", "server_error", "UNAVAILABLE"),
}


def body(status: int, why: str, path: str) -> bytes:
    """`path` is what was asked for, as far as that is known."""
    words = _WORDS.get(status, _WORDS[400])
    message = f"outrig: {why}"
    asked = path.partition("?")[0]
    if "/v1/messages" in asked:
        error: Mapping[str, object] = {"type": words.anthropic, "message": message}
        return json.dumps({"type": "error", "error": error}).encode()
    if "/models/" in asked and ":" in asked.rpartition("/")[2]:
        error = {"code": status, "message": message, "status": words.gemini}
    else:
        error = {"message": message, "type": words.openai, "param": None, "code": words.openai}
    return json.dumps({"error": error}).encode()
