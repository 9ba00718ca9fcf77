"""A git config as data, against what git itself reads; and what of it is harmless."""

from __future__ import annotations

import subprocess

import pytest

from outrig.core import gitconfig

TEXT = """\
\ufeff# a comment
[core]
\tfileMode = true ; behind
\tautocrlf=input
\tBare
  editor = "vi # not a comment" # but this is
[remote "ori\\"gin"]
\turl = https://ada:secret@example.org/x.git
\tfetch = +refs/heads/*:refs/remotes/origin/* \\
 more
[branch.Main]
\tremote = a\\tb
[alias] x = !sh -c 'y'
[core]
\tfilemode = false
"""


def test_it_reads_what_git_reads(tmp_path):
    file = tmp_path / "config"
    file.write_text(TEXT)
    argv = ["git", "config", "-z", "--file", file, "--list"]
    said = subprocess.run(argv, capture_output=True, check=True, text=True).stdout
    theirs = [tuple(one.partition("\n")[::2]) for one in said.split("\0") if one]
    ours = [(gitconfig.dotted(entry), entry[3] or "") for entry in gitconfig.parse(TEXT)]
    assert ours == theirs


def test_what_is_written_reads_back(tmp_path):
    entries = [
        ("core", None, "eol", 'a "b" \\ c\t;#'),
        ("remote", 'x"y\\z', "fetch", " padded "),
        ("core", None, "bare", None),
    ]
    assert gitconfig.parse(gitconfig.text(entries)) == entries
    (tmp_path / "config").write_text(gitconfig.text(entries))
    argv = ["git", "config", "--file", tmp_path / "config", "core.eol"]
    said = subprocess.run(argv, capture_output=True, check=True, text=True).stdout
    assert said == 'a "b" \\ c\t;#\n'


@pytest.mark.parametrize("text", ["[", "[core", "[core]\n=x", "\0", "x = y", '[a "b]\nx=y'])
def test_what_is_no_config_says_nothing(text):
    assert gitconfig.parse(text) == []


PROGRAMS = [
    "core.fsmonitor=/x",
    "core.hooksPath=/x",
    "core.sshCommand=x",
    "core.pager=x",
    "core.editor=x",
    "core.gitProxy=x",
    "core.askPass=x",
    "include.path=/x",
    "includeIf.gitdir:/.path=/x",
    "alias.st=!x",
    "filter.lfs.clean=x",
    "filter.lfs.smudge=x",
    "filter.lfs.process=x",
    "diff.external=x",
    "diff.p.textconv=x",
    "diff.p.command=x",
    "merge.m.driver=x",
    "gpg.program=x",
    "gpg.ssh.program=x",
    "credential.helper=!x",
    "credential.https://h.helper=x",
    "sequence.editor=x",
    "remote.o.uploadpack=x",
    "remote.o.vcs=x",
    "uploadpack.packObjectsHook=x",
    "submodule.s.update=!x",
    "pager.log=x",
    "difftool.d.cmd=x",
    "trailer.t.command=x",
    "interactive.diffFilter=x",
    "protocol.ext.allow=always",
]
PLAIN = [
    "core.filemode=true",
    "core.fsmonitor=false",
    "core.autocrlf=input",
    "remote.o.fetch=+refs/heads/*:refs/remotes/o/*",
    "branch.main.remote=o",
    "extensions.objectformat=sha256",
]


def entry(text: str) -> gitconfig.Entry:
    key, _, value = text.partition("=")
    section, _, rest = key.partition(".")
    subsection, dot, name = rest.rpartition(".")
    return section.lower(), subsection if dot else None, name.lower(), value


@pytest.mark.parametrize("text", PROGRAMS)
def test_a_key_that_runs_programs_stays_behind(text):
    assert gitconfig.runs_programs(entry(text))
    assert gitconfig.harmless([entry(text)]) == []


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_key(text):
    assert not gitconfig.runs_programs(entry(text))


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://ada:secret@example.org/x.git", "https://example.org/x.git"),
        ("https://token@example.org/x?key=1#y", "https://example.org/x"),
        ("ssh://git:secret@example.org/x", "ssh://git@example.org/x"),
        ("git@example.org:x/y.git", "git@example.org:x/y.git"),
        ("ext::sh -c x", None),
        ("/home/ada/x", None),
        ("../x", None),
        ("file:///home/ada/x", None),
        ("-upload-pack=x:y", None),
        ("https://example.org/\x1b[m", None),
    ],
)
def test_an_address_without_its_secrets(url, public):
    assert gitconfig.public_url(url) == public


def test_no_entry_has_a_nul():
    assert gitconfig.parse("[core]\n\tworktree = a\0b\n")[0][3] == "ab"
