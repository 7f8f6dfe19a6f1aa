"""Law 9: keys, passcodes and tokens are in no log line, journal, URL or diagnostics bundle."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

import meetcore
from meetcore.plugin.platform import Platform
from meetcore.testing import SimMeeting, run_simulated
from tests.laws.conftest import MEETING

pytestmark = pytest.mark.law(9)

PASSCODE, TOKEN, KEY = "pass-8841!x", "tok_ZZ91aa", "key-c0ffee-77"


class LeakyPlatform(Platform):
    """Puts every secret it knows in every place it can."""

    name = "leaky"

    def parse(self, url):
        if "leaky.example/" not in url:
            return None
        return meetcore.MeetingLink(platform="leaky", native_id="room", url=url, passcode=PASSCODE)

    @asynccontextmanager
    async def open_call(self, link, request, events):
        raise RuntimeError(f"could not open {link.url} with {link.passcode}: {link!r}")
        yield


class LeakyPlugin:
    @meetcore.hookimpl
    def meetcore_register_platforms(self, register):
        register(LeakyPlatform)


class KeyedSink(meetcore.Sink):
    name = "keyed"

    @frozen
    class Options:
        key: meetcore.Secret = meetcore.Secret("")  # noqa: RUF009

    async def deliver(self, event):
        raise ValueError(f"the key {self.options.key.reveal()} was refused")


def everything_written(folder) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_secrets_are_in_nothing_a_bot_writes(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    meeting = SimMeeting(MEETING)
    meeting.link = f"https://user:{KEY}@leaky.example/room?token={TOKEN}#{PASSCODE}"
    plugins = meetcore.Plugins(entry_points=False, objects={"leaky": LeakyPlugin()})
    run_simulated(
        meeting,
        out_dir=tmp_path,
        allow_failures=True,
        plugins=plugins,
        sinks=[KeyedSink(KeyedSink.Options(meetcore.Secret(KEY)))],
    )
    written = everything_written(tmp_path)
    assert b"could not open" in written
    assert b"was refused" in written
    for secret in (PASSCODE, TOKEN, KEY):
        assert secret.encode() not in written
        assert secret not in caplog.text


@given(secret=st.text(min_size=4, max_size=20), around=st.text(max_size=40))
def test_a_redacted_text_does_not_hold_the_secret(secret, around):
    redactor = meetcore.Redactor([secret])
    redacted = redactor.redact(f"{around}{secret}{around}")
    assert secret not in redacted.replace("[redacted]", "")


def test_a_secret_does_not_print():
    secret = meetcore.Secret(KEY)
    assert KEY not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == KEY


def test_a_url_in_text_loses_its_query():
    text = meetcore.Redactor().redact("see https://a.example/x?pwd=1#frag, and http://b.example/y")
    assert text == "see https://a.example/x?[redacted] and http://b.example/y"
