"""A plugin in one file: what a house wants of every bot, whoever sends it.

meetcore join LINK --plugin examples/house_rules.py
"""

import re

import attrs

import meetcore

LONGEST_S = 3600.0
NUMBER = re.compile(r"\d[\d -]{6,}\d")


@meetcore.hookimpl
def meetcore_configure_bot(config: meetcore.BotConfig) -> meetcore.BotConfig:
    """Let no bot stay for more than an hour."""
    longest_s = min(config.automatic_leave.max_duration_s or LONGEST_S, LONGEST_S)
    leave = attrs.evolve(config.automatic_leave, max_duration_s=longest_s)
    return attrs.evolve(config, automatic_leave=leave)


@meetcore.hookimpl(fail_closed=True)
def meetcore_revise_segment(segment: meetcore.Segment) -> meetcore.Segment:
    """Leave long numbers out of every transcript."""
    return attrs.evolve(segment, text=NUMBER.sub("[number]", segment.text))


@meetcore.hookimpl
def meetcore_on_event(bot: meetcore.BotView, event: meetcore.Event) -> None:
    """Say where bots are."""
    if isinstance(event, meetcore.StateChanged):
        print(f"{bot.id}: {event.state}")
