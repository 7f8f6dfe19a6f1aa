"""A clip is that stretch of the recording, to the sound's edges, with what was said in it."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from meetcore import NameSource, Segment, Word
from meetcore_files.audio_file import audio_file_class
from meetcore_files.clip import CLIP_FORMATS, ClipRefused, cut, heard_between, seconds_of
from meetcore_files.clip_command import clip_command
from meetcore_files.completion import write_transcripts
from meetcore_files.manifest import Manifest, ManifestEntry

RATE = 16_000


def tone(hz: int, seconds: float) -> np.ndarray:
    at = np.arange(round(seconds * RATE)) / RATE
    return (8000 * np.sin(2 * np.pi * hz * at)).astype(np.int16)


def recording(path: Path, seconds: int = 12, *, closed: bool = True) -> Path:
    """Write a recording whose second n has a tone of 400 + 100 n Hz."""
    file = audio_file_class(path.suffix[1:])(path, 24)
    for second in range(seconds):
        file.write(tone(400 + 100 * second, 1.0))
    if closed:
        file.close()
    return path


def decoded(path: Path) -> tuple[np.ndarray, int]:
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        frames = [f for each in container.decode(audio=0) for f in resampler.resample(each)]
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]), rate


def loudest_hz(sound: np.ndarray, rate: int, start_s: float, end_s: float) -> float:
    part = sound[round(start_s * rate) : round(end_s * rate)].astype(float)
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
    return float(np.argmax(spectrum)) * rate / len(part)


@pytest.mark.parametrize("source", [".opus", ".flac"])
@pytest.mark.parametrize("ending", CLIP_FORMATS)
def test_a_clip_begins_and_ends_where_it_was_asked_to(
    tmp_path: Path, source: str, ending: str
) -> None:
    made = tmp_path / f"clip{ending}"
    length_s = cut(recording(tmp_path / f"mix{source}"), made, 2.5, 5.25)
    sound, rate = decoded(made)
    assert length_s == pytest.approx(2.75, abs=0.001)
    assert len(sound) / rate == pytest.approx(2.75, abs=0.15)  # players cut off an encoder's ends
    for begin, end, hz in ((0.05, 0.4, 600), (0.6, 1.4, 700), (1.6, 2.4, 800), (2.6, 2.74, 900)):
        assert loudest_hz(sound, rate, begin, end) == pytest.approx(hz, abs=10)
    if ending in (".wav", ".flac") and source == ".flac":
        assert np.array_equal(sound[RATE // 2 : RATE // 2 + 100], tone(700, 1.0)[:100])


def test_what_the_recording_does_not_have_is_left_out(tmp_path: Path) -> None:
    source = recording(tmp_path / "mix.flac", 3)
    assert cut(source, tmp_path / "clip.wav", 2.0, 60.0) == pytest.approx(1.0, abs=0.001)
    with pytest.raises(ClipRefused, match="nothing from 40 s on"):
        cut(source, tmp_path / "none.wav", 40.0, 50.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.wav", "mix.flac"]


def test_a_recording_that_is_being_written_is_clipped_up_to_now(tmp_path: Path) -> None:
    source = recording(tmp_path / "mix.opus", 8, closed=False)
    assert cut(source, tmp_path / "clip.wav", 1.0, 5.0) == pytest.approx(4.0, abs=0.001)


@pytest.mark.parametrize(
    ("name", "start_s", "end_s", "said"),
    [
        ("clip.ogv", 0, 1, "cannot be .ogv"),
        ("clip", 0, 1, "without an ending"),
        ("clip.wav", 2, 2, "ends after it begins"),
        ("clip.wav", -1, 2, "ends after it begins"),
    ],
)
def test_a_clip_that_cannot_be_is_refused(
    tmp_path: Path, name: str, start_s: float, end_s: float, said: str
) -> None:
    with pytest.raises(ClipRefused, match=said):
        cut(recording(tmp_path / "mix.opus", 3), tmp_path / name, start_s, end_s)


def test_a_file_without_sound_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.opus"
    text.write_text("no sound at all")
    with pytest.raises(ClipRefused, match="cannot be read"):
        cut(text, tmp_path / "clip.wav", 0, 1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90.5", 90.5), ("1:30", 90), ("01:02:03.25", 3723.25), (" 5s ", 5), ("0", 0)],
)
def test_times_are_written_in_many_ways(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "1:2:3:4", "-5", "1,5", "1:-2", "1:75", "1:60:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ClipRefused, match="is no time"):
        seconds_of(text)


def said(number: int, start_s: float, text: str, *, words: bool = True) -> Segment:
    listed = text.split()
    return Segment(
        id=f"s{number}",
        revision=1,
        finalized=True,
        track_id="t1",
        participant_id="ada",
        speaker_name="Ada",
        speaker_source=NameSource.TRACK,
        speaker_confidence=1.0,
        text=text,
        words=tuple(
            Word(word, start_s + n, start_s + n + 0.9) for n, word in enumerate(listed) if words
        ),
        start_s=start_s,
        end_s=start_s + len(listed),
    )


def test_what_was_said_over_an_edge_keeps_the_words_that_begin_inside() -> None:
    segments = [
        said(1, 0, "one two three"),
        said(2, 3, "four five"),
        said(3, 8, "nine", words=False),
    ]
    first, second = heard_between(segments, 1.5, 4.5)
    assert (first.text, first.start_s, first.words[0].start_s) == ("three", 0.5, 0.5)
    assert (second.text, second.start_s, second.end_s) == ("four five", 1.5, 3.0)
    assert heard_between(segments, 8, 9)[0].text == "nine"
    assert heard_between(segments, 8.6, 9) == []


@given(
    starts=st.lists(st.floats(0, 50), max_size=6),
    edges=st.tuples(st.floats(0, 50), st.floats(0, 50)).map(sorted),
)
def test_nothing_of_a_clip_lies_outside_of_it(starts: list[float], edges: list[float]) -> None:
    begin, end = edges
    segments = [said(n, at, "one two three four") for n, at in enumerate(starts)]
    for each in heard_between(segments, begin, end):
        assert 0 <= each.start_s <= each.end_s <= end - begin + 1e-9
        assert all(0 <= word.start_s <= word.end_s <= end - begin + 1e-9 for word in each.words)


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    files = tmp_path / "bot" / "files"
    files.mkdir(parents=True)
    entries = [
        ManifestEntry(path="mix.opus", kind="audio.mix", media_type="audio/ogg"),
        ManifestEntry(path="track-t1-ada.opus", kind="audio.track", media_type="audio/ogg",
                      track_id="t1", speaker_name="Ada"),
    ]  # fmt: skip
    for entry in entries:
        recording(files / entry.path)
    written = write_transcripts(files, [said(1, 1, "one two"), said(2, 6, "seven")], {}, ("json",))
    Manifest(bot_id="b", complete=True, files=[*entries, *written]).write(files)
    return files.parent


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(clip_command, [str(each) for each in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_writes_a_clip_beside_the_recording_and_what_was_said(bot: Path) -> None:
    code, out, err = run(bot, "--from", "0:01", "--to", 4, "--transcript", "json",
                         "--transcript", "txt")  # fmt: skip
    assert code == 0, err
    files = bot / "files"
    names = ["mix-000001-000004.m4a", "mix-000001-000004.json", "mix-000001-000004.txt"]
    assert out.splitlines() == [str(files / name) for name in names]
    told = json.loads((files / names[1]).read_bytes())
    assert told["clip"] == {"start_s": 1.0, "end_s": 4.0}
    assert [each["text"] for each in told["segments"]] == ["one two"]
    assert told["segments"][0]["start_s"] == 0.0
    assert "one two" in (files / names[2]).read_text()
    assert oct((files / names[0]).stat().st_mode & 0o777) == "0o600"


def test_without_times_it_is_the_whole_recording_in_another_format(bot: Path) -> None:
    code, out, err = run(bot)
    assert code == 0, err
    whole = bot / "files" / "mix.m4a"
    assert out.splitlines() == [str(whole)]
    sound, rate = decoded(whole)
    assert len(sound) / rate == pytest.approx(12, abs=0.15)
    code, out, err = run(bot, "--from", 10, "--out", bot / "end.mp3")
    assert code == 0, err
    sound, rate = decoded(bot / "end.mp3")
    assert len(sound) / rate == pytest.approx(2, abs=0.15)


def test_a_stretch_that_there_cannot_be_is_refused_before_anything_is_shown(bot: Path) -> None:
    code, out, err = run(bot, "--from", "0:10", "--to", "0:05")
    assert (code, out) == (1, "")
    assert err.startswith("Error: A clip ends after it begins.")
    code, out, err = run(bot, "--out", bot / "clip.avi")
    assert (code, out) == (1, "")
    assert err.startswith("Error: A clip cannot be .avi.")


@pytest.mark.parametrize("ending", CLIP_FORMATS)
def test_a_clip_has_the_recordings_tags(tmp_path: Path, ending: str) -> None:
    file = audio_file_class("opus")(
        tmp_path / "ada.opus", 24, {"artist": "Ada", "album": "A meeting", "title": "Her part"}
    )
    file.write(tone(440, 3))
    file.close()
    made = tmp_path / f"clip{ending}"
    cut(tmp_path / "ada.opus", made, 1, 2)
    with av.open(str(made)) as clip:
        found = {**clip.metadata, **clip.streams.audio[0].metadata}
    tags = {name.lower(): value for name, value in found.items()}
    assert (tags["artist"], tags["album"], tags["title"]) == ("Ada", "A meeting", "Her part")


def test_one_persons_sound_is_clipped_by_name_or_track(bot: Path, tmp_path: Path) -> None:
    for track in ("Ada", "t1"):
        made = tmp_path / f"{track}.wav"
        assert run(bot, "--from", 1, "--to", 2, "--track", track, "--out", made)[0] == 0
        assert made.is_file()
    code, _, err = run(bot, "--from", 1, "--to", 2, "--track", "Ben")
    assert code == 1
    assert "has no track of 'Ben'" in err
    assert "t1 (Ada)" in err


def test_nothing_that_is_there_is_written_over(bot: Path) -> None:
    mix = bot / "files" / "mix.opus"
    before = mix.read_bytes()
    for where in (bot, mix):
        code, _, err = run(where, "--from", 1, "--to", 2, "--out", mix)
        assert (code, "is there already" in err) == (1, True)
    assert mix.read_bytes() == before
    code, _, err = run(bot, "--from", 1, "--to", 2, "--out", bot / "nowhere" / "x.mp3")
    assert (code, "no folder" in err) == (1, True)
    assert err.startswith("Error: ")
    code, _, err = run(mix, "--from", 1, "--to", 2, "--track", "Ada")
    assert (code, "one file" in err) == (1, True)
    assert run(mix, "--from", 1, "--to", 2, "--transcript", "txt")[0] == 1
    assert not list((bot / "files").glob("*.m4a"))


def test_a_folder_without_a_recording_is_said_to_be_one(tmp_path: Path) -> None:
    code, _, err = run(tmp_path, "--from", 1, "--to", 2)
    assert (code, "has no recording" in err) == (1, True)
