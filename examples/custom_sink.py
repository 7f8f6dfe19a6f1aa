"""A plugin in one file: a sink that prints who has the floor.

meetcore join LINK --plugin examples/custom_sink.py --sink floor
"""

from collections import Counter

import meetcore


class FloorSink(meetcore.Sink):
    """Counts the words of each speaker and tells the result at the end."""

    name = "floor"

    def __init__(self, options: object = None) -> None:
        super().__init__(options)
        self.words: Counter[str] = Counter()

    async def deliver(self, event: meetcore.Event) -> None:
        if isinstance(event, meetcore.SegmentFinalized):
            segment = event.segment
            self.words[segment.speaker_name or "unknown"] += len(segment.text.split())

    async def finish(self) -> None:
        for name, count in self.words.most_common():
            print(f"{name} said {count} words")


@meetcore.hookimpl
def meetcore_register_sinks(register) -> None:
    register(FloorSink)
