"""Frames that are changed, cut, moved or taken from elsewhere are never taken for what they say."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.log.encrypted_frames import (
    FRAME_EXTRA_BYTES,
    HEADER_BYTES,
    FrameCipher,
    frames,
    key_id_of,
    new_file,
    opened_file,
)
from meetcore.log.encryption_keys import MasterKeys, master_key
from meetcore.model.config import StoreConfig
from meetcore.model.errors import ConfigError, EncryptionKeyMissing, FileDamaged, StorageUnavailable

from .encrypted import key_file

CIPHER = FrameCipher(bytes(32))
PIECES = st.lists(st.binary(max_size=40), min_size=1, max_size=6)


def written(pieces: list[bytes], cipher: FrameCipher = CIPHER) -> list[bytes]:
    return [cipher.frame(number, piece) for number, piece in enumerate(pieces)]


def read(data: bytes) -> dict[int, bytes]:
    found = list(frames(CIPHER, data, 0))
    numbers = [frame.number for frame in found]
    assert numbers == sorted(set(numbers))
    return {frame.number: frame.content for frame in found}


def only_true(found: dict[int, bytes], pieces: list[bytes]) -> None:
    """Check that whatever was read is what was written under that number."""
    assert all(pieces[number] == content for number, content in found.items())


@given(PIECES)
def test_what_was_written_is_read(pieces: list[bytes]) -> None:
    made = written(pieces)
    assert read(b"".join(made)) == dict(enumerate(pieces))
    assert [len(each) for each in made] == [FRAME_EXTRA_BYTES + len(each) for each in pieces]


@given(PIECES, st.data())
def test_a_byte_that_is_not_as_it_was_costs_its_frame_and_no_other(
    pieces: list[bytes], data: st.DataObject
) -> None:
    made = written(pieces)
    whole = bytearray(b"".join(made))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    ends = [sum(map(len, made[: n + 1])) for n in range(len(made))]
    hit = next(number for number, end in enumerate(ends) if at < end)
    wanted = {number: piece for number, piece in enumerate(pieces) if number != hit}
    assert read(bytes(whole)) == wanted


@given(PIECES, st.data())
def test_cut_at_any_byte_what_is_whole_before_is_read(
    pieces: list[bytes], data: st.DataObject
) -> None:
    made = written(pieces)
    whole = b"".join(made)
    at = data.draw(st.integers(0, len(whole)))
    kept = sum(1 for n in range(len(made)) if sum(map(len, made[: n + 1])) <= at)
    assert read(whole[:at]) == dict(enumerate(pieces[:kept]))


@given(PIECES, st.data())
def test_frames_that_are_swapped_doubled_or_left_out_are_missing_and_never_wrong(
    pieces: list[bytes], data: st.DataObject
) -> None:
    made = written(pieces)
    order = data.draw(st.lists(st.integers(0, len(made) - 1), max_size=10))
    only_true(read(b"".join(made[number] for number in order)), pieces)


@given(PIECES, PIECES, st.binary(max_size=200))
def test_frames_of_another_file_and_what_is_none_are_not_read(
    pieces: list[bytes], others: list[bytes], rubbish: bytes
) -> None:
    made, strange = written(pieces), written(others, FrameCipher(bytes([1] * 32)))
    for mixed in (strange + made, made[:1] + strange + made[1:], [rubbish, *made], [rubbish]):
        only_true(read(b"".join(mixed)), pieces)
    assert read(b"".join(made[:1] + strange + made[1:])) == dict(enumerate(pieces))


def test_the_same_content_is_never_the_same_bytes() -> None:
    assert len({CIPHER.frame(0, b"hello") for _ in range(50)}) == 50


# --- headers -------------------------------------------------------------------------------------


@pytest.fixture
def keys(tmp_path: Path) -> MasterKeys:
    return MasterKeys.of(key_file(tmp_path / "key"))


def test_the_key_of_a_file_is_found_by_its_number(keys: MasterKeys, tmp_path: Path) -> None:
    header, cipher = new_file(keys, b"this")
    assert len(header) == HEADER_BYTES
    assert key_id_of(header) == keys.current.key_id
    frame = opened_file(keys, header, b"this", "It").read(cipher.frame(7, b"hello"))
    assert frame is not None
    assert (frame.number, frame.content) == (7, b"hello")
    newer = MasterKeys.of(key_file(tmp_path / "new", bytes(32)), [f"file:{tmp_path / 'key'}"])
    assert opened_file(newer, header, b"this", "It").read(cipher.frame(7, b"hello")) == frame


def test_another_key_is_said_by_where_it_is_and_never_what(
    keys: MasterKeys, tmp_path: Path
) -> None:
    header, _ = new_file(keys, b"this")
    other = MasterKeys.of(key_file(tmp_path / "other", bytes(32)))
    with pytest.raises(EncryptionKeyMissing) as caught:
        opened_file(other, header, b"this", "The log of the bot b-1")
    told = str(caught.value)
    assert "The log of the bot b-1" in told
    assert f"file:{tmp_path / 'other'}" in told
    assert keys.current.key_id.hex() in told
    for key in (bytes(32), bytes(range(32))):
        assert key.hex() not in told + repr(other)
        assert base64.b64encode(key).decode() not in told + repr(other)


@given(at=st.integers(0, HEADER_BYTES - 1), bits=st.integers(1, 255))
def test_a_header_that_is_not_as_it_was_opens_nothing(at: int, bits: int) -> None:
    key = master_key("env:KEY_OF_A_TEST")
    header = bytearray(new_file(MasterKeys(key), b"this")[0])
    header[at] ^= bits
    with pytest.raises(StorageUnavailable):
        opened_file(MasterKeys(key), bytes(header), b"this", "It")


@pytest.fixture(autouse=True, scope="module")
def variable() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEY_OF_A_TEST", bytes(range(1, 33)).hex())
        yield


def test_a_header_is_that_of_one_file_alone(keys: MasterKeys) -> None:
    header, _ = new_file(keys, b"file\0b-1")
    for about in (b"file\0b-2", b"log\0b-1", b""):
        with pytest.raises(FileDamaged):
            opened_file(keys, header, about, "It")
    for cut in (0, 8, HEADER_BYTES - 1):
        with pytest.raises(FileDamaged):
            opened_file(keys, header[:cut], b"file\0b-1", "It")


# --- where keys are ------------------------------------------------------------------------------


def test_a_key_may_be_written_in_two_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = bytes(range(32))
    monkeypatch.setenv("A_KEY", f"  {key.hex().upper()}\n")
    spelled = [
        key_file(tmp_path / "a"), f"file://{tmp_path / 'a'}", "env:A_KEY",
    ]  # fmt: skip
    assert len({master_key(each).key_id for each in spelled}) == 1
    assert len({master_key(each).file_name("b-1", "mix.opus") for each in spelled}) == 1
    one = master_key("env:A_KEY")
    names = {one.file_name(b, n) for b in ("b-1", "b-2") for n in ("mix.opus", "x")}
    assert len(names) == 4
    assert repr(one) == "MasterKey('env:A_KEY')"


@pytest.mark.parametrize("text", ["", "secret", "c2hvcnQ=", "é" * 40, "00" * 31, "=" * 44])
def test_what_is_no_key_is_refused_and_not_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(ConfigError, match="openssl rand") as caught:
        master_key(f"file:{tmp_path / 'key'}")
    assert not text or text not in str(caught.value)


def test_a_key_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        master_key(f"file:{tmp_path / 'none'}")
    with pytest.raises(ConfigError, match="NO_SUCH_KEY is not set"):
        master_key("env:NO_SUCH_KEY")


@pytest.mark.parametrize("written", ["0123abcd" * 8, "file:", "env: ", "key:x", "/run/key"])
def test_a_key_is_never_written_into_the_configuration(written: str) -> None:
    with pytest.raises(ConfigError, match="file:/run/secrets") as caught:
        StoreConfig(encrypt=written)
    assert written == "file:" or written not in str(caught.value)
    with pytest.raises(ConfigError):
        StoreConfig(encrypt="env:A", decrypt=(written,))


def test_older_keys_are_nothing_without_a_current_one() -> None:
    with pytest.raises(ConfigError, match="no current one"):
        StoreConfig(decrypt=("env:A",))
