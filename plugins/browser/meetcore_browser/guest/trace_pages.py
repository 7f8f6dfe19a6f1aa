"""The pages in a trace of Playwright's, with their frames, at some times of it.

A snapshot is a tree of lists: text is a string, an element `[name, attributes, *children]`, and
`[[n, i]]` means the node numbered `i`, as the trace viewer counts, of the snapshot `n` snapshots
before, of the same frame. A frame in a page has the address `/snapshot/` and its id. (Format as
Playwright 1.6x writes it and its trace viewer reads it, 2026.)
"""

from __future__ import annotations

import html
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from attrs import define, field, frozen

__all__ = ["TracePage", "trace_pages"]

MOST = 24

_VOID = frozenset(
    "area base br col embed hr img input link meta param source track wbr".split()  # noqa: SIM905
)
_DEEPEST = 400


@frozen
class TracePage:
    """What a page was at one time.

    Attributes:
        address: Where it was.
        markup: Its HTML.
        frames: What stood in its frames of the same origin, by the address that its HTML has now.
        label: Which it is of the trace.
    """

    address: str
    markup: str
    frames: Mapping[str, str]
    label: str


def trace_pages(archive: zipfile.ZipFile) -> Iterator[TracePage]:
    """Yield the pages of a trace, each as it was at some times, the newest last.

    Of a page there are at most `MOST`: the last at every address, and others evenly over its time.
    """
    frames: dict[str, _TraceFrame] = {}
    mains: dict[str, list[_MainSnapshot]] = {}
    for snapshot in _snapshots(archive):
        page, name = str(snapshot.get("pageId", "")), str(snapshot.get("frameId", ""))
        frame = frames.setdefault(name, _TraceFrame(page))
        frame.trees.append(snapshot.get("html"))
        frame.address = str(snapshot.get("frameUrl", ""))
        at = len(frame.trees) - 1
        if snapshot.get("isMainFrame", True):
            mains.setdefault(name, []).append(_MainSnapshot(frame.address, at))
        else:
            for moments in (mains[main] for main in mains if frames[main].page == page):
                moments[-1].frames[name] = (frame.address, at)
    trees = {name: _SnapshotTrees(frame.trees) for name, frame in frames.items()}
    for number, (name, moments) in enumerate(mains.items(), start=1):
        for at, moment in _thinned(moments):
            kept = {
                urljoin(moment.address, f"/snapshot/{inner}"): trees[inner].markup(index)
                for inner, (address, index) in moment.frames.items()
                if urlsplit(address)[:2] == urlsplit(moment.address)[:2]
            }
            label = f"page {number}, {at + 1} of {len(moments)}"
            yield TracePage(moment.address, trees[name].markup(moment.index), kept, label)


@define
class _TraceFrame:
    page: str
    address: str = ""
    trees: list[Any] = field(factory=list)


@define
class _MainSnapshot:
    """A main frame's snapshot, by its number, and those of other frames taken with it."""

    address: str
    index: int
    frames: dict[str, tuple[str, int]] = field(factory=dict)


def _snapshots(archive: zipfile.ZipFile) -> Iterator[dict[str, Any]]:
    for name in archive.namelist():
        if not name.endswith(".trace"):
            continue
        for line in archive.read(name).splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            snapshot = entry.get("snapshot") if isinstance(entry, dict) else None
            if isinstance(snapshot, dict) and entry.get("type") == "frame-snapshot":
                yield snapshot


def _thinned(moments: list[_MainSnapshot]) -> list[tuple[int, _MainSnapshot]]:
    last = len(moments) - 1
    chosen = {at for at in range(last) if moments[at].address != moments[at + 1].address}
    chosen = {last, *sorted(chosen)[-MOST // 2 :]}
    spare = MOST - len(chosen)
    chosen |= {last * step // spare for step in range(spare)}
    found = [(at, moments[at]) for at in sorted(chosen)]
    there = [each for each in found if each[1].address.startswith(("http:", "https:"))]
    return there or found[-1:]


class _SnapshotTrees:
    """The snapshots of one frame, which refer back to one another."""

    def __init__(self, trees: list[Any]) -> None:
        self._trees = trees
        self._numbered: dict[int, list[Any]] = {}

    def markup(self, index: int) -> str:
        return "<!doctype html>\n" + "".join(self._render(self._trees[index], index, 0))

    def _nodes(self, index: int) -> list[Any]:
        """Return the nodes of a snapshot in the order in which they are counted: children first."""
        if index not in self._numbered:
            found: list[Any] = []
            self._count(self._trees[index], found, 0)
            self._numbered[index] = found
        return self._numbered[index]

    def _count(self, node: Any, found: list[Any], depth: int) -> None:
        if depth > _DEEPEST:
            return
        if isinstance(node, str):
            found.append(node)
        elif _is_element(node):
            for child in node[2:]:
                self._count(child, found, depth + 1)
            found.append(node)

    def _render(self, node: Any, index: int, depth: int) -> Iterator[str]:
        if depth > _DEEPEST:
            return
        if isinstance(node, str):
            yield html.escape(node, quote=False)
        elif _is_reference(node):
            back, number = node[0]
            earlier = index - back
            if 0 <= earlier < len(self._trees):
                nodes = self._nodes(earlier)
                if 0 <= number < len(nodes):
                    yield from self._render(nodes[number], earlier, depth + 1)
        elif _is_element(node):
            yield from self._element(node, index, depth)

    def _element(self, node: list[Any], index: int, depth: int) -> Iterator[str]:
        name = str(node[0]).lower()
        if name in ("script", "noscript", "x-pw-iframe"):
            return
        attributes = node[1] if len(node) > 1 and isinstance(node[1], dict) else {}
        said = "".join(
            f' {key}="{html.escape(str(value))}"'
            for key, value in attributes.items()
            if key.replace("-", "").replace("_", "").replace(":", "").isalnum()
        )
        yield f"<{name}{said}>"
        if name in _VOID:
            return
        for child in node[2:]:
            if name == "style" and isinstance(child, str):
                yield child
            else:
                yield from self._render(child, index, depth + 1)
        yield f"</{name}>"


def _is_element(node: Any) -> bool:
    return isinstance(node, list) and bool(node) and isinstance(node[0], str)


def _is_reference(node: Any) -> bool:
    return (
        isinstance(node, list)
        and len(node) == 1
        and isinstance(node[0], list)
        and len(node[0]) == 2
        and all(isinstance(number, int) for number in node[0])
    )
