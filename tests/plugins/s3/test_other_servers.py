"""A second server, by others: files there are as they should be; its lack of conditions is told."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

import pytest
import trio

from meetcore import ConfigError, NoSuchFile

from .places import LEAST, bucket_for, everything_in, open_s3
from .servers import S3Server, moto_server, nanio_server

T = TypeVar("T")
SERVERS = pytest.mark.parametrize("start", [moto_server, nanio_server], ids=["moto", "nanio"])


async def _all(items: AsyncGenerator[T, None]) -> list[T]:
    async with aclosing(items):
        return [item async for item in items]


def fetched(url: str, **headers: str) -> bytes:
    """Return what anybody gets who has a link."""
    from urllib.request import Request

    with build_opener(ProxyHandler({})).open(Request(url, headers=headers), timeout=20) as answer:
        return bytes(answer.read())


@SERVERS
async def test_files_are_found_read_in_part_and_deleted(start, tmp_path: Path) -> None:
    """Small ones, ones of several parts, empty ones, and ones with names of every kind."""
    server: S3Server = start()
    with trio.fail_after(60):
        media = open_s3(server, bucket_for(server, tmp_path), tmp_path / "w").media("b-1")
        large = bytes(range(256)) * (2 * LEAST // 256) + b"the end"
        given = {
            "files/deep/note.txt": b"0123456789",
            "files/empty.bin": b"",
            "files/mix.opus": large,
            "files/Zoë & Bo +1 (50%).txt": b"names",
        }
        for name, content in given.items():
            source = tmp_path / "source"
            source.write_bytes(content)
            kept = await media.put(name, source)
            assert (kept.name, kept.size_bytes) == (name, len(content))
            assert kept.modified_at.tzinfo is not None
        assert [file.name for file in await _all(media.files())] == sorted(given)
        assert [f.name for f in await _all(media.files("files/deep"))] == ["files/deep/note.txt"]
        for name, content in given.items():
            assert await media.read_bytes(name) == content
        part = await _all(media.read("files/mix.opus", LEAST - 3, 10))
        assert b"".join(part) == large[LEAST - 3 : LEAST + 7]
        assert await _all(media.read("files/deep/note.txt", 10)) == []
        assert await _all(media.read("files/deep/note.txt", 3, 0)) == []
        assert await media.stat("files/none") is None
        with pytest.raises(NoSuchFile):
            await media.read_bytes("files/none")
        assert await media.delete("files/mix.opus")
        assert not await media.delete("files/mix.opus")
        assert await media.stat("files/mix.opus") is None


@SERVERS
async def test_a_link_gives_a_file_to_whoever_has_it_until_it_expires(
    start, tmp_path: Path
) -> None:
    """Whole or in part; another object, or a changed time, is refused where signatures are."""
    server: S3Server = start()
    with trio.fail_after(60):
        store = open_s3(server, bucket_for(server, tmp_path), tmp_path / "w", presign_s=60.0)
        source = tmp_path / "source"
        source.write_bytes(b"0123456789")
        for name in ("files/note.txt", "files/other.txt"):
            await store.media("b-1").put(name, source)
        url = await store.media("b-1").presign("files/note.txt", 3600.0)
        assert url is not None
        assert "X-Amz-Expires=60" in url  # never longer than is set
        assert await trio.to_thread.run_sync(fetched, url) == b"0123456789"
        get = lambda: fetched(url, Range="bytes=2-4")  # noqa: E731
        assert await trio.to_thread.run_sync(get) == b"234"
        if server.name == "nanio":  # which looks at signatures
            for bad in (
                url.replace("note.txt", "other.txt"),
                url.replace("X-Amz-Expires=60", "X-Amz-Expires=600"),
                urlsplit(url)._replace(query="").geturl(),
            ):
                with pytest.raises(HTTPError) as refused:
                    await trio.to_thread.run_sync(fetched, bad)
                refused.value.close()
                assert refused.value.code == 403
            short = await store.media("b-1").presign("files/note.txt", 1.0)
            assert short is not None
            with pytest.raises(HTTPError) as expired:
                while True:
                    await trio.to_thread.run_sync(fetched, short)
                    await trio.sleep(0.2)
            expired.value.close()
            assert expired.value.code == 403


async def test_a_server_without_conditional_writes_keeps_a_bot_from_starting(
    tmp_path: Path,
) -> None:
    """It is said before anything of the bot is written; `/ready` and `doctor` say it, too."""
    server = nanio_server()
    bucket = bucket_for(server, tmp_path)
    store = open_s3(server, bucket, tmp_path / "w")
    with trio.fail_after(60):
        with pytest.raises(ConfigError, match="conditions of a write") as told:
            await store.take("b-1", "me", 20.0)
        assert "conditional writes" in told.value.remedy
        assert "conditions of a write" in await store.trouble()
    assert list(everything_in(server, bucket)) == ["mine/conditions"]
