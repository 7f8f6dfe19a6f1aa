"""What `send_image` refuses, in MeetStream's shape and status, and that nothing is done then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meetcore.gateway import PICTURE_BYTES, Scope
from meetcore.model.commands import ShowImage
from meetcore.model.errors import CapabilityMissing, CommandFailed
from meetcore.plugin.platform import Capability
from tests.plugins.meetstream.stage import KEY, ask, enter, leave, meetstream, new_bot

AT = "https://example.com/a.png"
PNG = b"\x89PNG\r\n\x1a\n and so on"


@pytest.mark.parametrize(
    ("lies_there", "body", "status"),
    [
        (PNG, {}, 400),
        (PNG, {"img_url": ""}, 400),
        (PNG, {"img_url": 7}, 400),
        (PNG, {"img_url": "file:///etc/passwd"}, 400),
        (PNG, {"img_url": "http://127.0.0.1/a.png"}, 400),
        (b"<html>", {"img_url": AT}, 400),
        (PNG.ljust(PICTURE_BYTES + 1), {"img_url": AT}, 400),
    ],
)
async def test_what_is_no_picture_to_be_had_is_refused(
    lies_there: bytes, body: dict[str, Any], status: int, tmp_path: Path
) -> None:
    async with meetstream(tmp_path) as fake:
        fake.abilities |= {Capability.SHOW_IMAGE}
        fake.web[AT] = lies_there
        row = await new_bot(fake)
        enter(fake, row)
        reply = await ask(fake, "POST", f"/bots/{row.bot_id}/send_image", json=body)
        assert (reply.status, list(reply.json)) == (status, ["message"])
        assert fake.commanded == []


async def test_who_may_not_and_when_it_cannot_be(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        fake.abilities |= {Capability.SHOW_IMAGE}
        fake.web[AT] = PNG
        row = await new_bot(fake)
        path, body = f"/bots/{row.bot_id}/send_image", {"img_url": AT}
        assert (await ask(fake, "POST", path, json=body)).status == 409  # not in the meeting yet
        enter(fake, row)
        client = await fake.authenticate(KEY)
        assert client is not None
        _, reader = await fake.create_key(client.user_id, scopes=frozenset({Scope.READ}))
        headers = {"authorization": f"Token {reader}"}
        assert (await ask(fake, "POST", path, json=body, headers=headers)).status == 403
        assert fake.fetched == []
        for error, status in (
            (CapabilityMissing("meet", "show_image"), 400),
            (CommandFailed("The camera did not open."), 503),
        ):
            fake.refusing = error
            reply = await ask(fake, "POST", path, json=body)
            assert (reply.status, list(reply.json)) == (status, ["message"])
        fake.refusing = None
        told = await ask(fake, "POST", path, json={**body, "display_duration": 5})
        assert (told.status, "until another" in told.headers["X-Meetcore-Note"]) == (200, True)
        assert fake.commanded == [(row.bot_id, ShowImage(PNG, "image/png"))]
        leave(fake, row)
        assert (await ask(fake, "POST", path, json=body)).status == 409
