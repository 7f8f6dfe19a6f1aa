"""A plugin in one file: after the meeting an endpoint of your choice sums up what was said.

meetcore join LINK --plugin examples/summary_sink.py --sink summary \
    --set plugins.summary.base_url=http://127.0.0.1:11434/v1 --set plugins.summary.model=llama3

Any endpoint that speaks OpenAI's chat completions will do; the key, where one is needed, is
`plugins.summary.key`. What was said goes to that endpoint and nowhere else, and only if you name
the sink. Every sentence cites what it rests on: a citation of something that was not said is
taken out, and a summary without a citation is marked as such.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import httpx2
import trio

import meetcore
from meetcore.model import paragraphs_of

ASK = (
    "Sum up this meeting in at most eight sentences, then list decisions and tasks with their "
    "owners. After each sentence cite the numbered paragraphs it rests on, like [3] or [3][7]. "
    "Say nothing that is not in them. Write in the language of the meeting."
)
CITATION = re.compile(r"\[(\d+)\]")


@attrs.frozen(kw_only=True)
class SummaryOptions:
    """Where the summary comes from.

    Attributes:
        base_url: The endpoint, up to and with `/v1`.
        model: The model's name there.
        key: What it asks for, if anything.
        timeout_s: How long it may take.
    """

    base_url: str = ""
    model: str = ""
    key: meetcore.Secret | None = None
    timeout_s: float = 120.0


class SummarySink(meetcore.Sink[SummaryOptions]):
    """Writes `summary/summary.md` when the meeting is over."""

    name = "summary"
    wants_events = False
    finish_timeout_s = 150.0

    def __init__(self, options: SummaryOptions | None = None) -> None:
        super().__init__(options)
        if not self.options.base_url or not self.options.model:
            raise meetcore.ConfigError(
                "[plugins.summary] lacks base_url or model.",
                'For instance base_url = "http://127.0.0.1:11434/v1", model = "llama3".',
            )

    @asynccontextmanager
    async def open(self, context: meetcore.SinkContext) -> AsyncIterator[None]:
        self.context = context
        yield

    async def finish(self) -> None:
        transcript = meetcore.Transcript()
        for event in self.context.journal.read():
            if isinstance(event, meetcore.SegmentFinalized):
                transcript.finalized(event.segment)
        paragraphs = paragraphs_of(transcript.segments, fillers=False)
        if not paragraphs:
            return
        said = "\n".join(
            f"[{number}] {each.speaker_name or 'Unknown'}: {each.text}"
            for number, each in enumerate(paragraphs, 1)
        )
        with trio.fail_after(self.options.timeout_s):
            answer = await self._ask(said)
        places = {
            number: f"{int(each.start_s // 60):02d}:{int(each.start_s % 60):02d}"
            for number, each in enumerate(paragraphs, 1)
        }
        text = CITATION.sub(lambda found: cited(int(found[1]), places), answer).strip()
        text = re.sub(r" +([.,;])", r"\1", text)
        if not CITATION.search(text):
            text += "\n\n*This summary cites nothing: check it against the transcript.*"
        folder = self.context.folder / self.context.name
        folder.mkdir(exist_ok=True)
        path = folder / "summary.md"
        path.write_text(text + "\n", "utf-8")
        self.context.report(
            meetcore.ArtifactWritten(
                kind="summary",
                path=f"{self.context.name}/{path.name}",
                media_type="text/markdown; charset=utf-8",
                size_bytes=path.stat().st_size,
            )
        )

    async def _ask(self, said: str) -> str:
        key = self.options.key
        headers = {"Authorization": f"Bearer {key.reveal()}"} if key is not None else {}
        messages = [{"role": "system", "content": ASK}, {"role": "user", "content": said}]
        async with httpx2.AsyncClient(timeout=None, headers=headers) as client:
            answer = await client.post(
                f"{self.options.base_url.rstrip('/')}/chat/completions",
                json={"model": self.options.model, "messages": messages, "temperature": 0},
            )
        if answer.status_code != 200:
            raise meetcore.PluginError(
                f"{self.options.base_url} answered {answer.status_code}.",
                "The transcript is there; only the summary is missing.",
            )
        try:
            return str(answer.json()["choices"][0]["message"]["content"])
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise meetcore.PluginError(
                f"{self.options.base_url} answered what is no chat completion."
            ) from error


def cited(number: int, places: dict[int, str]) -> str:
    """Return a citation with its time in the meeting, nothing for what was not said."""
    return f"[{number}]({places[number]})" if number in places else ""


@meetcore.hookimpl
def meetcore_register_sinks(register) -> None:
    register(SummarySink)
