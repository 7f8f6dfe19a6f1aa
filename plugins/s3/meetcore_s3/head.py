"""A bot's log in a bucket: one small object that is replaced, and pages that never change. Pure.

A bucket has no transactions: nothing is written to two objects at once, and nothing says that an
object may be written only while another has some content. It has one thing that is enough: an
object is replaced only if it is still the one that was read (`If-Match` with its ETag).

So everything that has to be true at once is in one object, the **head** of a bot: who has the lease
and its number, which pages there are, and the newest lines themselves. To append is to replace the
head; whoever lost the lease has read a head that is not there any more, and is refused. When the
lines in the head grow large they become a **page**, an object that is named after its content and
written before the head that names it. A page that no head names, because that replacement was
refused, is never read, and goes when the bot is deleted.

A head is a line of JSON, then lines of the log; a page is lines of the log. Each line of the log
stands behind its number and its size in bytes: `7 212`, newline, 212 bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from attrs import evolve, field, frozen

from meetcore import StorageUnavailable
from meetcore.log import StoredLine

__all__ = ["BotHead", "LogPage", "decode_lines", "encode_lines"]

_FORMAT = 1
_TAIL_BYTES = 64 * 1024
"""So many bytes of lines stay in the head, which is written anew with each of them."""
_PAGE_BYTES = 256 * 1024
"""A page has no more, unless a single line has."""


@frozen
class LogPage:
    """An object with lines that stays as it is.

    Attributes:
        first: Number of its first line.
        last: Number of its last line.
        digest: The beginning of the SHA-256 of its content.
    """

    first: int
    last: int
    digest: str

    @property
    def name(self) -> str:
        """Its name below the bot's pages: in the order of lines, and never twice for two."""
        return f"{self.first:010d}-{self.last:010d}-{self.digest}"


@frozen(kw_only=True)
class BotHead:
    """What is known of a bot in one object.

    Attributes:
        lease: Number of the newest lease; 0 before the first.
        holder: Who has it.
        for_s: How long after it was written the lease holds; 0 where it was given up.
        mark: Something that no other head has, so that two are never the same bytes.
        pages: The pages there are, in order.
        tail: The newest lines, which are in no page.
    """

    lease: int
    holder: str
    for_s: float
    mark: str
    pages: tuple[LogPage, ...] = ()
    tail: tuple[StoredLine, ...] = field(default=(), repr=False)

    @property
    def last_seq(self) -> int:
        """Number of the newest line, 0 where there is none."""
        if self.tail:
            return self.tail[-1][0]
        return self.pages[-1].last if self.pages else 0

    def with_lines(
        self, lines: Iterable[StoredLine], mark: str
    ) -> tuple[BotHead, list[tuple[LogPage, bytes]]]:
        """Return a head with more lines, and the pages that have to be there before it is.

        Lines that are there already stand as they are.
        """
        last = self.last_seq
        tail = [*self.tail, *((seq, bytes(line)) for seq, line in lines if seq > last)]
        made: list[tuple[LogPage, bytes]] = []
        if sum(len(line) for _, line in tail) > _TAIL_BYTES:
            made = [_page(part) for part in _parts(tail)]
            tail = []
        pages = (*self.pages, *(page for page, _ in made))
        return evolve(self, pages=pages, tail=tuple(tail), mark=mark), made

    def encode(self) -> bytes:
        """Return it as an object."""
        about = {
            "format": _FORMAT,
            "lease": self.lease,
            "holder": self.holder,
            "for_s": self.for_s,
            "mark": self.mark,
            "pages": [[page.first, page.last, page.digest] for page in self.pages],
        }
        head = json.dumps(about, separators=(",", ":"), ensure_ascii=False).encode()
        return head + b"\n" + encode_lines(self.tail)

    @classmethod
    def decode(cls, data: bytes) -> BotHead:
        """Return what an object says.

        Raises:
            StorageUnavailable: It is no head, or one of a later version.
        """
        first, _, rest = data.partition(b"\n")
        try:
            about: dict[str, Any] = json.loads(first)
            form = int(about["format"])
            if form <= _FORMAT:
                return cls(
                    lease=int(about["lease"]),
                    holder=str(about["holder"]),
                    for_s=float(about["for_s"]),
                    mark=str(about["mark"]),
                    pages=tuple(LogPage(int(a), int(b), str(c)) for a, b, c in about["pages"]),
                    tail=tuple(decode_lines(rest)),
                )
        except (ValueError, KeyError, TypeError) as error:
            raise StorageUnavailable(
                "The head of a bot in the bucket is damaged, or is none.",
                "Restore an earlier version of the object, or delete the bot.",
            ) from error
        raise StorageUnavailable(
            f"The bot was written by a later version of meetcore (format {form}).",
            "Read it with that version.",
        )


def encode_lines(lines: Iterable[StoredLine]) -> bytes:
    """Return lines with their numbers and sizes."""
    return b"".join(b"%d %d\n%s" % (seq, len(line), line) for seq, line in lines)


def decode_lines(data: bytes) -> list[StoredLine]:
    """Return the lines of a page.

    Raises:
        ValueError: It breaks off, or is no page.
    """
    found: list[StoredLine] = []
    at = 0
    while at < len(data):
        end = data.index(b"\n", at)
        seq, size = (int(number) for number in data[at:end].split(b" "))
        at = end + 1 + size
        if size < 0 or at > len(data):
            raise ValueError("the page breaks off")
        found.append((seq, data[end + 1 : at]))
    return found


def _page(lines: Sequence[StoredLine]) -> tuple[LogPage, bytes]:
    content = encode_lines(lines)
    digest = hashlib.sha256(content).hexdigest()[:16]
    return LogPage(lines[0][0], lines[-1][0], digest), content


def _parts(lines: Sequence[StoredLine]) -> list[list[StoredLine]]:
    """Cut lines into pages."""
    parts: list[list[StoredLine]] = [[]]
    size = 0
    for seq, line in lines:
        if parts[-1] and size + len(line) > _PAGE_BYTES:
            parts.append([])
            size = 0
        parts[-1].append((seq, line))
        size += len(line)
    return parts
