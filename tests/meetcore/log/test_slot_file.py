"""A value in a file of two slots, whole, torn and damaged."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meetcore import SlotFile

VALUES = st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=40)


@pytest.mark.parametrize("value", ["", " ", "7", "two words ", "日本語"])
def test_what_was_saved_is_read_again(tmp_path, value):
    SlotFile(tmp_path / "value", 256).save(value)
    assert SlotFile(tmp_path / "value", 256).value == value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(VALUES, VALUES, st.integers(0, 255), st.binary(min_size=1, max_size=64))
def test_whatever_is_written_over_the_newest_slot_the_one_before_stays(
    tmp_path, older, newer, at, rubbish
):
    path = tmp_path / "value"
    path.unlink(missing_ok=True)
    file = SlotFile(path, 256)
    file.save(older)
    file.save(newer)
    data = bytearray(path.read_bytes())
    fitting = rubbish[: 256 - at]
    data[at : at + len(fitting)] = fitting
    path.write_bytes(data)
    assert SlotFile(path, 256).value in (older, newer)
    path.write_bytes(bytes(256) + data[256:])
    assert SlotFile(path, 256).value == older


@given(st.binary(max_size=600))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_rubbish_is_no_value(tmp_path, data):
    (tmp_path / "value").write_bytes(data)
    assert SlotFile(tmp_path / "value", 64).value is None


def test_what_does_not_fit_is_refused_and_the_value_stays(tmp_path):
    file = SlotFile(tmp_path / "value", 64)
    file.save("short")
    for wrong in ("x" * 60, "two\nlines"):
        with pytest.raises(ValueError, match="does not fit"):
            file.save(wrong)
    assert SlotFile(tmp_path / "value", 64).value == "short"
