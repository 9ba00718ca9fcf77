"""Which files are found from where, in which order, and what of them is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from outrig.core.cascade import resolve
from outrig.core.layer import Source
from outrig.errors import ConfigError
from outrig.store import layers, places

NOWHERE = Path("/nonexistent/outrig.toml")
REPO = ".agents/outrig/config.toml"
LOCAL = ".agents/outrig/config.local.toml"


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def git(directory):
    write(directory / ".git/HEAD", "ref: refs/heads/main\n")
    return directory


@pytest.fixture
def project(home):
    """A git checkout below the home directory, with a directory inside."""
    top = git(home.path / "src/project")
    (top / "a/b").mkdir(parents=True)
    return top


@pytest.fixture
def read(home):
    def reading(cwd, **more):
        return layers.read(
            **{
                "env": home.variables(),
                "cwd": cwd,
                "home": home.path,
                "system": NOWHERE,
                **more,
            }
        )

    return reading


def resolved(found, home):
    return resolve(found.layers, home=str(home.path))


def sources(found):
    return [layer.source for layer in found.layers if layer.values]


# ---------------------------------------------------------------- order and origin


def test_all_sources_in_their_order(project, home, tmp_path, read):
    system = write(tmp_path / "etc/config.toml", "limits.pids = 600\nlimits.cpus = 9.0")
    write(home.config / "outrig/config.toml", "limits.pids = 500")
    write(project / REPO, "\nlimits.pids = 400")
    write(project / LOCAL, "limits.pids = 300")
    env = {**home.variables(), "OUTRIG_LIMITS__PIDS": "200"}
    found = read(project / "a/b", system=system, env=env)
    assert sources(found) == [
        Source.SYSTEM,
        Source.GLOBAL,
        Source.REPO,
        Source.LOCAL,
        Source.ENVIRONMENT,
    ]
    assert found.repo_root == project
    result = resolved(found, home)
    assert result.config.limits.pids == 200
    assert result.origin == {
        "limits.pids": "OUTRIG_LIMITS__PIDS",
        "limits.cpus": f"{system}:2",
    }


def test_without_files_there_are_only_defaults(project, home, read):
    found = read(project)
    assert sources(found) == []
    assert resolved(found, home).origin == {}
    assert found.repo_root is None
    assert [(file.source.name, file.state) for file in found.files] == [
        ("SYSTEM", "absent"),
        ("GLOBAL", "absent"),
        ("REPO", "absent"),
        ("LOCAL", "absent"),
    ]
    assert found.files[2].path == project / REPO


def test_messages_name_the_global_file_even_when_there_is_none(project, home, read):
    write(project / REPO, "session-root = 'x'")
    with pytest.raises(ConfigError) as caught:
        resolved(read(project), home)
    assert caught.value.message.startswith(f"{project / REPO}:1: session-root may not be set")
    assert str(home.config / "outrig/config.toml") in caught.value.message


# ---------------------------------------------------------------- the way up


def test_the_nearest_one_wins(project, home, read):
    write(project / REPO, "limits.pids = 1")
    write(project / "a" / REPO, "limits.pids = 2")
    found = read(project / "a/b")
    assert found.repo_root == project / "a"
    assert resolved(found, home).config.limits.pids == 2


def test_a_local_one_belongs_to_the_one_beside_it(project, read):
    write(project / REPO)
    write(project / "a" / LOCAL, "limits.pids = 2")
    found = read(project / "a/b")
    assert found.repo_root == project
    assert sources(found) == []


def test_a_local_one_alone_counts(project, read):
    write(project / LOCAL, "limits.pids = 2")
    found = read(project / "a/b")
    assert (found.repo_root, sources(found)) == (project, [Source.LOCAL])


def test_the_way_up_ends_at_the_git_top_level(project, read):
    write(project.parent / REPO, "limits.pids = 1")
    assert read(project / "a").repo_root is None
    git(project / "a")
    write(project / REPO, "limits.pids = 1")
    assert read(project / "a/b").repo_root is None
    assert read(project).repo_root == project


def test_an_empty_git_directory_is_no_top_level(project, read):
    (project / "a/.git").mkdir()
    write(project / REPO, "limits.pids = 1")
    assert read(project / "a/b").repo_root == project


def test_a_git_file_is_one(project, read):
    write(project / "a/.git", "gitdir: elsewhere")
    write(project / REPO, "limits.pids = 1")
    assert read(project / "a/b").repo_root is None


def test_without_git_it_ends_at_the_home_directory(home, read):
    mine = home.path / "mine"
    place = mine / "notes/deep"
    place.mkdir(parents=True)
    write(home.path / REPO)
    assert read(place, home=mine).repo_root is None
    write(mine / REPO)
    assert read(place, home=mine).repo_root == mine
    write(mine / "notes" / REPO)
    assert read(place, home=mine).repo_root == mine / "notes"


def test_outside_of_the_home_directory_it_goes_on(tmp_path, read):
    place = tmp_path / "x/y"
    place.mkdir(parents=True)
    write(tmp_path / REPO)
    assert read(place).repo_root == tmp_path


def test_it_ends_at_a_file_system_border(tmp_path, read, monkeypatch):
    place = tmp_path / "x/y"
    place.mkdir(parents=True)
    write(tmp_path / REPO)
    really = layers._device
    monkeypatch.setattr(layers, "_device", lambda path: -1 if path == tmp_path else really(path))
    assert read(place).repo_root is None


def test_a_linked_working_directory_is_resolved(project, home, read):
    write(project / REPO, "limits.pids = 1")
    (home.path / "link").symlink_to(project / "a")
    assert read(home.path / "link").repo_root == project


# ---------------------------------------------------------------- whose it is


@pytest.mark.skipif(os.getuid() == 0, reason="what belongs to root is obeyed; root has its own row")
def test_a_stranger_s_config_is_an_error_that_names_it(project, read):
    write(project / REPO, "limits.pids = 1")
    with pytest.raises(ConfigError, match=f"{REPO} belongs to uid {os.getuid()}"):
        read(project, uid=os.getuid() + 1)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize(
    ("uids", "good"),  # of the file, of the workspace, of the caller
    [
        ((1000, 1000, 1000), True),
        ((0, 1000, 1000), True),
        ((1001, 1000, 1000), False),
        ((1001, 1001, 1000), False),  # their repository, and I am not root
        ((1000, 1000, 0), True),  # root in somebody's repository
        ((0, 1000, 0), True),
        ((1001, 1000, 0), False),
        ((1000, 0, 0), False),
    ],
)
def test_who_may_own_it(project, read, uids, good):
    owner, workspace, caller = uids
    write(project / REPO, "limits.pids = 1")
    os.chown(project / REPO, owner, owner)
    os.chown(project, workspace, workspace)
    if good:
        assert read(project, uid=caller).repo_root == project
        return
    with pytest.raises(ConfigError, match=f"{REPO} belongs to uid {owner}, not to you"):
        read(project, uid=caller)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_naming_it_is_exempt_and_its_root_is_not_taken(project, home, read):
    write(project / "a" / REPO, "limits.pids = 1")
    os.chown(project / "a" / REPO, 1001, 1001)
    found = read(project / "a", uid=1000, config_file=Path(REPO))
    assert resolved(found, home).config.limits.pids == 1
    assert found.repo_root is None


@pytest.mark.parametrize("link", [".agents", ".agents/outrig", REPO])
def test_a_linked_config_is_refused(project, tmp_path, read, link):
    write(tmp_path / "away/.agents/outrig/config.toml", "limits.pids = 1")
    (project / link).parent.mkdir(parents=True, exist_ok=True)
    (project / link).symlink_to(tmp_path / "away" / link)
    with pytest.raises(ConfigError, match="symlink"):
        read(project)


# ---------------------------------------------------------------- named files


def test_a_named_config_replaces_the_repository_s_but_not_its_root(project, home, read):
    write(project / REPO, "broken")
    write(project / LOCAL, "broken")
    write(home.path / "mine.toml", "limits.pids = 7")
    found = read(project / "a", config_file=home.path / "mine.toml")
    assert resolved(found, home).config.limits.pids == 7
    assert found.repo_root == project
    assert [file.path for file in found.files if file.state == "read"] == [home.path / "mine.toml"]


def test_a_named_config_is_trusted_no_more_than_a_repository_s(project, home, read):
    write(home.path / "mine.toml", "run.user = 'root'")
    found = resolved(read(project, config_file=home.path / "mine.toml"), home)
    assert [one.key for one in found.left_out] == ["run.user"]
    assert found.config.run.user == "caller"


def test_what_a_named_config_s_paths_mean(project, home, read):
    """Relative to itself, confined to its checkout; one in the usual place as if it were found."""
    write(project / "ci/outrig.toml", "workspace.path = '../src'")
    found = resolved(read(home.path, config_file=project / "ci/outrig.toml"), home)
    assert found.config.workspace.path == str(project / "src")
    assert found.confined == {"workspace.path": str(project)}
    write(project / "a" / REPO, "workspace.path = 'src'")
    found = resolved(read(home.path, config_file=project / "a" / REPO), home)
    assert found.config.workspace.path == str(project / "a/src")
    assert found.confined == {"workspace.path": str(project / "a")}


@pytest.mark.parametrize("which", ["config_file", "global_config"])
def test_a_named_file_must_exist(project, read, which):
    with pytest.raises(ConfigError, match=rf"no such config file: {project}/nope\.toml"):
        read(project, **{which: Path("nope.toml")})


def test_a_named_global_config(project, home, read):
    write(home.config / "outrig/config.toml", "broken")
    write(project / "g.toml", "session-root = 's'")
    found = read(project, global_config=Path("g.toml"))
    assert resolved(found, home).config.session_root == str(project / "s")


def test_a_skipped_global_config_is_not_opened(project, home, read):
    write(home.config / "outrig/config.toml", "broken")
    found = read(project, skip_global=True)
    assert resolved(found, home).origin == {}
    assert found.files[1].state == "not opened"


# ---------------------------------------------------------------- what is not TOML


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"a = 1\nb = \n", ":2: not TOML: Invalid value"),
        (b"a = 1\nb = '\xff'\n", ":2: not UTF-8"),
        (b"a = " + b"[" * 20000, ": nested too deeply"),
        (b"a = 1\na = 2\n", ":2: not TOML: Cannot overwrite a value"),
        (b"a = 's3cr3t\n", ":1: not TOML: Expected"),
        (b"\na = ", ":2: not TOML: Invalid value"),
        (b"a = " + b"9" * 5000, ": not TOML: "),
    ],
)
def test_the_error_names_file_and_line(project, read, data, error):
    write(project / REPO).write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        read(project)
    assert caught.value.message.startswith(f"{project / REPO}{error}")
    assert "s3cr3t" not in caught.value.message


def test_the_conventional_places():
    assert str(places.SYSTEM_CONFIG) == "/etc/outrig/config.toml"
    assert (str(places.REPO_CONFIG), str(layers.LOCAL_CONFIG)) == (REPO, LOCAL)
