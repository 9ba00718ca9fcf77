"""The scripted model in each of its four dialects, asked the way the agents ask."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.model_server import Script, serving

SCRIPT = Script()
PARAMETERS = {"properties": {"command": {"type": "string"}}, "required": ["command", "why"]}
ARGUMENTS = {"command": SCRIPT.shell, "why": "write a file and run it"}


def post(url: str, body: dict[str, Any]) -> str:
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request) as answered:
        text: str = answered.read().decode()
    return text


def events(text: str) -> list[dict[str, Any]]:
    data = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in data if line != "[DONE]"]


def anthropic(turn: list[dict[str, Any]]) -> dict[str, Any]:
    tools = [{"name": "Read"}, {"name": "Bash", "input_schema": PARAMETERS}]
    return {"stream": True, "tools": tools, "messages": [{"role": "user", "content": turn}]}


def chat(turn: list[dict[str, Any]]) -> dict[str, Any]:
    tools = [{"type": "function", "function": {"name": "bash", "parameters": PARAMETERS}}]
    return {"stream": True, "tools": tools, "messages": [{"role": "user"}, *turn]}


def responses(turn: list[dict[str, Any]]) -> dict[str, Any]:
    tools = [{"type": "function", "name": "shell", "parameters": PARAMETERS}]
    return {"stream": True, "tools": tools, "input": [{"type": "message"}, *turn]}


def gemini(turn: list[dict[str, Any]]) -> dict[str, Any]:
    tool = {"name": "run_shell_command", "parametersJsonSchema": PARAMETERS}
    contents = [{"role": "user", "parts": [{"text": "do it"}, *turn]}]
    return {"tools": [{"functionDeclarations": [tool]}], "contents": contents}


DIALECTS = pytest.mark.parametrize(
    ("path", "body", "result"),
    [
        ("/v1/messages?beta=true", anthropic, {"type": "tool_result"}),
        ("/v1/chat/completions", chat, {"role": "tool"}),
        ("/v1/responses", responses, {"type": "function_call_output"}),
        ("/v1beta/models/m:streamGenerateContent?alt=sse", gemini, {"functionResponse": {}}),
    ],
)


def calls(found: list[dict[str, Any]]) -> list[Any]:
    """The arguments of every tool call, in whichever dialect."""
    text = json.dumps(found)
    inner = json.dumps(json.dumps(ARGUMENTS))
    return [ARGUMENTS] if inner in text or json.dumps(ARGUMENTS) in text else []


@DIALECTS
def test_the_first_turn_is_a_call_of_the_agents_own_shell(path, body, result):
    with serving() as model:
        found = events(post(model.url + path, body([])))
    assert calls(found) == [ARGUMENTS]
    assert SCRIPT.closing not in json.dumps(found)


@DIALECTS
def test_after_the_result_come_closing_words(path, body, result):
    with serving() as model:
        found = events(post(model.url + path, body([result])))
    assert calls(found) == []
    assert SCRIPT.closing in json.dumps(found)


def test_a_script_tool_hidden_in_the_input_is_found():
    namespace = {"type": "namespace", "tools": [{"type": "custom", "name": "exec"}]}
    asked = {"stream": True, "input": [{"type": "additional_tools", "tools": [namespace]}]}
    with serving() as model:
        found = events(post(f"{model.url}/v1/responses", asked))
    (item,) = found[-1]["response"]["output"]
    assert item["type"] == "custom_tool_call"
    assert json.dumps(SCRIPT.shell) in item["input"]


@pytest.mark.parametrize(
    ("asked", "marker"),
    [("Use SEARCH/REPLACE blocks", "<<<<<<< SEARCH\n=======\n"), ("a file listing", "```python\n")],
)
def test_an_agent_without_tools_gets_its_edit_format(asked, marker):
    body = {"messages": [{"role": "user", "content": asked}]}
    with serving() as model:
        answered = json.loads(post(f"{model.url}/v1/chat/completions", body))
    said = answered["choices"][0]["message"]["content"]
    assert f"\n{SCRIPT.file}\n```python\n" in said
    assert marker + SCRIPT.text in said


def test_mini_is_told_to_end():
    body = chat([{"role": "tool"}])
    body["messages"][0]["content"] = "then echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
    with serving() as model:
        text = post(f"{model.url}/v1/chat/completions", body)
    assert '\\"command\\": \\"echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT\\"' in text


def test_what_was_asked_is_kept_and_the_unknown_is_not_found():
    with serving() as model:
        with pytest.raises(urllib.error.HTTPError, match="404") as refused:
            post(f"{model.url}/v1/elsewhere", {"a": 1})
        refused.value.close()
        assert [(one.method, one.path, one.body) for one in model.requests] == [
            ("POST", "/v1/elsewhere", {"a": 1})
        ]
