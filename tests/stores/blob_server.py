"""A small HTTP server that keeps files, for tests of stores: `python blob_server.py DIR`.

It prints its port. `PUT`, `GET` (with `Range`), `HEAD` and `DELETE` of `/BOT/NAME`; `GET /BOT/`
lists the names below, `DELETE /BOT/` deletes them all.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote
from uuid import uuid4


class BlobHandler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    root: Path

    def _place(self) -> Path:
        return self.root / unquote(self.path).strip("/")

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_PUT(self) -> None:
        """Keep a file, whole or not at all."""
        place = self._place()
        place.parent.mkdir(parents=True, exist_ok=True)
        spare = place.with_name(f".{uuid4().hex}")
        spare.write_bytes(self._body())
        spare.replace(place)
        self._answer(204)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_GET(self) -> None:
        """Send a file, part of it, or the list of names."""
        place = self._place()
        if self.path.endswith("/"):
            names = sorted(
                path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()
            )
            self._answer(200, json.dumps(names).encode())
            return
        if not place.is_file():
            self._answer(404)
            return
        data, changed = place.read_bytes(), formatdate(place.stat().st_mtime, usegmt=True)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self._answer(200, data, Last_Modified=changed)
        elif int(asked[1]) >= len(data):
            self._answer(416)
        else:
            last = int(asked[2]) if asked[2] else len(data) - 1
            self._answer(206, data[int(asked[1]) : last + 1], Last_Modified=changed)

    do_HEAD = do_GET  # noqa: N815

    def do_DELETE(self) -> None:
        """Delete a file, or all of a bot's."""
        place = self._place()
        if place.is_dir():
            count = sum(path.is_file() for path in place.rglob("*"))
            shutil.rmtree(place)
            self._answer(200, str(count).encode())
        elif place.is_file():
            place.unlink()
            self._answer(200, b"1")
        else:
            self._answer(404, b"0")

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve until killed, or until whoever started it is gone."""
    BlobHandler.root = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), BlobHandler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
