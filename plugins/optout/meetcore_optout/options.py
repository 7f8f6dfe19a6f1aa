"""How the plugin is set: the table `[plugins.optout]`."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from meetcore import ConfigError
from meetcore.model import plain_name

__all__ = ["OptoutOptions"]

_CONFIRM = "{name} is not recorded any more. Write {undo} to be recorded again."


def _words(instance: object, attribute: Any, value: tuple[str, ...]) -> None:
    if any(not plain_name(word) for word in value):
        raise ConfigError(
            f"{attribute.name} in [plugins.optout] has one without a letter.",
            'Write for instance "!optout".',
        )


def _message(instance: object, attribute: Any, value: str) -> None:
    try:
        value.format(name="Ada", undo="!optin")
    except (KeyError, IndexError, ValueError) as error:
        raise ConfigError(
            f"confirm in [plugins.optout] cannot be filled in: {error}.",
            "{name} and {undo} are the only words in braces it may have.",
        ) from error


@frozen(kw_only=True)
class OptoutOptions:
    """What people write, and what follows.

    Attributes:
        words: Whoever writes one of these, and nothing else, is not recorded from then on;
            whatever the case, accents and surplus spaces.
        forget: Whoever writes one of these is not recorded since the beginning, either.
        undo: Whoever writes one of these is recorded again from then on.
        back_to_start: Whether `words` mean since the beginning, too.
        confirm: What the bot answers in the chat, to them alone where the platform has direct
            messages; `{name}` is who wrote, `{undo}` the first of `undo`. Empty for nothing.
    """

    words: tuple[str, ...] = field(default=("!optout",), validator=_words)
    forget: tuple[str, ...] = field(default=("!forget me",), validator=_words)
    undo: tuple[str, ...] = field(default=("!optin",), validator=_words)
    back_to_start: bool = False
    confirm: str = field(default=_CONFIRM, validator=_message)

    def __attrs_post_init__(self) -> None:
        """Refuse a word that means two things, and a table in which none means anything.

        Raises:
            ConfigError: It is so.
        """
        if not (self.words or self.forget):
            raise ConfigError(
                "[plugins.optout] has no words with which people could take themselves out.",
                "Leave `words` out for the default.",
            )
        said = [plain_name(word) for word in (*self.words, *self.forget, *self.undo)]
        twice = sorted({word for word in said if said.count(word) > 1})
        if twice:
            raise ConfigError(f"{twice[0]!r} in [plugins.optout] means two things.")
