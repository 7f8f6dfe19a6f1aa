"""The bot's own picture, and who is seen in a video."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from meetcore import Capability
from tests.plugins.spoke.stage import ask, create_request, new_bot, spoke

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.mark.parametrize("head", ["", "data:image/png;base64,"])
async def test_a_picture_may_come_as_base64(tmp_path: Path, head: str) -> None:
    sent = base64.b64encode(PNG).decode()
    async with spoke(tmp_path) as fake:
        fake.abilities |= {Capability.SHOW_IMAGE}
        row = await new_bot(fake, bot_image=head + sent)
        order = await fake.order(row)
        assert (order.sinks, order.plugins) == (("picture",), {"picture": {"image": sent}})
        assert sent not in str(order.extras)
        for wrong in ("aGVsbG8=", "data:text/html;base64,aGVsbG8=", f"x;base64,{sent}", "%%%"):
            body = create_request(bot_image=wrong, deduplication_key="2")
            reply = await ask(fake, "POST", "/bots", json=body)
            assert (reply.status, "bot_image" in reply.json["message"]) == (400, True), wrong


async def test_the_mode_says_who_is_seen_in_the_video(tmp_path: Path) -> None:
    wanted = {"speaker_view": "speaker", "gallery_view": "gallery", "audio_only": None}
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake, recording_mode="gallery_view", deduplication_key="blind")
        assert (await fake.order(row)).plugins == {}
        fake.abilities |= {Capability.VIDEO}
        for number, (mode, view) in enumerate(wanted.items()):
            row = await new_bot(fake, recording_mode=mode, deduplication_key=str(number))
            order = await fake.order(row)
            assert order.plugins.get("browser") == (view and {"video_view": view})
            assert order.sinks == ()
        row = await new_bot(fake, deduplication_key="nothing said")
        assert "browser" not in (await fake.order(row)).plugins, "as the operator has it"
