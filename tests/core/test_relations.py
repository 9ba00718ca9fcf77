from __future__ import annotations

import pytest

from outrig.core.relations import Work, is_project, project_name, relations
from outrig.core.session import Session
from outrig.errors import UsageError


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({}, "main"),
        ({"kind": "cron"}, "cron"),
        ({"parent": "20260501T120000-0000"}, "subagent"),
        ({"parent": "20260501T120000-0000", "kind": "main"}, "main"),
    ],
)
def test_the_kind(given, kind):
    assert relations(**given).kind == kind


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"kind": "robot"}, "--kind"),
        ({"group": ""}, "--group"),
        ({"group": "a\nb"}, "--group"),
        ({"issue": " "}, "--issue"),
        ({"issue": "\x1b[2J"}, "--issue"),
        ({"issue": "x" * 201}, "--issue"),
    ],
)
def test_what_cannot_be_kept(given, named):
    with pytest.raises(UsageError, match=named):
        relations(**given)


@pytest.mark.parametrize(
    ("project", "name"),
    [
        ("/home/ada/code/.git", "code"),
        ("/srv/git/code.git", "code"),
        ("/home/ada/plain", "plain"),
        ("/", "/"),
    ],
)
def test_what_people_call_a_project(project, name):
    assert project_name(project) == name
    assert is_project(project, name)
    assert is_project(project, project)


def test_a_project_by_its_directory():
    assert is_project("/home/ada/code/.git", "/home/ada/code")
    assert not is_project("/home/ada/code/.git", "/home/ada")
    assert not is_project("/home/ada/code/.git", "cod")
    assert not is_project("", "")


def test_the_same_work_is_the_same_issue_of_the_same_project():
    work = Work(issue="#1", project="/code/.git")
    assert work.is_of(Session({"issue": "#1", "project": "/code/.git"}))
    assert not work.is_of(Session({"issue": "#12", "project": "/code/.git"}))
    assert not work.is_of(Session({"issue": "#1", "project": "/b"}))
