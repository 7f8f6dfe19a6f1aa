"""Video and the picture of a bot, as Skribby's clients order and get them."""

from __future__ import annotations

from pathlib import Path

from meetcore.model.events import ArtifactWritten
from meetcore.plugin.platform import Capability
from tests.plugins.skribby.stage import bot_of, enter, leave, new_bot, skribby


async def test_video_and_avatar_are_ordered_where_the_platform_can(tmp_path: Path) -> None:
    at = "https://example.com/a.png"
    async with skribby(tmp_path) as fake:
        fake.abilities |= {Capability.VIDEO, Capability.SHOW_IMAGE}
        row = await new_bot(fake, video=True, bot_avatar_url=at)
        order = await fake.order(row)
        assert (order.video, order.sinks) == (True, ("picture",))
        assert order.plugins == {"picture": {"url": at}}
        body = await bot_of(fake, row)
        assert (body["video"], body["bot_avatar"]) == (True, at)
        assert (await fake.order(await new_bot(fake))).video is False


async def test_the_recording_link_leads_to_the_video_where_there_is_one(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        fake.abilities |= {Capability.VIDEO}
        row = await new_bot(fake, video=True)
        enter(fake, row)
        video = ArtifactWritten(
            kind="video", path="files/video.mp4", media_type="video/mp4", size_bytes=10
        )
        fake.happen(row, video)
        leave(fake, row)
        url = (await bot_of(fake, row))["recording_url"]
        claims = fake.verify("media", url.rpartition("/")[2])
        assert claims is not None
        assert claims["path"] == "files/video.mp4"
