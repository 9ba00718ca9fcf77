from __future__ import annotations

import pytest

from outrig.core.reference import reference, resolve
from outrig.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "variable"),
    [
        ("${TOKEN}", "TOKEN"),
        ("${_a1}", "_a1"),
        ("$TOKEN", None),
        ("x${TOKEN}", None),
        ("${TOKEN} ", None),
        ("${TOKEN}\n", None),
        ("${}", None),
        ("${1A}", None),
        ("${A-b}", None),
        ("", None),
    ],
)
def test_only_a_whole_value_is_a_reference(value, variable):
    assert reference(value) == variable


def test_references_are_replaced_and_the_rest_is_kept():
    values = {"A": "${HOST}", "B": "plain", "C": "${EMPTY}"}
    found = resolve(values, {"HOST": "here", "EMPTY": ""}, "env")
    assert found == {"A": "here", "B": "plain", "C": ""}


def test_an_unset_variable_is_an_error_that_names_key_and_variable():
    with pytest.raises(ConfigError) as caught:
        resolve({"A": "${NOPE}"}, {}, "agents.claude.env")
    assert "agents.claude.env.A" in caught.value.message
    assert "${NOPE}" in caught.value.message
