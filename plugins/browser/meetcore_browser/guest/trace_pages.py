"""The pages in a trace of Playwright's: the newest snapshot of each frame that is a page's own.

A snapshot is a tree of lists: text is a string, an element `[name, attributes, *children]`, and
`[[n, i]]` means the node numbered `i`, as the trace viewer counts, of the snapshot `n` snapshots
before. (Format as the trace viewer of Playwright reads it, 2026.)
"""

from __future__ import annotations

import html
import json
import zipfile
from collections.abc import Iterator
from typing import Any

__all__ = ["trace_pages"]

_VOID = frozenset(
    "area base br col embed hr img input link meta param source track wbr".split()  # noqa: SIM905
)
_DEEPEST = 400


def trace_pages(archive: zipfile.ZipFile) -> Iterator[tuple[str, str, str]]:
    """Yield address, markup and label of the last snapshot of every page in a trace."""
    frames: dict[str, list[dict[str, Any]]] = {}
    for name in archive.namelist():
        if not name.endswith(".trace"):
            continue
        for line in archive.read(name).splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and entry.get("type") == "frame-snapshot":
                snapshot = entry.get("snapshot")
                if isinstance(snapshot, dict) and snapshot.get("isMainFrame", True):
                    frames.setdefault(str(snapshot.get("frameId", "")), []).append(snapshot)
    for number, snapshots in enumerate(frames.values(), start=1):
        newest = snapshots[-1]
        markup = _SnapshotTrees(snapshots).markup(len(snapshots) - 1)
        yield str(newest.get("frameUrl", "")), markup, f"page {number}"


class _SnapshotTrees:
    """The snapshots of one frame, which refer back to one another."""

    def __init__(self, snapshots: list[dict[str, Any]]) -> None:
        self._trees = [snapshot.get("html") for snapshot in snapshots]
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
