"""The reference bot: attend a meeting, print who said what, keep everything, leave by the rules.

python examples/reference_bot.py LINK [OUT_DIR]
"""

import sys
from pathlib import Path

import trio

import meetcore


async def greet(bot: meetcore.Bot) -> None:
    try:
        await bot.send_chat("Hello, I take notes. Write 'stop' and I leave.")
    except meetcore.MeetcoreError as error:  # a meeting without a chat, or a closed one
        print(f"no greeting: {error}")


async def attend(link: str, out_dir: Path) -> int:
    leave = meetcore.AutomaticLeave(everyone_left_s=30, silence_s=600, waiting_room_s=300)
    async with meetcore.open_bot(
        link,
        name="Reference bot",
        transcriber="auto",
        sinks=["files"],
        out_dir=out_dir,
        automatic_leave=leave,
    ) as bot:
        async for event in bot.events():
            match event:
                case meetcore.StateChanged(state="awaiting_admission", evidence=seen):
                    print((seen and seen.hint) or f"please admit {bot.config.name!r}")
                case meetcore.StateChanged(state="recording", previous="in_call"):
                    await greet(bot)
                case meetcore.SegmentFinalized(segment=segment):
                    print(f"{segment.start_s:7.1f}  {segment.speaker_name}: {segment.text}")
                case meetcore.ChatReceived(by_bot=False, text="stop"):
                    await bot.stop("asked to in the chat")
                case meetcore.ArtifactWritten(path=path):
                    print(f"wrote {bot.folder / path}")
        terminal = await bot.wait_ended()
    print(f"{terminal.state}: {terminal.reason}")
    return 0 if terminal.state == "completed" else 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("meetings")
    sys.exit(trio.run(attend, sys.argv[1], folder))
