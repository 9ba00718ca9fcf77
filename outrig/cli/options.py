"""Options that `run` and `resume` have both, said once."""

from pathlib import Path

from outrig.cli.completion import complete_network
from outrig.cli.option import Annotated, Option

Prompt = Annotated[str | None, Option("-p --prompt", "What the agent shall do; - reads stdin.")]
PromptFile = Annotated[
    Path | None, Option("--prompt-file", "Read the prompt from a file; - is stdin.")
]
Checkpoint = Annotated[
    str | None, Option("--checkpoint", "Record the tree this often.", metavar="5m")
]
Name = Annotated[str | None, Option("--name", "A name to find it by.")]
Force = Annotated[bool, Option("--force", "Although another one works on the same issue.")]
Group = Annotated[str | None, Option("--group", "A word that several sessions share.")]
Workdir = Annotated[
    str | None, Option("-w --workdir", "Start here; relative to the workspace's place inside.")
]
Memory = Annotated[str | None, Option("-m --memory", "Memory, swap included: 512m, 4g.")]
Cpus = Annotated[str | None, Option("--cpus", "Processors: 1.5.")]
Pids = Annotated[str | None, Option("--pids", "Processes and threads.")]
Timeout = Annotated[str | None, Option("--timeout", "End it after this wall-clock time: 90m.")]
Disk = Annotated[str | None, Option("--disk", "End it when workspace and HOME grow by more: 10g.")]
ModelRequests = Annotated[
    str | None, Option("--model-requests", "Requests to models through the broker.")
]
ModelTokens = Annotated[
    str | None, Option("--model-tokens", "Tokens of models through the broker.")
]
IdleTimeout = Annotated[
    str | None, Option("--idle-timeout", "End it when it says and does nothing so long: 15m.")
]
Network = Annotated[
    str | None,
    Option(
        "--network",
        "What it may reach.",
        metavar="none|filter|audit|open|bridge",
        complete=complete_network,
    ),
]
Deny = Annotated[
    list[str] | None, Option("--deny", "Never let it reach this.", metavar="HOST[:PORT]")
]
Detach = Annotated[bool, Option("-d --detach", "Print the id and return once it runs.")]
DetachKeys = Annotated[
    str | None, Option("--detach-keys", 'Let go of it in a terminal: "ctrl-p,ctrl-q".')
]
Notify = Annotated[
    bool, Option("--notify", "Ring the terminal's bell, or the desktop's, at its end.")
]
Interactive = Annotated[
    bool, Option("-i --interactive", "Feed stdin, also to an agent with a prompt.")
]
Tty = Annotated[bool, Option("-t --tty", "Use a terminal.")]
NoTty = Annotated[bool, Option("-T --no-tty", "Never use a terminal.")]
NoRedact = Annotated[bool, Option("--no-redact", "Keep and show secrets as they are said.")]
NoStdin = Annotated[bool, Option("--no-stdin", "Give it /dev/null.")]
SessionRoot = Annotated[Path | None, Option("--session-root", "Where sessions are listed.")]
GlobalConfig = Annotated[
    Path | None, Option("--global-config", "Use this file in place of your own.")
]
DryRun = Annotated[bool, Option("--dry-run", "Print the plan as TOML, do nothing.")]
AsJson = Annotated[
    bool, Option("--json", "Keep the output in the logs, print the final record as JSON.")
]
Result = Annotated[
    Path | None, Option("--result", "Write the final record, or the error, to a file.")
]
Verbose = Annotated[bool, Option("--verbose", "Say each step.")]
