"""Every script of `make bench` can be run, which nobody does every day."""

from __future__ import annotations

from importlib import import_module

import pytest

from benchmarks.__main__ import SCRIPTS


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_has_something_to_measure_and_says_what(name):
    script = import_module(f"benchmarks.{name}")
    assert callable(script.measure)
    assert script.__doc__
