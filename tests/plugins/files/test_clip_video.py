"""A clip of the video is the stretch that was asked for, its sound together with its picture."""

from __future__ import annotations

from math import inf
from pathlib import Path

import av
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from meetcore.model import Chapter
from meetcore_files.chapter_marks import chapters_in
from meetcore_files.clip import ClipRefused, cut
from meetcore_files.clip_command import clip_command
from meetcore_files.manifest import Manifest, ManifestEntry
from meetcore_files.video_file import VideoFile, finish_video
from tests.moving_pictures import FRAMES_PER_S
from tests.plugins.files.test_clip import recording
from tests.plugins.files.test_video_file import flashes_and_clicks, write

LENGTH_S = 20.0


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video with a flash and a click at 0.5 s, and every two seconds from there."""
    path = tmp_path_factory.mktemp("video") / "video.mp4"
    file = VideoFile(path, {"title": "Standup"})
    for _ in write(file, LENGTH_S):
        continue
    file.close()
    finish_video(path)
    return path


def pictures_in(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.time or 0) for frame in container.decode(video=0)]


@pytest.mark.parametrize("start_s", [0.0, 4.0, 5.2, 7.9])
def test_flash_and_click_are_where_they_were(video: Path, start_s: float, tmp_path: Path) -> None:
    made = tmp_path / "clip.mp4"
    end_s = start_s + 6.0
    assert cut(video, made, start_s, end_s) == pytest.approx(6.0, abs=0.11)
    expected = [each - start_s for each in (0.5 + 2 * n for n in range(10))]
    expected = [each for each in expected if 0 <= each < 6.0]
    flashes, clicks = flashes_and_clicks(made)
    assert flashes == pytest.approx(expected, abs=0.06)
    assert clicks == pytest.approx(expected, abs=0.06)
    with av.open(str(made)) as container:
        assert container.metadata["title"] == "Standup"
        assert container.duration / 1e6 == pytest.approx(6.0, abs=0.15)


CHAPTERS = (
    Chapter(start_s=0.0, end_s=6.0, title="Greeting"),
    Chapter(start_s=6.0, end_s=9.5, title="Budget"),
    Chapter(start_s=9.5, end_s=LENGTH_S, title="Outlook"),
)


@pytest.mark.parametrize("ending", [".mp4", ".m4a", ".mp3", ".opus"])
def test_a_clip_has_the_chapters_of_its_stretch(tmp_path: Path, ending: str) -> None:
    whole = tmp_path / "video.mp4"
    file = VideoFile(whole, {})
    for _ in write(file, LENGTH_S):
        continue
    file.close()
    finish_video(whole, CHAPTERS)
    for start_s, end_s, wanted in (
        (0.0, inf, [(0.0, "Greeting"), (6.0, "Budget"), (9.5, "Outlook")]),
        (7.0, 12.0, [(0.0, "Budget"), (2.5, "Outlook")]),
        (6.5, 9.0, [(0.0, "Budget")]),
    ):
        made = tmp_path / f"clip-{start_s:g}{ending}"
        cut(whole, made, start_s, end_s)
        with av.open(str(made)) as container:
            found = [(each.start_s, each.title) for each in chapters_in(container)]
        assert found == [(pytest.approx(at_s, abs=0.01), title) for at_s, title in wanted]


@settings(max_examples=12, deadline=None)
@given(start_s=st.floats(0.0, LENGTH_S - 0.2), length_s=st.floats(0.2, LENGTH_S))
def test_any_stretch_has_its_pictures_and_begins_at_once(
    video: Path, tmp_path_factory: pytest.TempPathFactory, start_s: float, length_s: float
) -> None:
    made = tmp_path_factory.mktemp("clip") / "clip.mp4"
    cut(video, made, start_s, start_s + length_s)
    seen = pictures_in(made)
    expected_s = min(length_s, LENGTH_S - start_s)
    assert abs(len(seen) - expected_s * FRAMES_PER_S) <= 1.5
    assert seen[0] <= 1 / FRAMES_PER_S


def test_a_video_that_grows_is_clipped_up_to_now(tmp_path: Path) -> None:
    path, made = tmp_path / "video.mp4", tmp_path / "clip.mp4"
    file = VideoFile(path)
    for at_s in write(file, 12.0):
        if at_s == pytest.approx(10.0):
            assert cut(path, made, 3.0, inf) > 4.0
            assert len(pictures_in(made)) > 4 * FRAMES_PER_S
    file.close()


def test_the_command_finds_a_bots_video(video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bot" / "files"
    folder.mkdir(parents=True)
    (folder / "video.mp4").write_bytes(video.read_bytes())
    recording(folder / "mix.opus", 3)
    kinds = (("audio.mix", "mix.opus", "audio/ogg"), ("video", "video.mp4", "video/mp4"))
    entries = [
        ManifestEntry(path=name, kind=kind, media_type=media_type)
        for kind, name, media_type in kinds
    ]
    Manifest(bot_id="b", complete=True, files=entries).write(folder)
    made = tmp_path / "decision.mp4"
    told = CliRunner().invoke(
        clip_command, [str(tmp_path / "bot"), "--from", "0:05", "--to", "0:08", "--out", str(made)]
    )
    assert told.exit_code == 0, told.output
    assert len(pictures_in(made)) == 3 * FRAMES_PER_S

    one = ["--track", "Ada", "--out", str(tmp_path / "ada.mp4")]
    refused = CliRunner().invoke(clip_command, [str(tmp_path / "bot"), *one])
    assert (refused.exit_code, "no video of one person" in refused.output) == (1, True)
    Manifest(bot_id="b", complete=True, files=entries[:1]).write(folder)
    refused = CliRunner().invoke(
        clip_command, [str(tmp_path / "bot"), "--out", str(tmp_path / "none.mp4")]
    )
    assert (refused.exit_code, "no video" in refused.output) == (1, True)


def test_what_has_no_picture_or_nothing_there_is_refused(video: Path, tmp_path: Path) -> None:
    sound = recording(tmp_path / "mix.opus", 3)
    for source, start_s in ((sound, 0.0), (video, LENGTH_S + 5)):
        with pytest.raises(ClipRefused):
            cut(source, tmp_path / "clip.mp4", start_s, inf)
    assert [path.name for path in tmp_path.iterdir()] == ["mix.opus"]
