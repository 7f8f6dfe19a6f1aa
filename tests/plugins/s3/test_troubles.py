"""What a bucket can answer is told in plain words, in time, and without a key."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from meetcore import ConfigError, Secret, StorageUnavailable
from meetcore.model.config import BotConfig, build_options
from meetcore_s3.options import BucketPlace, S3Options
from meetcore_s3.store import S3Store
from meetcore_s3.troubles import BucketTrouble

from .bad_way import bad_way, says
from .places import bucket_for, open_s3
from .servers import KEY, SECRET, S3Server, moto_server, nanio_server


def store_at(url: str, tmp_path: Path, **options: Any) -> S3Store:
    server = S3Server("away", url)
    return open_s3(server, "bucket", tmp_path / "w", **{"request_s": 5.0, **options})


@pytest.mark.parametrize(
    ("answer", "words", "lasting"),
    [
        (says(403, "AccessDenied", "Access Denied"), "access is denied", True),
        (says(403, "InvalidAccessKeyId", "No such key"), "keys are not accepted", True),
        (says(403, "SignatureDoesNotMatch", "No"), "keys are not accepted", True),
        (says(400, "ExpiredToken", "It has expired."), "session token has expired", False),
        (says(404, "NoSuchBucket", "None"), "there is no such bucket", True),
        (
            says(400, "AuthorizationHeaderMalformed", "x", more="<Region>eu-west-1</Region>"),
            "names the region eu-west-1",
            True,
        ),
        (
            says(301, "PermanentRedirect", "x", header="x-amz-bucket-region: eu-west-1\r\n"),
            "another region",
            True,
        ),
        (says(403, "RequestTimeTooSkewed", "x"), "the clock of this machine", False),
        (says(503, "SlowDown", "Reduce your request rate."), "too much at once", False),
        (says(500, "InternalError", "We are sorry."), "it failed at the request", False),
        (says(400, "KMS.DisabledException", "x"), "KMS key cannot be used", True),
        (says(507, "InsufficientStorage", "x"), "no room", False),
        (says(418, "Teapot", "short and stout"), "it answered Teapot", False),
    ],
)
async def test_what_a_server_says_has_words_and_a_remedy(
    answer: bytes, words: str, lasting: bool, tmp_path: Path
) -> None:
    """Before a bot begins, what only a person can mend is an error of the configuration."""
    with trio.fail_after(60):
        async with bad_way("http://127.0.0.1:1") as way:
            way.mode, way.answer = "answer", answer
            store = store_at(way.url, tmp_path)
            with pytest.raises(BucketTrouble) as told:
                await store.held("b-1")
            assert words in told.value.message
            assert told.value.lasting == lasting
            assert told.value.remedy or "Teapot" in words
            assert "s3://bucket/mine" in told.value.message
            with pytest.raises(ConfigError if lasting else StorageUnavailable) as begun:
                await store.begin("b-1", ())
            assert words in begun.value.message
            assert words in await store.trouble()
            for secret in (KEY, SECRET):
                assert secret not in f"{told.value!r}{told.value}{begun.value!r}{store!r}"


@pytest.mark.parametrize(
    ("mode", "words"),
    [("reset", "cut the connection"), ("hang", "no answer within"), ("drip", "no answer within")],
)
async def test_a_way_that_is_bad_is_told_in_time(mode: str, words: str, tmp_path: Path) -> None:
    """A server that gives a byte now and then, too, is not waited for."""
    server = moto_server()
    with trio.fail_after(60):
        async with bad_way(server.url) as way:
            way.mode = mode
            store = store_at(way.url, tmp_path, request_s=1.0 if mode != "reset" else 10.0)
            began = trio.current_time()
            with pytest.raises(BucketTrouble, match=words):
                await store.held("b-1")
            assert trio.current_time() - began < 20


async def test_a_server_that_is_not_there_and_one_that_speaks_no_tls(tmp_path: Path) -> None:
    with trio.fail_after(60):
        with pytest.raises(BucketTrouble, match="cannot be reached"):
            await store_at("http://127.0.0.1:1", tmp_path).held("b-1")
        url = moto_server().url.replace("http:", "https:")
        with pytest.raises(BucketTrouble, match=r"certificate is not trusted|encrypted") as told:
            await store_at(url, tmp_path).held("b-1")
        assert "AWS_CA_BUNDLE" in told.value.remedy


async def test_a_download_that_is_cut_goes_on_where_it_was(tmp_path: Path) -> None:
    """And gives nothing of another object that has the name by then."""
    server = moto_server()
    bucket = bucket_for(server, tmp_path)
    content = bytes(range(256)) * 131072  # more than any buffer on the way holds
    with trio.fail_after(60):
        async with bad_way(server.url) as way:
            store = open_s3(server, bucket, tmp_path / "w", endpoint=way.url, request_s=5.0)
            source = tmp_path / "source"
            source.write_bytes(content)
            media = store.media("b-1")
            await media.put("files/mix.bin", source)
            got = b""
            pieces = media.read("files/mix.bin")
            async for piece in pieces:
                if not got:
                    way.mode = "cut"
                got += piece
            assert got == content
            assert way.mode == "pass"
            got = b""
            with pytest.raises(StorageUnavailable):
                async for piece in media.read("files/mix.bin"):
                    if not got:
                        source.write_bytes(b"x" * len(content))
                        await (
                            open_s3(server, bucket, tmp_path)
                            .media("b-1")
                            .put("files/mix.bin", source)
                        )
                        way.mode = "cut"
                    got += piece
            assert content.startswith(got)


async def test_a_wrong_secret_is_told_and_no_key_is_in_any_log_error_or_link(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also with logs as talkative as they can be."""
    caplog.set_level(logging.DEBUG)
    server = nanio_server()
    wrong, token = "wrong-" + SECRET, "a-token-that-nobody-should-see"
    bucket = bucket_for(server, tmp_path)
    keys = {"access_key_id": KEY, "secret_access_key": wrong}
    with trio.fail_after(60):
        store = open_s3(server, bucket, tmp_path / "w", session_token=token, **keys)
        with pytest.raises(ConfigError, match="keys are not accepted") as told:
            await store.take("b-1", "me", 20.0)
        url = await open_s3(server, bucket, tmp_path).media("b-1").presign("files/x", 60.0)
    assert url is not None
    said = f"{told.value!r}{told.value.__cause__!r}{store!r}{store._options!r}{caplog.text}"
    for secret in (wrong, SECRET, token):
        assert secret not in said
        assert secret not in url


async def test_keys_come_from_where_aws_programs_have_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From variables here; without any it is said that there are none."""
    server = nanio_server()
    bucket = bucket_for(server, tmp_path)
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    options = S3Options(endpoint=server.url, workplaces=tmp_path)
    with trio.fail_after(60):
        with pytest.raises(BucketTrouble, match="no keys") as told:
            await S3Store(f"s3://{bucket}", options).held("b-1")
        assert "[plugins.s3]" in told.value.remedy
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        assert not await S3Store(f"s3://{bucket}", options).held("b-1")


@pytest.mark.parametrize(
    "url",
    ["s3://", "s3:///x", "s3://a", "s3://bucket/../x", "s3://bucket/a//b", "s3://bu cket",
     "s3://bucket?x=1", "s3://bucket/a#b", "http://bucket/x"],
)  # fmt: skip
def test_a_url_that_is_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="not the URL of a bucket"):
        BucketPlace.of_url(url)


def test_keys_in_a_url_are_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError) as told:
        BucketPlace.of_url(f"s3://{KEY}:hush@bucket/x")
    assert "hush" not in str(told.value)
    assert str(BucketPlace.of_url("s3://bucket/a%20b/c/")) == "s3://bucket/a b/c"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"access_key_id": "x"}, "one half of a key"),
        ({"session_token": "x"}, "goes with keys"),
        ({"kms_key_id": "x"}, "used by nothing"),
        ({"part_bytes": 1}, "part_bytes must be"),
        ({"presign_s": 1e9}, "presign_s must be"),
        ({"endpoint": "s3.example.org"}, "no URL"),
        ({"endpoint": "https://me:hush@s3.example.org"}, "no URL"),
        ({"encryption": "rot13"}, "must be one of"),
        ({"second": {"kms_key_id": "x"}}, "used by nothing"),
    ],
)
def test_options_that_cannot_be_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as told:
        build_options(S3Options, given, "[plugins.s3]")
    assert "hush" not in str(told.value)


def test_options_do_not_print_a_key() -> None:
    options = build_options(
        S3Options, {"access_key_id": KEY, "secret_access_key": SECRET}, "[plugins.s3]"
    )
    assert options.secret_access_key == Secret(SECRET)
    assert KEY not in repr(options)
    assert SECRET not in repr(evolve(options, part_bytes=2**24))
    assert BotConfig().store.url is None


async def test_a_lease_that_is_not_renewed_ends_by_the_servers_clock(tmp_path: Path) -> None:
    """However wrong the clock of this machine; and its old holder writes nothing more."""
    server = moto_server()
    bucket = bucket_for(server, tmp_path)
    store, other = (open_s3(server, bucket, tmp_path / each) for each in ("here", "there"))
    with trio.fail_after(30):
        first = await store.take("b-1", "one", 1.0)
        assert first == 1
        assert await other.take("b-1", "two", 5.0) is None
        began = trio.current_time()
        while (second := await other.take("b-1", "two", 5.0)) is None:  # noqa: ASYNC110  tells nobody
            await trio.sleep(0.1)
        assert timedelta(seconds=trio.current_time() - began) > timedelta(seconds=0.5)
        assert second == 2
        assert not await store.append("b-1", first, [(1, b"late\n")])
        assert not await store.renew("b-1", first, 5.0)
        assert list(await other.lines("b-1", 0, 9)) == []


async def test_a_lease_whose_answer_was_lost_is_known_to_be_ones_own(tmp_path: Path) -> None:
    """The client asks once more, and is told that somebody was there first: itself."""
    server = moto_server()
    store = open_s3(server, bucket_for(server, tmp_path), tmp_path / "here")
    with trio.fail_after(30):
        await store.trouble()
        ask = store._client.ask

        async def lost(operation: str, **wanted: Any) -> dict[str, Any]:
            if operation == "put_object":
                await ask(operation, **wanted)
            return await ask(operation, **wanted)

        store._client.ask = lost  # type: ignore[method-assign]
        assert await store.take("b-1", "me", 20.0) == 1
        assert await store.append("b-1", 1, [(1, b"one\n"), (2, b"two\n")])
        assert await store.append("b-1", 1, [(2, b"two\n"), (3, b"three\n")])
        assert await store.renew("b-1", 1, 20.0)
        lines = list(await store.lines("b-1", 0, 9))
    assert lines == [(1, b"one\n"), (2, b"two\n"), (3, b"three\n")]
