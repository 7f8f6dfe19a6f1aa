"""A stretch of a recording over HTTP, and a recording in a format in which it was not written."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import av
import pytest
import trio

from meetcore.model.events import ArtifactWritten
from meetcore_files.video_file import VideoFile, finish_video
from meetcore_server.media_process import recorded_as
from tests.moving_pictures import FRAMES_PER_S, pictures

from .running import SHORT, STAY, http, ordered, serving, until

RECORDED = {"sinks": ["files"]}


def seconds_of(data: bytes) -> float:
    """Return how long the sound of a file plays."""
    with av.open(io.BytesIO(data)) as file:
        return sum(f.samples / f.sample_rate for f in file.decode(audio=0))


@pytest.mark.timeout(120)
async def test_a_recording_is_clipped_and_had_in_every_format(tmp_path: Path) -> None:
    async with serving(tmp_path, config=RECORDED) as server, http(server) as client:
        bot = await ordered(client, SHORT)
        base = f"/v1/bots/{bot['id']}"
        await until(client, bot["id"], "completed")
        whole = (await client.get(f"{base}/recordings")).json()
        mix = next(each for each in whole if each["kind"] == "audio.mix")
        for kind, media_type in (("m4a", "audio/mp4"), ("mp3", "audio/mpeg"), ("wav", "audio/wav")):
            answer = await client.get(f"{base}/clip?from=0.5&to=1.5&format={kind}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
            assert answer.headers["content-disposition"] == f'attachment; filename="mix.{kind}"'
            assert seconds_of(answer.content) == pytest.approx(1.0, abs=0.1)
        answer = await client.get(f"{base}/clip?format=opus")
        assert seconds_of(answer.content) == pytest.approx(mix["duration_s"], abs=0.1)
        kept = {each["path"] for each in whole}
        assert {each["path"] for each in (await client.get(f"{base}/recordings")).json()} == kept

        for query, status, code in (
            ("from=2&to=1", 422, "media_refused"),
            ("from=9999", 422, "media_refused"),
            ("format=mp4", 409, "no_recording"),
            ("format=exe", 400, None),
            ("from=-1", 400, None),
        ):
            refused = await client.get(f"{base}/clip?{query}")
            assert refused.status_code == status, (query, refused.text)
            assert code is None or refused.json()["code"] == code
        for query, field, words in (
            ("from=1:05", "from", "a number"),
            ("format=exe", "format", "m4a, mp3, mp4"),
            ("to=soon", "to", "number"),
        ):  # by the names that the client sent, with what they may be
            [fault] = (await client.get(f"{base}/clip?{query}")).json()["errors"]
            assert fault["field"] == field
            assert words in fault["message"]
        [fault] = (await client.get(f"{base}/transcript?format=doc")).json()["errors"]
        assert fault["field"] == "format"
        assert "srt" in fault["message"]
        assert (await client.get("/v1/bots/nobody/clip")).status_code == 404

        row = await server.service.stores.bots.get(bot["id"])
        name = mix["path"].replace(".opus", ".mp3")
        link = server.service.media_url(server.url, row, name, client=None, expires_s=60.0)
        for ranged in ({}, {"range": "bytes=0-9"}):
            answer = await client.get(link, headers=ranged)
            assert answer.headers["content-type"] == "audio/mpeg"
        assert len(answer.content) == 10
        assert await (await server.service.media(row)).stat(name) is not None
        for wrong in ("files/none.mp3", "files/mix.exe", "files/mix.mp4"):
            link = server.service.media_url(server.url, row, wrong, client=None, expires_s=60.0)
            assert (await client.get(link)).status_code == 410
        assert (await client.delete(f"{base}/data")).status_code in (200, 204)
        assert (await client.get(f"{base}/clip")).status_code == 410


@pytest.mark.timeout(120)
@pytest.mark.folder_store  # another store has a recording when it is whole, if it carries no parts
@pytest.mark.parametrize("written_as", ["opus", "m4a"])
async def test_a_bot_in_its_meeting_is_clipped_up_to_now(tmp_path: Path, written_as: str) -> None:
    config = {**RECORDED, "plugins": {"files": {"format": written_as}}}
    async with serving(tmp_path, config=config) as server, http(server) as client:
        bot = await ordered(client, STAY)
        base = f"/v1/bots/{bot['id']}"
        await until(client, bot["id"], "recording")
        while (answer := await client.get(f"{base}/clip?format=wav")).status_code != 200:
            assert answer.status_code in (409, 422), answer.text
            await trio.sleep(0.05)
        assert seconds_of(answer.content) > 0


@pytest.mark.timeout(120)
async def test_a_clip_of_the_video_has_its_picture(tmp_path: Path) -> None:
    async with serving(tmp_path, config=RECORDED) as server, http(server) as client:
        bot = await ordered(client, SHORT)
        await until(client, bot["id"], "completed")
        row = await server.service.stores.bots.get(bot["id"])
        made = tmp_path / "video.mp4"
        file = VideoFile(made)
        for number, unit in enumerate(pictures(6.0)):
            file.picture(number / FRAMES_PER_S, unit)
        file.close()
        finish_video(made)
        kept = await (await server.service.media(row)).put("files/video.mp4", made)
        assert kept.size_bytes == made.stat().st_size
        if (live := server.service.live.get(bot["id"])) is not None:
            await live.ended.wait()
        history = await server.service.history(row)  # as it is kept from now on
        history.take(
            ArtifactWritten(
                kind="video", path="files/video.mp4", media_type="video/mp4",
                size_bytes=kept.size_bytes, seq=history.last_seq + 1, bot_id=bot["id"],
                at=server.service.now(),
            )
        )  # fmt: skip
        answer = await client.get(f"/v1/bots/{bot['id']}/clip?from=1&to=3&format=mp4")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
        with av.open(io.BytesIO(answer.content)) as clip:
            frames = sum(1 for _ in clip.decode(video=0))
        assert frames == 2 * FRAMES_PER_S
        assert recorded_as(history, "files/video.mp4") is None
        shutil.rmtree(tmp_path / "bots")
