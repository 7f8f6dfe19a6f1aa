"""How the plugin is set: the table `[plugins.consent]`."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field, frozen

from meetcore import ConfigError

__all__ = ["DEFAULT_MESSAGE", "ConsentOptions"]

DEFAULT_MESSAGE = (
    '{bot} records and transcribes this meeting. Write "{refuse}" here if you do not agree.'
)
_REFUSE = ("no recording", "do not record", "don't record", "stop recording")
_AGREE = ("i agree to the recording", "i agree to be recorded", "recording is fine")


def _message(instance: object, attribute: Any, value: str) -> None:
    try:
        said = value.format(bot="Bot", refuse="no", agree="yes")
    except (KeyError, IndexError, ValueError) as error:
        raise ConfigError(
            f"message in [plugins.consent] cannot be filled in: {error}.",
            "{bot}, {refuse} and {agree} are the only words in braces it may have.",
        ) from error
    if not said.strip():
        raise ConfigError("message in [plugins.consent] is empty.", "Leave it out for the default.")


def _phrases(instance: object, attribute: Any, value: tuple[str, ...]) -> None:
    name = attribute.name
    if not value or any(not phrase.strip() for phrase in value):
        raise ConfigError(
            f"{name} in [plugins.consent] has a phrase without a word, or none at all.",
            f"Name what people may write who {'do not ' if name == 'refuse' else ''}agree.",
        )


def _pause(instance: object, attribute: Any, value: float) -> None:
    if value < 0:
        raise ConfigError(f"again_every_s in [plugins.consent] cannot be {value}.")


@frozen(kw_only=True)
class ConsentOptions:
    """What is said, and what follows.

    Attributes:
        message: What the bot writes; `{bot}` is its name, `{refuse}` the first of what refuses,
            `{agree}` the first of what agrees.
        refuse: Whoever writes one of these does not agree; in any case, within a message.
        agree: Whoever writes one of these, and nothing else, agrees, also after a refusal.
        on_refusal: What the bot does then: record nothing until they have left or agree, leave, or
            record everybody else, and nothing of them (not even of before, as far as that can be).
        unheard: What it does where the message cannot be sent.
        again_every_s: Who comes later is told together with others, at most so often. Where it is
            not known who is there it is said again after so long, and then ever less often.
        voice: Whether it is said, too, where the bot can speak.
    """

    message: str = field(default=DEFAULT_MESSAGE, validator=_message)
    refuse: tuple[str, ...] = field(default=_REFUSE, validator=_phrases)
    agree: tuple[str, ...] = field(default=_AGREE, validator=_phrases)
    on_refusal: Literal["pause", "leave", "exclude"] = "pause"
    unheard: Literal["leave", "go_on"] = "leave"
    again_every_s: float = field(default=20.0, validator=_pause)
    voice: bool = False
