"""A plugin file for bots in processes of their own: a platform with film, and a sink for it."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import trio

import meetcore
from meetcore.model.lifecycle import EndReason, Evidence
from meetcore.model.signals import Admitted, CallEnded

FRAGMENTS = 20


class FilmPlatform(meetcore.Platform):
    name = "film"
    link_examples = ("film:ROOM",)

    def parse(self, url):
        if not url.startswith("film:"):
            return None
        return meetcore.MeetingLink(platform="film", native_id=url[5:], url=url)

    @asynccontextmanager
    async def open_call(self, link, request, events):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._play, events)
            yield FilmCall()
            nursery.cancel_scope.cancel()

    async def _play(self, events):
        events.observe(Admitted("the film begins"))
        about = {"kind": "tab", "container": "video/mp4"}
        events.media("tab", **about, data=b"ftyp", at_s=0.0, duration_s=0.0, header=True)
        for number in range(FRAGMENTS):
            await trio.sleep(0.02)
            data = number.to_bytes(4, "big") * 1000
            events.media("tab", **about, data=data, at_s=number * 0.02, duration_s=0.02)
        events.observe(CallEnded(EndReason.MEETING_ENDED, Evidence("film", "it is over")))


class FilmCall(meetcore.Call):
    platform_name = "film"

    async def leave(self):
        await trio.lowlevel.checkpoint()


class FilmSink(meetcore.Sink):
    """Writes down what it was given."""

    name = "film_sink"
    wants_media = True

    @asynccontextmanager
    async def open(self, context):
        self.folder = context.folder
        self.got = []
        yield

    async def on_media(self, fragment):
        self.got.append((fragment.number, len(fragment.data)))
        await trio.lowlevel.checkpoint()

    async def finish(self):
        (self.folder / f"{self.name}.json").write_text(json.dumps(self.got))
        await trio.lowlevel.checkpoint()


@meetcore.hookimpl
def meetcore_register_platforms(register):
    register(FilmPlatform)


@meetcore.hookimpl
def meetcore_register_sinks(register):
    register(FilmSink)
