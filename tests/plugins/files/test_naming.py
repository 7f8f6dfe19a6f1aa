"""Naming who a voice is, after the call: another transcript, and the old one stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from meetcore import NameSource, Segment, Word
from meetcore_files.completion import write_transcripts
from meetcore_files.manifest import Manifest
from meetcore_files.name_command import name_command
from meetcore_files.naming import NamingRefused, WrittenTranscript

ROOM = "Meeting room A"


def said(number: int, name: str | None, text: str, track_id: str = "t1") -> Segment:
    return Segment(
        id=f"s{number}",
        revision=1,
        finalized=True,
        track_id=track_id,
        participant_id="room" if name else None,
        speaker_name=name,
        speaker_source=NameSource.TRACK,
        speaker_confidence=1.0,
        text=text,
        words=tuple(Word(w, number + i / 10, number + i / 10) for i, w in enumerate(text.split())),
        start_s=float(number),
        end_s=number + 0.9,
        voice=None if name is None else name[-1],
    )


SAID = [
    said(1, f"{ROOM} · speaker 1", "shall we begin"),
    said(2, f"{ROOM} · speaker 2", "yes of course"),
    said(3, "Ben", "hello all", "t2"),
    said(4, f"{ROOM} · speaker 2", "the plan is ready"),
    said(5, None, "who is that", "t3"),
    said(6, None, "nobody knows", "t4"),
]


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    files = tmp_path / "bot" / "files"
    files.mkdir(parents=True)
    about = {"bot_id": "b", "meeting": "https://meet.example/x"}
    entries = write_transcripts(files, SAID, about, ("json", "txt", "srt"))
    Manifest(bot_id="b", complete=True, files=entries).write(files)
    return files.parent


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(name_command, list(arguments))
    return result.exit_code, result.output


def read(bot: Path, name: str) -> Any:
    return json.loads((bot / "files" / name).read_bytes())


def test_a_voice_gets_a_name_in_a_new_transcript_and_the_old_one_stays(bot: Path) -> None:
    before = (bot / "files" / "transcript.json").read_bytes()
    code, output = run(str(bot), f"{ROOM} · speaker 2", "Grace")
    assert code == 0, output
    written = sorted(path.name for path in (bot / "files").glob("transcript-2.*"))
    assert written == ["transcript-2.json", "transcript-2.srt", "transcript-2.txt"]
    assert (bot / "files" / "transcript.json").read_bytes() == before
    body = read(bot, "transcript-2.json")
    names = [segment["speaker_name"] for segment in body["segments"]]
    assert names == [f"{ROOM} · speaker 1", "Grace", "Ben", "Grace", None, None]
    assert body["meeting"] == "https://meet.example/x"
    assert body["named"] == [{"track_id": "t1", "shown": f"{ROOM} · speaker 2", "name": "Grace"}]
    assert "Grace: yes of course" in (bot / "files" / "transcript-2.txt").read_text("utf-8")
    manifest = Manifest.read(bot / "files")
    assert manifest is not None
    assert {entry.path for entry in manifest.files} >= {"transcript.json", "transcript-2.json"}
    assert all(entry.sha256 for entry in manifest.files if "-2" in entry.path)


def test_names_add_up_and_can_be_changed_again(bot: Path) -> None:
    run(str(bot), f"{ROOM} · speaker 2", "Grace")
    run(str(bot), f"{ROOM} · speaker 1", "Cara")
    run(str(bot), "Grace", "Grace Hopper")
    body = read(bot, "transcript-4.json")
    assert [each["speaker_name"] for each in body["segments"]][:2] == ["Cara", "Grace Hopper"]
    assert [each["name"] for each in body["named"]] == ["Grace", "Cara", "Grace Hopper"]
    assert [each["revision"] for each in body["segments"]][:3] == [2, 3, 1]


def test_without_a_name_it_lists_who_there_is(bot: Path) -> None:
    code, output = run(str(bot))
    assert code == 0
    assert f"{ROOM} · speaker 2  track t1      7 words  yes of course" in output
    assert run(str(bot), "Ben")[0] == 2, "a new name is missing"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("Meeting room A · speaker 3", "X"), "There are: Meeting room A · speaker 1, Meeting"),
        (("Benn", "X"), "Did you mean 'Ben'?"),
        (("Unknown", "X"), "Say which with --track."),
        (("Ben", "X", "--track", "t9"), "Nobody is shown as 'Ben' on the track 't9'"),
        (("Ben", "   "), "1 to 200 characters"),
    ],
)
def test_who_cannot_be_named_is_said_with_what_to_do(
    bot: Path, arguments: tuple[str, ...], says: str
) -> None:
    code, output = run(str(bot), *arguments)
    assert (code, says in output) == (1, True), output
    assert not list((bot / "files").glob("transcript-2.*"))


def test_whoever_has_no_name_is_named_by_their_track(bot: Path) -> None:
    assert run(str(bot), "Unknown", "Dana", "--track", "t4")[0] == 0
    names = [each["speaker_name"] for each in read(bot, "transcript-2.json")["segments"]]
    assert names[-2:] == [None, "Dana"]


def test_a_plain_files_transcript_is_named_by_its_file(tmp_path: Path) -> None:
    about = {"source": "talk.wav"}
    write_transcripts(tmp_path, SAID[:2], about, ("json", "md"), stem="talk.transcript")
    source = tmp_path / "talk.transcript.json"
    assert run(str(source), f"{ROOM} · speaker 1", "Ada")[0] == 0
    assert (tmp_path / "talk.transcript-2.md").is_file()
    again = WrittenTranscript.of(tmp_path / "talk.transcript-2.json")
    again.name("Ada", "Ada L")
    assert (tmp_path / "talk.transcript-3.json").is_file()


def test_what_is_no_transcript_is_said(bot: Path, tmp_path: Path) -> None:
    manifest = Manifest.read(bot / "files")
    assert manifest is not None
    manifest.complete = False
    manifest.write(bot / "files")
    with pytest.raises(NamingRefused, match="has not ended"):
        WrittenTranscript.of(bot)
    with pytest.raises(NamingRefused, match="neither a bot's folder"):
        WrittenTranscript.of(tmp_path)
    (tmp_path / "x.json").write_text('{"segments": [7]}')
    with pytest.raises(NamingRefused, match="no transcript that can be read"):
        WrittenTranscript.of(tmp_path / "x.json")
