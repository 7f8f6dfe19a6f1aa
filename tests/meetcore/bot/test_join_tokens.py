"""The token to join with: from the first plugin that has one, in time, and never told."""

from __future__ import annotations

import pytest
import trio

import meetcore
from meetcore import JoinToken, JoinTokenFailed, Secret, StepWorked
from meetcore.bot.join_tokens import TOKEN_TIMEOUT_S
from tests.meetcore.conftest import Stage

TOKEN = "very-secret-token"


def plugin(give):
    class Plugin:
        @meetcore.hookimpl
        def meetcore_join_token(self, link, bot_id):
            return give(link, bot_id)

    return Plugin()


async def test_the_first_token_that_a_plugin_gives_counts_and_is_never_told(
    tmp_path, autojump_clock
):
    stage, asked = Stage(), []

    async def later(link, bot_id):
        await trio.sleep(1)
        asked.append((link.native_id, bot_id))
        return JoinToken("tk", TOKEN)

    plugins = stage.plugins(none=plugin(lambda link, bot_id: None), later=plugin(later))
    async with stage.bot(tmp_path, plugins=plugins) as bot:
        token = await stage.request.join_token()
        assert token == JoinToken("tk", Secret(TOKEN))
        assert TOKEN not in repr(token) + repr(stage.request)
        assert asked == [("room", bot.id)], "not before it is asked for"
        stage.events.observe(StepWorked("opened", f"at {TOKEN}, https://x.example/?tk={TOKEN}"))
        await bot.stop()
        await bot.wait_ended()
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert not any(TOKEN.encode() in each for each in written)


@pytest.mark.parametrize("how", ["late", "raises", "text"])
async def test_a_plugin_that_fails_is_told_without_its_words(tmp_path, autojump_clock, how):
    async def give(link, bot_id):
        if how == "late":
            await trio.sleep(TOKEN_TIMEOUT_S + 1)
        if how == "raises":
            raise ValueError(f"cannot use {TOKEN}")
        return TOKEN

    stage = Stage()
    async with stage.bot(tmp_path, plugins=stage.plugins(tokens=plugin(give))) as bot:
        with pytest.raises(JoinTokenFailed) as failed:
            await stage.request.join_token()
        await bot.stop()
    said = {"late": "within 15 s", "raises": "ValueError", "text": "a str and no JoinToken"}
    assert said[how] in failed.value.message
    assert failed.value.message.startswith("tokens ")
    assert TOKEN not in str(failed.value)


async def test_without_a_plugin_that_has_tokens_there_is_none(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        assert await stage.request.join_token() is None
        await bot.stop()
