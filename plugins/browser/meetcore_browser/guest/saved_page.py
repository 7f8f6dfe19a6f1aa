"""A page that somebody saved: HTML, a whole web page in one file (MHTML), a bundle, a trace.

What is read of a file is the page, its frames and its styles, each with the address that it had:
that is what states and readers go by. Nothing of it is executed, and nothing is fetched.
"""

from __future__ import annotations

import email
import email.policy
import html
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from meetcore_browser.errors import BrowserError
from meetcore_browser.guest.saved_text import text_of
from meetcore_browser.guest.trace_pages import trace_pages

__all__ = ["SavedPage", "SavedPageInvalid", "load_saved_pages"]

MAX_BYTES = 60_000_000
UNKNOWN_ADDRESS = "https://saved.invalid/"

# As Chromium and Internet Explorer write it, and SingleFile.
_SAVED_FROM = re.compile(
    r"<!--\s*(?:saved from url=\(\d+\)|page saved with singlefile\s+url:\s*)(https?://\S+?)\s*(?:-->|\s)",
    re.IGNORECASE,
)
_CANONICAL = re.compile(
    r"""<(?:link[^>]+rel=["']canonical["'][^>]+href|meta[^>]+property=["']og:url["'][^>]+content)"""
    r"""=["'](https?://[^"']+)""",
    re.IGNORECASE,
)
_KINDS = {".css": "text/css", ".html": "text/html", ".htm": "text/html"}
_REFRESH = re.compile(r"<meta[^>]+http-equiv\s*=\s*[\"']?refresh[^>]*>", re.IGNORECASE)


class SavedPageInvalid(BrowserError):
    """A file in which no saved page can be found."""


@frozen
class SavedPage:
    """One saved page.

    Attributes:
        address: Where it was, as far as the file says.
        markup: Its HTML.
        parts: What it refers to, by address: styles and frames, as media type and bytes.
        beside: The styles and frames in the folder that a browser made beside the file, by the
            names of folder and file.
        label: What it is called among several of a file.
        series: Whose times a trace has several of; empty for a page that is there once.
    """

    address: str
    markup: str = field(repr=False)
    parts: Mapping[str, tuple[str, bytes]] = field(factory=dict, repr=False)
    beside: Mapping[str, bytes] = field(factory=dict, repr=False)
    label: str = "page"
    series: str = ""

    def part(self, address: str) -> tuple[str, bytes] | None:
        """Return what the page refers to by an address, if the file has it."""
        if address in self.parts:
            return self.parts[address]
        path = Path(unquote(urlsplit(address).path))
        data = self.beside.get(f"{path.parent.name}/{path.name}")
        return None if data is None else _part(_KINDS[path.suffix.lower()], data)


def load_saved_pages(path: Path) -> list[SavedPage]:
    """Return the pages of a file, the newest last.

    Args:
        path: `.html`; `.mhtml`, as a browser's 'web page, single file' gives; a folder or a `.zip`
            of diagnostics; a `.zip` that Playwright's tracing wrote.

    Raises:
        SavedPageInvalid: There is no page in it, or it cannot be read; says what was expected.
    """
    try:
        pages = list(_pages(path))
    except OSError as error:
        raise SavedPageInvalid(f"{path} cannot be read: {error.strerror or error}.") from error
    if not pages:
        raise SavedPageInvalid(
            f"There is no page in {path}.",
            "Save one with the browser ('Save page as', single file), or give a bot's diagnostics.",
        )
    return pages


def _pages(path: Path) -> Iterator[SavedPage]:
    if path.is_dir():
        yield from _bundle({p.name: p.read_bytes() for p in sorted(path.iterdir()) if p.is_file()})
        return
    if path.stat().st_size > MAX_BYTES:
        raise SavedPageInvalid(f"{path} is larger than {MAX_BYTES // 1_000_000} MB.")
    data = path.read_bytes()
    if data[:4] == b"PK\x03\x04":
        yield from _zip(path)
    elif _is_mhtml(data):
        yield _mhtml(data)
    elif b"<" in data[:4000]:
        folders = [path.with_name(name) for name in _companions(path.name)]
        files = next((sorted(folder.iterdir()) for folder in folders if folder.is_dir()), [])
        beside = {f"{f.parent.name}/{f.name}": f.read_bytes() for f in files if _is_kept(f)}
        yield _alone(data, beside=beside)


def _companions(name: str) -> Iterator[str]:
    """Yield what browsers call the folder beside a page that they save with all it needs."""
    for ending in ("_files", ".files", "-Dateien", "_archivos", "_fichiers"):
        yield Path(name).stem + ending


def _is_kept(file: Path) -> bool:
    return file.suffix.lower() in _KINDS and file.is_file() and file.stat().st_size <= MAX_BYTES


def _alone(data: bytes, said: object = None, **more: Any) -> SavedPage:
    """Return a page of a file of its own; where it was is what is said, or stands in it."""
    text = text_of(data)
    found = _SAVED_FROM.search(text[:20_000]) or _CANONICAL.search(text[:200_000])
    address = _web_address(said) or (_web_address(html.unescape(found[1])) if found else None)
    return SavedPage(address or UNKNOWN_ADDRESS, _REFRESH.sub("", text), **more)


def _web_address(said: object) -> str | None:
    """Return an address of the web; None for what is none, or one of the browser's own."""
    return said if isinstance(said, str) and said.startswith(("http://", "https://")) else None


def _part(kind: str, data: bytes, charset: str | None = None) -> tuple[str, bytes]:
    """Return what stands beside a page, texts as UTF-8; no frame leads away."""
    if not kind.startswith("text/"):
        return kind, data
    text = text_of(data, charset)
    return kind, (_REFRESH.sub("", text) if kind == "text/html" else text).encode()


# --- one file with everything -----------------------------------------------------------


def _is_mhtml(data: bytes) -> bool:
    head = data[:4000].lower()
    return b"multipart/related" in head and b"mime-version" in head


def _mhtml(data: bytes) -> SavedPage:
    whole = email.message_from_bytes(data, policy=email.policy.compat32)
    address = _web_address(str(whole.get("Snapshot-Content-Location", "")).strip())
    parts: dict[str, tuple[str, bytes]] = {}
    main: tuple[str | None, str] | None = None
    for part in whole.walk():
        if part.is_multipart():
            continue
        body = part.get_payload(decode=True)
        where = str(part.get("Content-Location", "")).strip()
        name = str(part.get("Content-ID", "")).strip().strip("<>")
        charset = part.get_content_charset()
        kind, content = _part(part.get_content_type(), body if isinstance(body, bytes) else b"",
                              charset)  # fmt: skip
        if kind in ("text/html", "text/css"):
            content = _without_cid(content.decode()).encode()
        if kind == "text/html" and main is None:
            main = (_web_address(where), content.decode())
            continue
        for key in (where, f"https://cid.invalid/{name}" if name else ""):
            if key:
                parts[key] = (kind, content)
    if main is None:
        raise SavedPageInvalid("The single-file page has no part of type text/html.")
    return SavedPage(address or main[0] or UNKNOWN_ADDRESS, main[1], parts)


def _without_cid(text: str) -> str:
    return re.sub(r"\bcid:([^\"'\s)>]+)", r"https://cid.invalid/\1", text)


# --- bundles and traces -----------------------------------------------------------------


def _zip(path: Path) -> Iterator[SavedPage]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > 10 * MAX_BYTES:
                raise SavedPageInvalid(f"What is in {path} is larger than it may be.")
            names = archive.namelist()
            if any(name.endswith(".trace") for name in names):
                for found in trace_pages(archive):
                    # A page that never came stands at an address of the browser's own.
                    parts = {
                        where: ("text/html", _REFRESH.sub("", markup).encode())
                        for where, markup in found.frames.items()
                    }
                    yield SavedPage(
                        _web_address(found.address) or UNKNOWN_ADDRESS,
                        _REFRESH.sub("", found.markup),
                        parts,
                        label=found.label,
                        series=found.label.partition(",")[0],
                    )
                return
            pages = [name for name in names if name.lower().endswith((".html", ".htm"))]
            folders = {str(Path(name).parent) for name in pages}
            companions = {
                str(Path(name).with_name(each)) for name in pages for each in _companions(name)
            }
            for folder in sorted(folders - companions):
                files = {
                    str(Path(name).relative_to(folder)): archive.read(name)
                    for name in names
                    if Path(name).is_relative_to(folder) and not name.endswith("/")
                    and len(Path(name).relative_to(folder).parts) <= 2
                }  # fmt: skip
                yield from _bundle(files, folder)
    except zipfile.BadZipFile as error:
        raise SavedPageInvalid(f"{path} is no whole zip file: {error}.") from error


def _bundle(files: Mapping[str, bytes], label: str = "page") -> Iterator[SavedPage]:
    """A folder of diagnostics (page.html, frame-1.html …, report.json), or what a browser saved."""
    report: Any
    try:
        report = json.loads(files.get("report.json", b"{}"))
    except ValueError:
        report = {}
    report = report if isinstance(report, dict) else {}
    page = report.get("page")
    said = page.get("url") if isinstance(page, dict) else None
    names = sorted(name for name in files if re.fullmatch(r"[^/]+\.html?", name, re.IGNORECASE))
    main = "page.html" if "page.html" in names else next(iter(names), None)
    if main is None:
        return
    told = report.get("frames")
    frames = [each for each in told[1:] if _web_address(each)] if isinstance(told, list) else []
    kept = {
        address: _part("text/html", files[f"frame-{number}.html"])
        for number, address in enumerate(frames, start=1)
        if f"frame-{number}.html" in files
    }
    folders = tuple(f"{each}/" for each in _companions(main))
    beside = {
        name: data
        for name, data in files.items()
        if name.startswith(folders) and Path(name).suffix.lower() in _KINDS
    }
    yield _alone(
        files[main], _web_address(said) or report.get("url"), parts=kept, beside=beside, label=label
    )
