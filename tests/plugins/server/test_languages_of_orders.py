"""A language that cannot be done is refused at the order; in a rehearsal any is played."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import meetcore_meetstream.plugin
import meetcore_skribby.plugin
import meetcore_vexa.plugin
from meetcore.gateway.records import BotRequest
from meetcore.model.config import load_config
from meetcore.model.events import TranscriptionStopped
from meetcore.model.languages import LanguageRefused
from meetcore.model.lifecycle import State
from meetcore.plugin.registry import Plugins
from meetcore.testing.fake_service import FakeService, open_fake_service
from meetcore_server.native.models import Bot
from meetcore_server.orders_to_specs import Sandbox, Specs

LINK = "https://meet.google.com/abc-defg-hij"


def specs(sandbox: Sandbox | None = None, **settings: Any) -> Specs:
    config = load_config(overrides={"transcriber": "pocketsphinx", **settings}, environ={})
    return Specs(config, Plugins(), sandbox)


@pytest.mark.parametrize(
    ("language", "tag"),
    [(None, None), ("auto", None), ("multi", None), ("English", "en"), ("en_US", "en-US")],
)
def test_what_the_transcriber_speaks_is_asked_for_by_its_tag(
    language: str | None, tag: str | None
) -> None:
    spec = specs().spec("b", BotRequest(url=LINK, language=language))
    assert spec.settings.get("language") == tag


def test_auto_means_the_transcribers_own_choice_though_the_server_has_a_language() -> None:
    spec = specs(language="en-GB").spec("b", BotRequest(url=LINK, language="auto"))
    assert "language" not in spec.settings
    assert specs(language="en-GB").spec("b", BotRequest(url=LINK)).settings["language"] == "en-GB"


@pytest.mark.parametrize("language", ["pt", "de", "pt-BR", "German", "Klingon"])
def test_another_language_is_refused_and_in_a_rehearsal_played(language: str) -> None:
    order = BotRequest(url=LINK, language=language)
    with pytest.raises(LanguageRefused):
        specs().spec("b", order)
    with pytest.raises(LanguageRefused):
        specs().transcriber("default", language)
    played = specs(Sandbox())
    assert "language" not in played.spec("b", order).settings
    choice = played.transcriber("deepgram", language)
    assert choice.note is not None
    assert f"deepgram is played by whisper. The language {language!r} is" in choice.note
    assert played.transcriber("default", "en").note is None


def test_a_model_of_ones_own_speaks_what_it_speaks(tmp_path: Path) -> None:
    own = {"pocketsphinx": {"hmm": str(tmp_path), "lm": "x", "dictionary": "y"}}
    spec = specs(plugins=own).spec("b", BotRequest(url=LINK, language="de"))
    assert spec.settings["language"] == "de"


ORDERS: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "vexa": ("/bots", {"x-api-key": "k"}, {"meeting_url": LINK, "language": "de"}),
    "skribby": (
        "/bot",
        {"authorization": "Bearer k"},
        {
            "service": "gmeet",
            "meeting_url": LINK,
            "bot_name": "N",
            "transcription_model": "deepgram-realtime",
            "lang": "German",
        },
    ),
    "meetstream": (
        "/api/v1/bots/create_bot",
        {"authorization": "Token k"},
        {
            "meeting_link": LINK,
            "bot_name": "N",
            "recording_config": {"transcript": {"provider": {"deepgram": {"language": "pt-BR"}}}},
        },
    ),
}


def offered(fake: FakeService) -> None:
    for plugin in (meetcore_vexa.plugin, meetcore_skribby.plugin, meetcore_meetstream.plugin):
        fake.load(plugin)
    fake.new_key("k")


async def test_each_dialect_refuses_in_its_own_words(tmp_path: Path) -> None:
    async with open_fake_service(tmp_path) as fake:
        offered(fake)
        fake.languages = ("en-US",)
        said: dict[str, tuple[int, Any]] = {}
        for vendor, (path, headers, body) in ORDERS.items():
            reply = await fake.call("POST", path, json=body, headers=headers, mount=vendor)
            said[vendor] = (reply.status, reply.json)
        assert said["vexa"][0] == said["skribby"][0] == 422
        assert said["meetstream"][0] == 400
        assert said["vexa"][1]["detail"][0]["loc"] == ["body", "language"]
        assert list(said["skribby"][1]["errors"]) == ["lang"]
        for status, answer in said.values():
            assert "does not speak" in str(answer), status
        fake.rehearsal = True
        for vendor, (path, headers, body) in ORDERS.items():
            reply = await fake.call("POST", path, json=body, headers=headers, mount=vendor)
            assert reply.status == 201, reply
            assert "is played by" in reply.headers["X-Meetcore-Note"]


async def test_a_transcription_that_stopped_for_good_is_seen_where_people_look(
    tmp_path: Path,
) -> None:
    async with open_fake_service(tmp_path) as fake:
        offered(fake)
        rows = {}
        for vendor, (path, headers, body) in ORDERS.items():
            await fake.call("POST", path, json=body, headers=headers, mount=vendor)
            row = rows[vendor] = fake.only
            for state in (State.JOINING, State.IN_CALL, State.RECORDING):
                fake.go(row, state)
            stopped = TranscriptionStopped(track_id="t", kind="quota", detail="no credit left")
            fake.happen(row, stopped, stopped)
        note = Bot.of(rows["vexa"], await fake.history(rows["vexa"])).notes
        assert note == ["The transcription has stopped: no credit left"]
        key = {"x-api-key": "k"}
        meeting = await fake.call("GET", "/bots/id/1", headers=key, mount="vexa")
        assert meeting.json["data"]["last_error"] == {
            "error": "transcription_stopped",
            "details": "no credit left",
        }
        reply = await fake.call(
            "GET", f"/bot/{rows['skribby'].bot_id}", headers=ORDERS["skribby"][1], mount="skribby"
        )
        assert reply.stream is not None
        text = b"".join([part async for part in reply.stream]).decode()
        assert text.count("no credit left") == 1
