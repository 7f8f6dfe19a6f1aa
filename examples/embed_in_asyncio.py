"""The same inside an asyncio program: the bot runs in Trio, in a thread; the events come here.

python examples/embed_in_asyncio.py LINK [OUT_DIR]
"""

import asyncio
import sys
from pathlib import Path

import meetcore


async def heartbeat() -> None:
    """Stands for everything else your asyncio program does meanwhile."""
    while True:
        await asyncio.sleep(10)
        print("the rest of the program is alive")


async def main(link: str, out_dir: Path) -> int:
    beating = asyncio.create_task(heartbeat())
    try:
        async with meetcore.from_asyncio.open_bot(
            link, name="Asyncio bot", transcriber="auto", sinks=["files"], out_dir=out_dir
        ) as bot:
            async for event in bot.events():
                match event:
                    case meetcore.SegmentFinalized(segment=segment):
                        print(f"{segment.speaker_name}: {segment.text}")
                    case meetcore.StateChanged(state=state):
                        print(f"-- {state}")
        return 0 if bot.state == "completed" else 1
    finally:
        beating.cancel()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("meetings")
    sys.exit(asyncio.run(main(sys.argv[1], folder)))
