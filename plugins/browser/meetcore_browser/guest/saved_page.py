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
from meetcore_browser.guest.trace_pages import trace_pages

__all__ = ["SavedPage", "SavedPageInvalid", "load_saved_pages"]

MAX_BYTES = 60_000_000
UNKNOWN_ADDRESS = "https://saved.invalid/"

_SAVED_FROM = re.compile(rb"<!--\s*saved from url=\(\d+\)(\S+?)\s*-->", re.IGNORECASE)
_CANONICAL = re.compile(
    rb"""<(?:link[^>]+rel=["']canonical["'][^>]+href|meta[^>]+property=["']og:url["'][^>]+content)"""
    rb"""=["'](https?://[^"']+)""",
    re.IGNORECASE,
)
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
        folder: The folder beside the file in which a browser kept the rest, if there is one.
        label: What it is called among several of a file.
    """

    address: str
    markup: str = field(repr=False)
    parts: Mapping[str, tuple[str, bytes]] = field(factory=dict, repr=False)
    folder: Path | None = None
    label: str = "page"

    def part(self, address: str) -> tuple[str, bytes] | None:
        """Return what the page refers to by an address, if the file has it."""
        if address in self.parts:
            return self.parts[address]
        if self.folder is None:
            return None
        path = unquote(urlsplit(address).path)
        name = Path(path).name
        kept = self.folder / name
        if Path(path).parent.name != self.folder.name or not kept.is_file():
            return None
        kinds = {".css": "text/css", ".html": "text/html", ".htm": "text/html"}
        return kinds.get(kept.suffix, "application/octet-stream"), kept.read_bytes()


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
        folder = next((f for f in _companions(path) if f.is_dir()), None)
        yield SavedPage(_address_in(data), _markup(data), folder=folder)


def _companions(path: Path) -> Iterator[Path]:
    for ending in ("_files", ".files", "-Dateien", "_archivos", "_fichiers"):
        yield path.with_name(path.stem + ending)


def _address_in(data: bytes) -> str:
    found = _SAVED_FROM.search(data[:20_000]) or _CANONICAL.search(data[:200_000])
    return html.unescape(found[1].decode("utf-8", "replace")) if found else UNKNOWN_ADDRESS


def _markup(data: bytes) -> str:
    text = data.decode("utf-8-sig", "replace")
    return _REFRESH.sub("", text)


# --- one file with everything -----------------------------------------------------------


def _is_mhtml(data: bytes) -> bool:
    head = data[:4000].lower()
    return b"multipart/related" in head and b"mime-version" in head


def _mhtml(data: bytes) -> SavedPage:
    whole = email.message_from_bytes(data, policy=email.policy.compat32)
    address = str(whole.get("Snapshot-Content-Location", "")).strip()
    parts: dict[str, tuple[str, bytes]] = {}
    main: tuple[str, str] | None = None
    for part in whole.walk():
        if part.is_multipart():
            continue
        body = part.get_payload(decode=True)
        content = body if isinstance(body, bytes) else b""
        where = str(part.get("Content-Location", "")).strip()
        name = str(part.get("Content-ID", "")).strip().strip("<>")
        kind = part.get_content_type()
        if kind == "text/html":
            text = _without_cid(_markup(content))
            if main is None:
                main = (where or address or UNKNOWN_ADDRESS, text)
                continue
            content = text.encode()
        elif kind == "text/css":
            content = _without_cid(content.decode("utf-8", "replace")).encode()
        for key in (where, f"https://cid.invalid/{name}" if name else ""):
            if key:
                parts[key] = (kind, content)
    if main is None:
        raise SavedPageInvalid("The single-file page has no part of type text/html.")
    return SavedPage(address or main[0], main[1], parts)


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
                for address, markup, label in trace_pages(archive):
                    # A page that never came stands at an address of the browser's own.
                    known = address if address.startswith(("http:", "https:")) else UNKNOWN_ADDRESS
                    yield SavedPage(known, _REFRESH.sub("", markup), label=label)
                return
            folders = sorted({str(Path(name).parent) for name in names if name.endswith(".html")})
            for folder in folders:
                files = {
                    Path(name).name: archive.read(name)
                    for name in names
                    if str(Path(name).parent) == folder and not name.endswith("/")
                }
                yield from _bundle(files, folder)
    except zipfile.BadZipFile as error:
        raise SavedPageInvalid(f"{path} is no whole zip file: {error}.") from error


def _bundle(files: Mapping[str, bytes], label: str = "page") -> Iterator[SavedPage]:
    """A folder of diagnostics: page.html, frame-1.html …, report.json."""
    report: dict[str, Any] = {}
    try:
        report = json.loads(files.get("report.json", b"{}"))
    except ValueError:
        report = {}
    page = report.get("page") if isinstance(report, dict) else None
    said = page.get("url") if isinstance(page, dict) else None
    said = said or (report.get("url") if isinstance(report, dict) else None)
    names = [name for name in files if name.endswith((".html", ".htm"))]
    main = "page.html" if "page.html" in names else next(iter(sorted(names)), None)
    if main is None:
        return
    address = said if isinstance(said, str) and said.startswith("http") else None
    data = files[main]
    yield SavedPage(address or _address_in(data), _markup(data), label=label)
