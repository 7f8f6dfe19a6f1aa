"""The picture that an order names, shown once the bot is in the call."""

from __future__ import annotations

import base64
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from meetcore.model.commands import ShowImage
from meetcore.model.errors import CapabilityMissing, ConfigError
from meetcore.plugin.sink import Sink
from meetcore.testing.conformance import SinkConformance
from meetcore_server.picture_sink import PictureOptions, PictureSink
from tests.plugins.meetstream.stage import eventually
from tests.plugins.webhook.test_fetching import Web, answer, web
from tests.plugins.websocket.users_server import WithTarget, running

GIF = b"GIF89a and so on"


@asynccontextmanager
async def picture_there() -> Any:
    async with web() as site:
        site.pages["/a.gif"] = answer(GIF)
        yield site


class TestThePictureAsASink(WithTarget[Web], SinkConformance):
    """The promises every sink makes."""

    def hold_target(self) -> AbstractAsyncContextManager[Web]:
        return picture_there()

    def make_sink(self) -> Sink:
        return PictureSink(PictureOptions(url=self.target.at("/a.gif")))


async def test_it_is_fetched_beforehand_and_shown_in_the_call(tmp_path: Path) -> None:
    async with picture_there() as site:
        sink = PictureSink(PictureOptions(url=site.at("/a.gif")))
        async with running(tmp_path, sink) as stage:
            await eventually(lambda: site.asked)
            assert stage.performed == []
            await stage.enter()
            await eventually(lambda: stage.noticed("shown"))
        assert stage.performed == [ShowImage(GIF, "image/gif")]


async def test_a_picture_that_came_with_the_order_is_shown(tmp_path: Path) -> None:
    sink = PictureSink(PictureOptions(image=base64.b64encode(GIF).decode()))
    async with running(tmp_path, sink) as stage:
        await stage.enter()
        await eventually(lambda: stage.noticed("shown"))
    assert stage.performed == [ShowImage(GIF, "image/gif")]
    assert "R0lG" not in repr(sink.options)


@pytest.mark.parametrize(
    ("path", "refusing", "words"),
    [
        ("/page", {}, "no picture"),
        ("/a.gif", {"show_image": CapabilityMissing("janus", "show_image")}, "cannot show image"),
    ],
)
async def test_where_it_cannot_be_shown_the_journal_says_so(
    path: str, refusing: dict[str, Any], words: str, tmp_path: Path
) -> None:
    async with picture_there() as site:
        site.pages["/page"] = answer(b"<html>")
        sink = PictureSink(PictureOptions(url=site.at(path)))
        async with running(tmp_path, sink, refusing=refusing) as stage:
            await stage.enter()
            await eventually(lambda: stage.noticed("not_shown"))
            assert words in stage.noticed("not_shown")[0]["error"]


async def test_what_is_not_there_is_asked_for_three_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meetcore_server.picture_sink._PAUSE_S", 0.01)
    async with picture_there() as site:
        sink = PictureSink(PictureOptions(url=site.at("/none?key=s3cret")))
        async with running(tmp_path, sink) as stage:
            await eventually(lambda: stage.noticed("not_shown"))
            assert "answers 404" in stage.noticed("not_shown")[0]["error"]
        assert len(site.asked) == 3
    assert "s3cret" not in repr(PictureOptions(url=site.at("/none?key=s3cret")))


async def test_one_that_came_over_an_api_is_fetched_from_no_private_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meetcore_server.picture_sink._PAUSE_S", 0.01)
    async with picture_there() as site:
        sink = PictureSink(PictureOptions(url=site.at("/a.gif")))
        async with running(tmp_path, sink, trusted=False) as stage:
            await eventually(lambda: stage.noticed("not_shown"))
            assert "not public" in stage.noticed("not_shown")[0]["error"]
        assert site.asked == []


@pytest.mark.parametrize("url", ["", "a.png", "ftp://x.test/a.png", "wss://x.test/a.png"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^\[plugins.picture\] url "):
        PictureOptions(url=url)
