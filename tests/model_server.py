"""A model server that follows a script: real agents run against it without a key or a network.

It speaks Anthropic messages, OpenAI chat completions, OpenAI responses and Gemini. The first turn
answers with one call of the agent's own shell tool, whatever that agent names it; the next says
the closing words. An agent without tools (aider) gets its edit format instead. Which turn it is
follows from the request alone, so one server serves many agents at a time.

In a test: `with serving(host=...) as server:`; by hand: `python model_server.py --port 8080`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BODY_LIMIT = 64 * 1024 * 1024
SHELLS = ("Bash", "bash", "exec_command", "shell_command", "shell", "run_shell_command", "exec")
MINI_FINISH = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
TOKENS = {"input": 100, "output": 20}


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What the model has its agent do: write `file`, then run `command`."""

    file: str = "hello.py"
    text: str = 'print("made by the agent")\n'
    command: str = "python3 hello.py | tee ran.txt"
    closing: str = "The file is written and it ran."

    @property
    def shell(self) -> str:
        return f"cat > {self.file} <<'END'\n{self.text}END\n{self.command}"


class Tool(NamedTuple):
    name: str
    schema: Mapping[str, Any] | None  # None: it takes JavaScript that calls the other tools


class Call(NamedTuple):
    name: str
    arguments: Mapping[str, Any] | str


Reply = Call | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass(slots=True)
class ModelServer:
    """Where it listens and what it was asked; both are for assertions."""

    script: Script = field(default_factory=Script)
    host: str = "127.0.0.1"
    port: int = 0
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            request = await read_request(reader)
            self.requests.append(request)
            writer.write(answer(request, self.script))
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.contextmanager
def serving(host: str = "127.0.0.1", script: Script | None = None) -> Iterator[ModelServer]:
    """A server in a thread of its own; it listens when the block begins, on a free port."""
    model = ModelServer(script=script or Script(), host=host)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(model.listen())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    current = asyncio.current_task()
    pending = [task for task in asyncio.all_tasks() if task is not current]
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


# ---------------------------------------------------------------- HTTP


async def read_request(reader: asyncio.StreamReader) -> Request:
    start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = start.split(" ", 2)
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    raw = await _read_body(reader, headers)
    try:
        body = json.loads(raw) if raw else None
    except ValueError:
        body = raw.decode("latin-1")
    return Request(method=method, path=path, headers=headers, body=body)


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(min(int(headers.get("content-length", "0")), BODY_LIMIT))
    parts = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(parts)


def response(body: bytes, kind: str = "application/json", status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
    return f"{head}connection: close\r\n\r\n".encode() + body


def as_json(value: Any, status: str = "200 OK") -> bytes:
    return response(json.dumps(value).encode(), status=status)


def as_events(events: list[dict[str, Any]], *, named: bool, done: bool = False) -> bytes:
    """Server-sent events, sent at once: agents do not care how slowly words arrive."""
    lines = [
        (f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event)}\n\n"
        for event in events
    ]
    if done:
        lines.append("data: [DONE]\n\n")
    return response("".join(lines).encode(), kind="text/event-stream")


# ---------------------------------------------------------------- the script


def answer(request: Request, script: Script) -> bytes:
    """The whole HTTP answer to one request."""
    path = request.path.partition("?")[0]
    if request.method == "POST" and isinstance(request.body, dict):
        for ending, dialect in DIALECTS.items():
            if path.endswith(ending):
                return dialect(request.body, script)
    if "upgrade" in request.headers:  # Codex tries a WebSocket first, and five times unless told so
        return as_json({}, status="426 Upgrade Required")
    if path.endswith("/models"):
        return as_json({"object": "list", "data": [], "models": []})
    missing = {"type": "not_found_error", "message": f"no {request.method} {path} here"}
    return as_json({"type": "error", "error": missing}, status="404 Not Found")


def decide(tools: list[Tool], answered: int, body: Mapping[str, Any], script: Script) -> Reply:
    """What the model says: a shell command first, closing words after its result."""
    shell = next((tool for name in SHELLS for tool in tools if tool.name == name), None)
    if shell is None:
        return edit(json.dumps(body), script)
    if not answered:
        return Call(shell.name, arguments(shell, script.shell))
    if MINI_FINISH in json.dumps(body):  # mini-swe-agent ends by a command, not by words
        return Call(shell.name, arguments(shell, MINI_FINISH))
    return script.closing


def arguments(shell: Tool, command: str) -> dict[str, Any] | str:
    """Arguments that the tool's own schema asks for."""
    if shell.schema is None:
        return f"text(await tools.exec_command({json.dumps({'cmd': command})}))"
    properties: Mapping[str, Any] = shell.schema.get("properties", {})
    name = "cmd" if "cmd" in properties else "command"
    wants_list = properties.get(name, {}).get("type") == "array"
    given: dict[str, Any] = {name: ["sh", "-c", command] if wants_list else command}
    for other in shell.schema.get("required", []):
        given.setdefault(other, "write a file and run it")
    return given


def edit(asked: str, script: Script) -> str:
    """aider's two common formats; a request that asks for neither (a title) gets plain words."""
    if "SEARCH/REPLACE" in asked:
        change = f"<<<<<<< SEARCH\n=======\n{script.text}>>>>>>> REPLACE\n"
    elif "file listing" in asked:
        change = script.text
    else:
        return script.closing
    return f"{script.closing}\n\n{script.file}\n```python\n{change}```\n"


# ---------------------------------------------------------------- the dialects


def anthropic(body: dict[str, Any], script: Script) -> bytes:
    tools = [Tool(tool["name"], tool.get("input_schema", {})) for tool in body.get("tools", [])]
    contents = [message["content"] for message in body["messages"]]
    blocks = [block for content in contents if isinstance(content, list) for block in content]
    answered = sum(block.get("type") == "tool_result" for block in blocks)
    reply = decide(tools, answered, body, script)
    usage = {"input_tokens": TOKENS["input"], "output_tokens": TOKENS["output"]}
    message = {
        "id": "msg_script",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "script"),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    if isinstance(reply, Call):
        block = {"type": "tool_use", "id": f"toolu_{answered}", "name": reply.name, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(reply.arguments)}
        whole, stop = {**block, "input": reply.arguments}, "tool_use"
    else:
        block = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": reply}
        whole, stop = {"type": "text", "text": reply}, "end_turn"
    if not body.get("stream"):
        return as_json({**message, "content": [whole], "stop_reason": stop})
    ending = {"stop_reason": stop, "stop_sequence": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ending, "usage": usage},
        {"type": "message_stop"},
    ]
    return as_events(events, named=True)


def chat(body: dict[str, Any], script: Script) -> bytes:
    functions = [tool["function"] for tool in body.get("tools") or []]
    tools = [Tool(function["name"], function.get("parameters", {})) for function in functions]
    answered = sum(message["role"] == "tool" for message in body["messages"])
    reply = decide(tools, answered, body, script)
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if isinstance(reply, Call):
        function = {"name": reply.name, "arguments": json.dumps(reply.arguments)}
        call = {"index": 0, "id": f"call_{answered}", "type": "function", "function": function}
        message["tool_calls"] = [call]
    else:
        message["content"] = reply
    finish = "tool_calls" if isinstance(reply, Call) else "stop"
    total = TOKENS["input"] + TOKENS["output"]
    usage = {
        "prompt_tokens": TOKENS["input"],
        "completion_tokens": TOKENS["output"],
        "total_tokens": total,
    }
    common = {"id": "chatcmpl-script", "created": 1, "model": body.get("model", "script")}
    if not body.get("stream"):
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return as_json({**common, "object": "chat.completion", "choices": [choice], "usage": usage})
    chunk = {**common, "object": "chat.completion.chunk"}
    first = {"index": 0, "delta": message, "finish_reason": None}
    last = {"index": 0, "delta": {}, "finish_reason": finish}
    events = [{**chunk, "choices": [first]}, {**chunk, "choices": [last], "usage": usage}]
    return as_events(events, named=False, done=True)


def responses(body: dict[str, Any], script: Script) -> bytes:
    items = body["input"] if isinstance(body["input"], list) else []
    kinds = [item.get("type", "") for item in items]
    answered = sum(kind in {"function_call_output", "custom_tool_call_output"} for kind in kinds)
    reply = decide(list(responses_tools(body, items)), answered, body, script)
    item, opening, delta = responses_item(reply, answered)
    started = {
        "id": "resp_script",
        "object": "response",
        "created_at": 1,
        "model": body.get("model", "script"),
        "status": "in_progress",
        "output": [],
    }
    usage = {
        "input_tokens": TOKENS["input"],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": TOKENS["output"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": TOKENS["input"] + TOKENS["output"],
    }
    ended = {**started, "status": "completed", "output": [item], "usage": usage}
    if not body.get("stream"):
        return as_json(ended)
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": started},
        {"type": "response.output_item.added", "output_index": 0, "item": opening},
        {**delta, "output_index": 0, "item_id": item["id"]},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": ended},
    ]
    return as_events([{**e, "sequence_number": n} for n, e in enumerate(events)], named=True)


def responses_tools(body: dict[str, Any], items: list[dict[str, Any]]) -> Iterator[Tool]:
    """Codex gives newer models their tools in the input, in a namespace, as one script tool."""
    groups = [item["tools"] for item in items if item.get("type") == "additional_tools"]
    for tool in (tool for group in (body.get("tools") or [], *groups) for tool in group):
        for one in tool["tools"] if tool["type"] == "namespace" else [tool]:
            if one["type"] in {"function", "custom"}:
                yield Tool(one["name"], one.get("parameters", {}) if "parameters" in one else None)


def responses_item(
    reply: Reply, number: int
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The finished output item, the same as it began, and the event between the two."""
    if isinstance(reply, str):
        item = {"id": "msg_0", "type": "message", "role": "assistant", "status": "completed"}
        whole = {**item, "content": [{"type": "output_text", "text": reply, "annotations": []}]}
        delta = {"type": "response.output_text.delta", "content_index": 0, "delta": reply}
        return whole, {**item, "content": []}, delta
    kind, key, text = "custom_tool_call", "input", reply.arguments
    if not isinstance(text, str):
        kind, key, text = "function_call", "arguments", json.dumps(text)
    item = {"id": f"{kind}_{number}", "type": kind, "call_id": f"call_{number}"}
    item |= {"name": reply.name, "status": "completed"}
    delta = {"type": f"response.{kind}_{key}.delta", "delta": text}
    return {**item, key: text}, {**item, key: ""}, delta


def gemini(body: dict[str, Any], script: Script) -> dict[str, Any]:
    groups = [tool.get("functionDeclarations", []) for tool in body.get("tools") or []]
    tools = [
        Tool(item["name"], item.get("parametersJsonSchema") or item.get("parameters") or {})
        for group in groups
        for item in group
    ]
    parts = [part for content in body["contents"] for part in content.get("parts", [])]
    answered = sum("functionResponse" in part for part in parts)
    reply = decide(tools, answered, body, script)
    part: dict[str, Any] = {"text": reply}
    config = body.get("generationConfig", {})
    if schema := config.get("responseJsonSchema") or config.get("responseSchema"):
        part = {"text": json.dumps(sample(schema))}  # Gemini CLI asks which model suits the task
    elif isinstance(reply, Call):
        part = {"functionCall": {"name": reply.name, "args": reply.arguments}}
    content = {"role": "model", "parts": [part]}
    total = TOKENS["input"] + TOKENS["output"]
    usage = {
        "promptTokenCount": TOKENS["input"],
        "candidatesTokenCount": TOKENS["output"],
        "totalTokenCount": total,
    }
    candidate = {"index": 0, "content": content, "finishReason": "STOP"}
    return {"candidates": [candidate], "usageMetadata": usage}


def sample(schema: Mapping[str, Any]) -> Any:
    """The least that a schema accepts."""
    if "enum" in schema:
        return schema["enum"][0]
    properties = schema.get("properties", {})
    least: dict[str, Any] = {
        "object": {name: sample(properties[name]) for name in schema.get("required", properties)},
        "array": [],
        "boolean": True,
        "integer": schema.get("minimum", 1),
        "number": schema.get("minimum", 1),
    }
    return least.get(str(schema.get("type")).lower(), "as the script says")


DIALECTS: Mapping[str, Callable[[dict[str, Any], Script], bytes]] = {
    "/v1/messages": anthropic,
    "/count_tokens": lambda _body, _script: as_json({"input_tokens": TOKENS["input"]}),
    "/chat/completions": chat,
    "/responses": responses,
    ":generateContent": lambda body, script: as_json(gemini(body, script)),
    ":streamGenerateContent": lambda body, script: as_events([gemini(body, script)], named=False),
    ":countTokens": lambda _body, _script: as_json({"totalTokens": TOKENS["input"]}),
}


async def _run(model: ModelServer) -> None:
    server = await model.listen()
    sys.stdout.write(f"{model.url}\n")
    sys.stdout.flush()
    seen = 0
    async with server:
        while True:
            await asyncio.sleep(0.5)
            for request in model.requests[seen:]:
                sys.stderr.write(f"{request.method} {request.path}\n")
            seen = len(model.requests)


def main() -> None:
    parser = argparse.ArgumentParser(description="A model server that follows a script.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(ModelServer(host=options.host, port=options.port)))


if __name__ == "__main__":
    main()
