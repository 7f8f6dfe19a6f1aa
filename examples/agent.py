"""A voice agent that answers when its name is said, with nothing but this machine.

python examples/agent.py LINK --name Notes

It hears by whatever transcriber is there (`auto`: whisper or pocketsphinx) and speaks by flite
(`apt-get install flite`). It falls silent when somebody begins to speak. What it says is in the
transcript under its name, and wakes nobody: `segment.by_bot`.
"""

import argparse
import re
from collections.abc import Callable

import trio

import meetcore

SETTINGS: meetcore.BotSettings = {
    "synthesizer": "flite",
    "speech": {"barge_in": "stop", "in_transcript": True},
}


def answer_to(said: str, bot: meetcore.Bot) -> str:
    """Return what to say to somebody. A language model would have its place here."""
    if re.search(r"\bwho\b", said, re.IGNORECASE):
        names = " and ".join(each.name for each in bot.roster.others)
        return f"I see {names}." if names else "I see nobody."
    if re.search(r"\b(bye|leave)\b", said, re.IGNORECASE):
        return "Goodbye."
    return f"I am {bot.config.name}. I take notes. Ask me who is here."


async def attend(bot: meetcore.Bot, answer: Callable[[str, meetcore.Bot], str] = answer_to) -> None:
    """Answer whoever says the bot's name, until the meeting is over."""
    name = re.compile(rf"\b{re.escape(bot.config.name)}\b", re.IGNORECASE)
    answered: set[str] = set()
    async for event in bot.events():
        if not isinstance(event, meetcore.SegmentFinalized):
            continue
        segment = event.segment
        if segment.by_bot or segment.id in answered or not name.search(segment.text):
            continue
        answered.add(segment.id)  # a later revision says who it was, not something new
        try:
            bot.say(answer(segment.text, bot), when_speaking="interrupt")
        except meetcore.CommandRefused as error:
            print(f"Nothing said: {error}")


async def main(link: str, name: str) -> None:
    """Send the agent to a meeting."""
    async with meetcore.open_bot(link, name=name, transcriber="auto", **SETTINGS) as bot:
        await attend(bot)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A voice agent that answers to its name.")
    parser.add_argument("link")
    parser.add_argument("--name", default="Notes")
    given = parser.parse_args()
    trio.run(main, given.link, given.name)
