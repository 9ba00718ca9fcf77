"""The keys of what a session works on: [workspace], its mounts, and [git] for what comes of it."""

from __future__ import annotations

from outrig.core.field import key
from outrig.core.frozen import frozen, given
from outrig.core.workspace import GITS, MODES, PROTECTED


@frozen
class MountConfig:
    host: str = key(
        "",
        doc="path on this machine",
        kind="path",
        trust="repo-inside",
        flag="--volume",
        example='"data"',
    )
    container: str = key(
        "",
        doc="absolute path in the container",
        kind="string",
        trust="repo",
        example='"/data"',
        pattern=r"/.+",
        expects="an absolute path in the container",
    )
    mode: str = key("ro", doc="ro or rw", kind="choice", choices=("ro", "rw"), trust="repo")


@frozen
class WorkspaceConfig:
    path: str | None = key(
        doc="the directory the session works in",
        kind="path",
        trust="repo-inside",
        example='"."',
        default_words="the git top level, else the repo config's root, else the working directory",
    )
    target: str = key(
        "/workspace",
        doc="where it appears in the container",
        kind="string",
        trust="repo",
        pattern=r"/.+",
        expects="an absolute path in the container",
    )
    mode: str = key(
        "bind",
        doc="what the session works on: your tree, or one of its own",
        kind="choice",
        choices=MODES,
        trust="narrower",
        flag="--workspace",
    )
    git: str = key(
        "shadow",
        doc="in the bind modes: a .git of the session's own, yours read-only, or yours",
        kind="choice",
        choices=GITS,
        trust="narrower",
    )
    include: tuple[str, ...] = key(
        (),
        doc="ignored files that come along into a worktree, as in .gitignore; also .outriginclude",
        kind="strings",
        trust="repo",
        example='["node_modules/", ".env.test"]',
    )
    exclude: tuple[str, ...] = key(
        (),
        doc="files that no session sees, as in .gitignore",
        kind="strings",
        trust="adds",
        example='["secrets/", "*.pem"]',
    )
    protect: tuple[str, ...] = key(
        PROTECTED,
        doc="paths that are read-only in the session where they exist",
        kind="strings",
        trust="adds",
        pattern=r"(?!.*(?:^|/)\.{0,2}(?:/|$))[^\0]+",
        expects="an array of paths below the workspace, without . or ..",
    )
    checkpoint: float | None = key(
        doc="record the tree this often while the session runs",
        kind="duration",
        trust="repo",
        example='"5m"',
        default_words="at its start and end only",
        flag="--checkpoint",
    )
    mounts: tuple[MountConfig, ...] = given(
        default=(),
        metadata={
            "doc": "further mounts; all layers' entries concatenate",
            "shape": "list",
            "entry": MountConfig,
        },
    )


@frozen
class GitConfig:
    author: str | None = key(
        doc="who commits what a session left uncommitted, merges and squashes",
        kind="string",
        trust="trusted",
        example='"Ada Lovelace"',
        default_words="GIT_AUTHOR_NAME, or user.name of your own git",
    )
    email: str | None = key(
        doc="the address of that author",
        kind="string",
        trust="trusted",
        example='"ada@example.org"',
        default_words="GIT_AUTHOR_EMAIL, or user.email of your own git",
    )
    sign: str = key(
        "never",
        doc="sign these commits as your own git is set up to: never or always",
        kind="choice",
        choices=("never", "always"),
        trust="trusted",
    )
