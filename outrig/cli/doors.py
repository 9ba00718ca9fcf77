"""The doors: which commands there are, in the order of `outrig --help`, and where each lives."""

from __future__ import annotations

from outrig.core.frozen import frozen


@frozen(kw_only=False)
class Door:
    """Where a command lives, and its first sentence, so that --help need not load it."""

    name: str
    module: str
    function: str
    summary: str
    alias: str | None = None
    group: bool = False


DOORS = (
    Door(
        "run",
        "outrig.cli.run",
        "run",
        "Run a command or an agent in a container and record it.",
    ),
    Door("ls", "outrig.cli.ls", "ls", "List sessions, the newest first.", alias="ps"),
    Door(
        "show",
        "outrig.cli.show",
        "show",
        "Show everything that is recorded of a session.",
        alias="inspect",
    ),
    Door("logs", "outrig.cli.logs", "logs", "Print what a session said."),
    Door("replay", "outrig.cli.replay", "replay", "Play a session again, as it was seen."),
    Door("export", "outrig.cli.export", "export", "Write a session into a file for others."),
    Door("diff", "outrig.cli.diff", "diff", "Show what a session changed in its workspace."),
    Door(
        "patch",
        "outrig.cli.diff",
        "patch",
        "Print what a session changed as a patch, for `git apply`.",
    ),
    Door("undo", "outrig.cli.undo", "undo", "Put back what a session changed in your tree."),
    Door("attach", "outrig.cli.attach", "attach", "Look at a session that runs, and type into it."),
    Door("exec", "outrig.cli.exec", "exec_", "Run a command in a session that runs."),
    Door("shell", "outrig.cli.exec", "shell", "Open a shell in a session that runs."),
    Door(
        "resume",
        "outrig.cli.resume",
        "resume",
        "Go on with a session that has ended, as a new one in the same workspace.",
    ),
    Door("wait", "outrig.cli.wait", "wait", "Wait until sessions have ended."),
    Door("stop", "outrig.cli.stop", "stop", "End sessions: TERM, and after a grace period KILL."),
    Door("kill", "outrig.cli.stop", "kill", "End sessions at once: KILL."),
    Door(
        "pause", "outrig.cli.pause", "pause", "Let sessions stand still; their time limits do too."
    ),
    Door("unpause", "outrig.cli.pause", "unpause", "Let paused sessions go on."),
    Door(
        "accept",
        "outrig.cli.accept",
        "accept",
        "Take a session's work over, onto the branch that it began on.",
    ),
    Door("branch", "outrig.cli.branch", "branch", "Give a session's result a branch of its own."),
    Door("archive", "outrig.cli.archive", "archive", "Keep a session's result and free the rest."),
    Door(
        "discard",
        "outrig.cli.discard",
        "discard",
        "Remove sessions and what outrig wrote for them.",
        alias="rm",
    ),
    Door(
        "network",
        "outrig.cli.network",
        "app",
        "Show what sessions reached, and allow more.",
        group=True,
    ),
    Door("events", "outrig.cli.events", "events", "Show what happened to sessions, in order."),
    Door(
        "clean",
        "outrig.cli.clean",
        "clean",
        "Remove old sessions, and containers whose session is gone.",
    ),
    Door("build", "outrig.cli.build", "build", "Build images, those they stand on first."),
    Door("images", "outrig.cli.images", "images", "List configured and built images."),
    Door("config", "outrig.cli.config", "app", "Show and check the configuration.", group=True),
    Door(
        "trust",
        "outrig.cli.trust",
        "trust",
        "Approve what this repository's config asks for.",
    ),
    Door(
        "secrets",
        "outrig.cli.secrets",
        "app",
        "List the secrets that sessions get, and check whether they can be had.",
        group=True,
    ),
    Door(
        "doctor",
        "outrig.cli.doctor",
        "doctor",
        "Check everything that outrig needs, and say what helps.",
    ),
    Door("help", "outrig.cli.help", "help_", "Read about a topic, such as security."),
)


def canonical(word: str) -> str | None:
    """The name of the command that a first word stands for."""
    for door in DOORS:
        if word in (door.name, door.alias):
            return door.name
    return None
