"""Who is seen in a video, whether there will be one, and what of leaving is not done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meetcore import Capability
from tests.plugins.meetstream.stage import ask, create_request, enter, meetstream, new_bot


async def test_the_layout_says_who_is_seen_in_the_video(tmp_path: Path) -> None:
    wanted = {"speaker_view": "speaker", "grid_view": "gallery", None: None}
    async with meetstream(tmp_path) as fake:
        fake.abilities |= {Capability.VIDEO}
        for layout, view in wanted.items():
            config = {"video_layout": layout}
            row = await new_bot(fake, video_required=True, recording_config=config)
            order = await fake.order(row)
            assert order.plugins == ({} if view is None else {"browser": {"video_view": view}})
            assert order.sinks == ()
        row = await new_bot(fake, recording_config={"video_layout": "speaker_view"})
        assert (await fake.order(row)).plugins == {}


@pytest.mark.parametrize(
    ("asked", "servers_own", "there"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"video_required": False}, True, False),
        ({"live_video_required": {"websocket_url": "ws://x.test/v"}}, False, True),
    ],
)
async def test_a_video_that_is_being_recorded_is_on_its_way(
    tmp_path: Path, asked: dict[str, Any], servers_own: bool, there: bool
) -> None:
    async with meetstream(tmp_path) as fake:
        fake.abilities |= {Capability.VIDEO}
        fake.records_video = servers_own
        row = await new_bot(fake, **asked)
        enter(fake, row)
        reply = await ask(fake, "GET", f"/bots/{row.bot_id}/get_video")
        assert reply.status == (202 if there else 404)
        shown = (await ask(fake, "GET", f"/bots/{row.bot_id}/detail")).json["bot_details"]
        assert (shown["VideoStatus"] == "Processing") is there


async def test_what_is_not_done_of_leaving_by_names_is_said(tmp_path: Path) -> None:
    detection = {"using_participant_names": {"matches": ["bot"], "timeout": 5}}
    async with meetstream(tmp_path) as fake:
        body = create_request(automatic_leave={"bot_detection": detection})
        reply = await ask(fake, "POST", "/bots/create_bot", json=body)
        assert "bot_detection" in reply.headers["X-Meetcore-Note"]
