"""The keys of what a session runs: [images.N], [agents.N] and [run]."""

from __future__ import annotations

from outrig.core.config_bounds import NETWORKS
from outrig.core.field import VARIABLE_NAME, key, names
from outrig.core.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen
class ImageConfig:
    dockerfile: str | None = key(
        doc="Dockerfile to build",
        kind="path",
        trust="repo-inside",
        example='"images/dev/Dockerfile"',
    )
    context: str | None = key(
        doc="build context directory",
        kind="path",
        trust="repo-inside",
        example='"."',
        default_words="the Dockerfile's directory",
    )
    build_args: Mapping[str, str] = names(
        doc="build arguments; BASE names another configured image",
        kind="argument-table",
        trust="repo-no-references",
        example='{ VERSION = "3" }',
        pattern=VARIABLE_NAME,
        expects="a build argument's name: letters, digits and _",
    )
    image_name: str | None = key(
        doc="a ready image instead, pulled when it is missing",
        kind="string",
        trust="trusted",
        example='"debian:bookworm-slim"',
    )


@frozen
class AgentConfig:
    command: tuple[str, ...] = key(
        (),
        doc="argv of a run with a prompt; {prompt} is replaced",
        kind="argv",
        trust="repo",
        example='["claude", "-p", "{prompt}"]',
    )
    interactive: tuple[str, ...] = key(
        (), doc="argv without a prompt", kind="argv", trust="repo", example='["claude"]'
    )
    resume: tuple[str, ...] = key(
        (),
        doc="argv that goes on with the last conversation; {prompt} is replaced",
        kind="argv",
        trust="repo",
        example='["claude", "-p", "--continue", "{prompt}"]',
        default_words="a new conversation: command",
    )
    resume_interactive: tuple[str, ...] = key(
        (),
        doc="the same without a prompt",
        kind="argv",
        trust="repo",
        example='["claude", "--continue"]',
        default_words="a new conversation: interactive",
    )
    image: str | None = key(
        doc="image to use where the program is not in the host image",
        kind="string",
        trust="repo",
        example='"claude"',
    )
    env: Mapping[str, str] = names(
        doc='environment: "value", or "${VAR}" of the host',
        kind="environment",
        trust="repo-no-references",
        example='{ DISABLE_AUTOUPDATER = "1" }',
        pattern=VARIABLE_NAME,
        expects="a variable's name: letters, digits and _",
    )
    env_any_of: tuple[str, ...] = key(
        (),
        doc="host variables passed in when set; at least one must be",
        kind="strings",
        trust="trusted",
        pattern=VARIABLE_NAME,
        expects="an array of variables' names",
        example='["ANTHROPIC_API_KEY"]',
    )
    env_optional: tuple[str, ...] = key(
        (),
        doc="host variables passed in when set",
        kind="strings",
        trust="trusted",
        pattern=VARIABLE_NAME,
        expects="an array of variables' names",
        example='["ANTHROPIC_BASE_URL"]',
    )
    home: Mapping[str, str] = names(
        doc="files laid into HOME: path = text; {workspace} is replaced",
        kind="table",
        trust="repo",
        example='{ ".config/x" = "text" }',
        pattern=r"(?!.*(?:^|/)\.{0,2}(?:/|$))[^\0]+",
        expects="a path below HOME, without . or ..",
    )
    network: str | None = key(
        doc="network mode for this agent, where no flag says another",
        kind="choice",
        choices=NETWORKS,
        trust="narrower",
        example='"none"',
    )
    hosts: tuple[str, ...] = key(
        (),
        doc="network rules for what it cannot work without, allowed in mode filter",
        kind="strings",
        trust="trusted",
        example='["model.example.org:443"]',
    )


@frozen
class RunConfig:
    user: str = key(
        "caller",
        doc="caller, root, or UID[:GID]",
        kind="string",
        trust="trusted",
        flag="--user",
        pattern=r"caller|root|[0-9]{1,10}(:[0-9]{1,10})?",
        expects='"caller", "root" or "UID[:GID]"',
    )
    grace: float = key(
        10.0,
        doc="time between asking a session to end and killing it",
        kind="duration",
        trust="repo",
        zero=True,
    )
    detach_keys: str = key(
        "ctrl-p,ctrl-q",
        doc='let go of a session in a terminal without ending it; "" switches that off',
        kind="string",
        trust="repo",
        zero=True,
    )
    entrypoint: str | None = key(
        doc='replaces the image\'s ENTRYPOINT for commands; "" clears it',
        kind="string",
        trust="repo",
        example='""',
        default_words="the image's own",
        flag="--entrypoint",
        zero=True,
    )
