"""The sink keeps what the core relies on, and what it writes agrees with the journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from meetcore.model.events import ArtifactWritten, CaptureStarted, SegmentFinalized
from meetcore.plugin.sink import Sink
from meetcore.testing.conformance import SinkConformance
from meetcore_files.manifest import Manifest
from meetcore_files.options import FilesOptions
from meetcore_files.playback import played_duration_s
from meetcore_files.sink import FilesSink


class TestFiles(SinkConformance):
    def make_sink(self) -> Sink:
        return FilesSink(FilesOptions())

    def test_what_is_written_agrees_with_the_journal(self, tmp_path: Path) -> None:
        events = self._run(tmp_path)
        folder = tmp_path / events[0].bot_id / "files"
        manifest = Manifest.read(folder)
        assert manifest is not None
        assert manifest.complete
        (capture,) = [event for event in events if isinstance(event, CaptureStarted)]
        assert manifest.offset_s == capture.offset_s
        written = {event.path for event in events if isinstance(event, ArtifactWritten)}
        assert written == {f"files/{path.name}" for path in folder.iterdir()}
        for entry in manifest.files:
            if entry.duration_s is not None:
                played_s = played_duration_s(folder / entry.path)
                assert played_s == pytest.approx(entry.duration_s, abs=0.05)
        text = (folder / "transcript.txt").read_text()
        finals = [event.segment for event in events if isinstance(event, SegmentFinalized)]
        assert len(text.splitlines()) == len(finals) > 0
        assert all(segment.text in text for segment in finals)
