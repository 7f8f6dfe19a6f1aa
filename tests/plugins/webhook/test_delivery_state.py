"""The state file, whole, torn and damaged."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meetcore_webhook.delivery_state import STATE_NAME, DeliveryState, StateFile

STATES = st.builds(
    DeliveryState,
    delivered_up_to=st.integers(0, 10**12),
    attempts=st.integers(0, 10**6),
    next_try_at=st.none() | st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)),
    gone=st.booleans(),
)
IN_A_FOLDER = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=60,
)


@IN_A_FOLDER
@given(st.lists(STATES, min_size=1, max_size=6))
def test_the_last_state_saved_is_the_one_that_is_read(
    tmp_path: Path, states: list[DeliveryState]
) -> None:
    file = StateFile(tmp_path)
    for state in states:
        file.save(state)
    assert StateFile(tmp_path).state == states[-1]
    assert (tmp_path / STATE_NAME).stat().st_size <= 512


@IN_A_FOLDER
@given(older=STATES, newer=STATES, at=st.integers(0, 255), byte=st.integers(0, 255))
def test_damage_to_the_newest_state_leaves_the_one_before(
    tmp_path: Path, older: DeliveryState, newer: DeliveryState, at: int, byte: int
) -> None:
    (tmp_path / STATE_NAME).unlink(missing_ok=True)
    file = StateFile(tmp_path)
    file.save(older)
    file.save(newer)
    path = tmp_path / STATE_NAME
    data = bytearray(path.read_bytes())
    damaged = data[at] != byte and not bytes([data[at], byte]).isspace()
    data[at] = byte
    path.write_bytes(bytes(data))
    assert StateFile(tmp_path).state in ((older, newer) if damaged else (newer,))
    path.write_bytes(bytes(256) + bytes(data[256:]))
    assert StateFile(tmp_path).state == older


@IN_A_FOLDER
@given(st.binary(max_size=600))
def test_any_bytes_are_a_fresh_state(tmp_path: Path, data: bytes) -> None:
    (tmp_path / STATE_NAME).write_bytes(data)
    assert StateFile(tmp_path).state == DeliveryState()


def test_a_folder_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        StateFile(tmp_path / "missing").save(DeliveryState())
