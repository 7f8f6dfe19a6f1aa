"""TOML to a meeting script: types, unknown keys and audio files are checked here."""

from __future__ import annotations

import math
import tomllib
import wave
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from attrs import frozen

from meetcore.model.errors import nearest
from meetcore.testing.script import (
    PALETTE,
    Admission,
    ChatLine,
    Decision,
    End,
    EndHow,
    Fault,
    FaultKind,
    Kick,
    Line,
    Mute,
    Person,
    ScreenShare,
    Script,
    ScriptError,
    check_script,
    estimate_duration_s,
)

__all__ = ["load_script", "parse_script", "read_script", "wav_duration_s"]

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

TABLES = {
    "": (
        "title",
        "seed",
        "room",
        "admission",
        "people",
        "lines",
        "chat",
        "shares",
        "mutes",
        "kicks",
        "faults",
        "end",
    ),
    "room": ("waiting_room",),
    "admission": ("decision", "after_s", "by"),
    "people": (
        "id",
        "name",
        "host",
        "joins_s",
        "leaves_s",
        "rejoins_s",
        "is_bot",
        "colour",
    ),
    "lines": ("who", "at_s", "text", "audio", "duration_s", "human"),
    "chat": ("who", "at_s", "text", "to_bot"),
    "mutes": ("who", "at_s", "until_s"),
    "shares": ("who", "at_s", "until_s"),
    "kicks": ("who", "at_s"),
    "faults": ("kind", "at_s", "for_s", "who", "what"),
    "end": ("at_s", "how"),
}


@frozen
class _Table:
    """One table of the file, read key by key with errors that name the place."""

    data: dict[str, object]
    source: str
    entry: str

    def wrong(self, message: str, remedy: str = "") -> ScriptError:
        return ScriptError(self.source, self.entry, message, remedy)

    def refuse_unknown(self, known: Sequence[str]) -> None:
        for key in self.data:
            if key not in known:
                guess = nearest(key, known)
                remedy = f"Did you mean {guess!r}?" if guess else f"Known: {', '.join(known)}."
                raise self.wrong(f"nobody knows the key {key!r}.", remedy)

    def value(self, key: str, kinds: tuple[type, ...], what: str) -> object:
        if key not in self.data:
            raise self.wrong(f"{key!r} is missing.")
        value = self.data[key]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise self.wrong(f"{key} = {value!r} is not {what}.")
        return value

    def text(self, key: str) -> str:
        return str(self.value(key, (str,), "text in quotes"))

    def flag(self, key: str) -> bool:
        return bool(self.value(key, (bool,), "true or false"))

    def whole(self, key: str) -> int:
        return int(str(self.value(key, (int,), "a whole number")))

    def seconds(self, key: str) -> float:
        value = float(str(self.value(key, (int, float), "a number of seconds")))
        if not math.isfinite(value) or value < 0:
            raise self.wrong(f"{key} = {value!r} is not a time on the script clock (0 or later).")
        return value

    def choice(self, key: str, choices: type[E]) -> E:
        word = self.text(key)
        names = [member.value for member in choices]
        if word not in names:
            guess = nearest(word, names)
            hint = f"Did you mean {guess!r}? " if guess else ""
            raise self.wrong(f"{key} = {word!r} is not known.", f"{hint}Known: {', '.join(names)}.")
        return choices(word)

    def given(self, key: str, read: Callable[[str], T], default: T) -> T:
        return read(key) if key in self.data else default

    def maybe(self, key: str, read: Callable[[str], T]) -> T | None:
        return read(key) if key in self.data else None


def read_script(text: str, source: str, folder: Path | None) -> Script:
    """Turn TOML text into a script whose entries are well formed, but not yet checked together."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScriptError(source, "", f"this is not TOML: {error}.") from error
    top = _Table(data, source, "")
    top.refuse_unknown(TABLES[""])
    admission = _one(top, "admission")
    end = _one(top, "end")
    return Script(
        title=top.given("title", top.text, "Meeting"),
        seed=top.given("seed", top.whole, 0),
        waiting_room=(room := _one(top, "room")).given("waiting_room", room.flag, True),
        admission=Admission(
            decision=admission.given(
                "decision", lambda key: admission.choice(key, Decision), Decision.ADMIT
            ),
            after_s=admission.given("after_s", admission.seconds, 1.0),
            by=admission.maybe("by", admission.text),
        ),
        people=tuple(_person(t, index) for index, t in enumerate(_many(top, "people"))),
        lines=tuple(_line(t, folder) for t in _many(top, "lines")),
        chat=tuple(
            ChatLine(
                who=t.text("who"),
                at_s=t.seconds("at_s"),
                text=t.text("text"),
                to_bot=t.given("to_bot", t.flag, False),
            )
            for t in _many(top, "chat")
        ),
        mutes=tuple(
            Mute(who=t.text("who"), at_s=t.seconds("at_s"), until_s=t.maybe("until_s", t.seconds))
            for t in _many(top, "mutes")
        ),
        shares=tuple(
            ScreenShare(
                who=t.text("who"), at_s=t.seconds("at_s"), until_s=t.maybe("until_s", t.seconds)
            )
            for t in _many(top, "shares")
        ),
        kicks=tuple(Kick(who=t.text("who"), at_s=t.seconds("at_s")) for t in _many(top, "kicks")),
        faults=tuple(_fault(t) for t in _many(top, "faults")),
        end=_end(end) if "end" in data else None,
    )


def _one(top: _Table, name: str) -> _Table:
    value = top.data.get(name, {})
    if not isinstance(value, dict):
        raise ScriptError(top.source, name, f"write it as a table: [{name}].")
    table = _Table(value, top.source, name)
    table.refuse_unknown(TABLES[name])
    return table


def _many(top: _Table, name: str) -> list[_Table]:
    values = top.data.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise ScriptError(top.source, name, f"write its entries as tables: [[{name}]].")
    tables = [_Table(value, top.source, f"{name}[{i}]") for i, value in enumerate(values)]
    for table in tables:
        table.refuse_unknown(TABLES[name])
    return tables


def _person(t: _Table, index: int) -> Person:
    return Person(
        id=t.text("id"),
        name=t.text("name"),
        host=t.given("host", t.flag, False),
        joins_s=t.given("joins_s", t.seconds, 0.0),
        leaves_s=t.maybe("leaves_s", t.seconds),
        rejoins_s=t.maybe("rejoins_s", t.seconds),
        is_bot=t.given("is_bot", t.flag, False),
        colour=t.given("colour", t.text, PALETTE[index % len(PALETTE)]),
    )


def _line(t: _Table, folder: Path | None) -> Line:
    text = t.text("text")
    audio: Path | None = None
    duration_s = t.given("duration_s", t.seconds, estimate_duration_s(text))
    if "audio" in t.data:
        if "duration_s" in t.data:
            raise t.wrong("it has both 'audio' and 'duration_s'.", "A recording has its length.")
        audio = _audio_path(t, folder)
        duration_s = wav_duration_s(audio, t.source, t.entry)
    return Line(
        who=t.text("who"),
        at_s=t.seconds("at_s"),
        text=text,
        duration_s=duration_s,
        audio=audio,
        human=t.given("human", t.flag, False),
    )


def _audio_path(t: _Table, folder: Path | None) -> Path:
    name = t.text("audio")
    if folder is None:
        raise t.wrong(f"audio = {name!r}: a script that is not in a file has no folder for it.")
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise t.wrong(f"audio = {name!r} lies outside of the script's folder.")
    return path


def wav_duration_s(path: Path, source: str, entry: str) -> float:
    """Return the length of a 16 kHz mono int16 WAV file.

    Raises:
        ScriptError: There is no such file, or it has another format.
    """
    try:
        with wave.open(str(path), "rb") as wav:
            found = (wav.getframerate(), wav.getnchannels(), wav.getsampwidth())
            frames = wav.getnframes()
    except FileNotFoundError:
        raise ScriptError(source, entry, f"the audio file {path} does not exist.") from None
    except (wave.Error, EOFError, OSError) as error:
        raise ScriptError(source, entry, f"{path.name} is no readable WAV: {error}.") from error
    if found != (16_000, 1, 2) or frames == 0:
        raise ScriptError(
            source,
            entry,
            f"{path.name} has {found[0]} Hz, {found[1]} channel(s), {found[2] * 8} bit, "
            f"{frames} frames.",
            "It has to be 16000 Hz, mono, 16 bit: ffmpeg -i IN -ar 16000 -ac 1 -sample_fmt s16 OUT",
        )
    return frames / found[0]


def _fault(t: _Table) -> Fault:
    return Fault(
        kind=t.choice("kind", FaultKind),
        at_s=t.given("at_s", t.seconds, 0.0),
        for_s=t.maybe("for_s", t.seconds),
        who=t.maybe("who", t.text),
        what=t.maybe("what", t.text),
    )


def _end(t: _Table) -> End:
    return End(
        at_s=t.seconds("at_s"),
        how=t.given("how", lambda key: t.choice(key, EndHow), EndHow.HOST_ENDS),
    )


def load_script(path: Path | str) -> Script:
    """Read a meeting script from a TOML file; audio files are looked up beside it.

    Raises:
        ScriptError: It cannot be read or played; the message names file and entry.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScriptError(
            str(path), "", f"the meeting script cannot be read: {error}.", "Check the path."
        ) from error
    return parse_script(text, source=str(path), folder=path.parent)


def parse_script(text: str, *, source: str = "script", folder: Path | None = None) -> Script:
    """Read a meeting script from TOML text.

    Args:
        text: The TOML.
        source: What to call it in errors.
        folder: Where audio files are; without it a line cannot have one.

    Raises:
        ScriptError: It is not TOML, has a key nobody knows, or cannot be played.
    """
    return check_script(read_script(text, source, folder), source)
