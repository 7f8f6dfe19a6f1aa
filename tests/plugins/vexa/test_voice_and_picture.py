"""What a bot says and shows through Vexa's API, and its video."""

from __future__ import annotations

import base64
import io
import wave
from typing import Any

import pytest

from meetcore.gateway import PICTURE_BYTES, plain_picture
from meetcore.model.commands import ShareImage, SharePage, ShowImage, Speak, StopSharing
from meetcore.model.errors import CapabilityMissing, NoSynthesizer
from meetcore.model.events import ArtifactWritten
from meetcore.plugin.platform import Capability
from tests.plugins.vexa.life import MEET, PATH, PICTURE, VECTORS, VexaFake

SPEAK, AVATAR, SCREEN = (f"/bots/{PATH}/{act}" for act in ("speak", "avatar", "screen"))
AT = "https://example.com/a.png"
SOUND_AT = "https://example.com/hello.mp3"


def wav(*, channels: int = 1, rate_hz: int = 22_050) -> bytes:
    """A WAV file of ten samples of 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as made:
        made.setparams((channels, 2, rate_hz, 0, "NONE", ""))
        made.writeframes(b"\x01\x00" * 10 * channels)
    return file.getvalue()


def told(vexa: VexaFake) -> list[Any]:
    return [command for _, command in vexa.fake.commanded]


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def test_a_text_is_said_by_the_servers_own_voice(vexa: VexaFake) -> None:
    vexa.admit(await vexa.send_bot())
    body = VECTORS["post_speak.request"]["example"]["body"]
    reply = await vexa.fake.call("POST", SPEAK, json=body, headers={"X-API-Key": "vxa_bot_example"})
    assert reply.status == 202
    assert "server's own" in reply.headers["X-Meetcore-Note"]
    assert told(vexa) == [Speak(text="Hello everyone")]
    vexa.fake.refusing = NoSynthesizer("There is nobody to say a text.")
    assert (await vexa.ask("POST", SPEAK, body))[0] == 503


async def test_sound_is_said_at_its_own_rate_and_decoded_elsewhere_where_it_is_not_plain(
    vexa: VexaFake,
) -> None:
    vexa.admit(await vexa.send_bot())
    fake = vexa.fake
    stereo = wav(channels=2)
    fake.sounds = {b"ID3 and so on": b"\x02\x00", stereo: b"\x03\x00"}
    fake.web[SOUND_AT] = b"ID3 and so on"
    for body, wanted in (
        ({"audio_base64": encoded(wav())}, Speak(b"\x01\x00" * 10, 22_050)),
        ({"audio_base64": "data:audio/wav;base64," + encoded(wav())}, Speak(b"\1\0" * 10, 22_050)),
        ({"audio_base64": encoded(b"\1\0"), "format": "pcm", "sample_rate": 16_000},
         Speak(b"\1\0", 16_000)),
        ({"audio_base64": encoded(stereo)}, Speak(b"\3\0", 24_000)),
        ({"audio_base64": encoded(b"ID3 and so on"), "format": "mp3"}, Speak(b"\2\0", 24_000)),
        ({"audio_url": SOUND_AT}, Speak(b"\2\0", 24_000)),
    ):  # fmt: skip
        status, answer = await vexa.ask("POST", SPEAK, body)
        assert status == 202, answer
        assert told(vexa)[-1] == wanted
    assert fake.decoded_at == [24_000] * 3


@pytest.mark.parametrize(
    ("act", "body", "status"),
    [
        ("speak", {"audio_base64": "%"}, 422),
        ("speak", {"audio_base64": "AAA=", "format": "mp3"}, 400),
        ("speak", {"audio_base64": "", "format": "pcm"}, 400),
        ("speak", {"audio_base64": "AA==", "format": "pcm"}, 400),
        ("speak", {"audio_base64": "AAAA", "format": "pcm", "sample_rate": 7}, 422),
        ("speak", {"audio_base64": "AAAA", "format": "pcm", "channels": 2}, 422),
        ("speak", {"audio_url": "http://169.254.169.254/latest"}, 400),
        ("speak", {}, 400),
        ("avatar", {"image_base64": "AAAA"}, 400),
        ("avatar", {"url": "http://127.0.0.1/a.png"}, 400),
        ("avatar", {}, 400),
        ("screen", {"type": "hologram"}, 400),
        ("screen", {"type": "image"}, 400),
        ("screen", {"type": "html", "html": "<b>hi</b>"}, 404),
        ("screen", {"type": "video", "url": "https://example.com/a.mp4"}, 404),
        ("screen", {"type": "url", "url": "https://example.com"}, 404),
    ],
)
async def test_what_cannot_be_said_or_shown_is_refused_and_nothing_is_done(
    act: str, body: dict[str, Any], status: int, vexa: VexaFake
) -> None:
    vexa.admit(await vexa.send_bot())
    method = "PUT" if act == "avatar" else "POST"
    answer = await vexa.ask(method, f"/bots/{PATH}/{act}", body)
    assert (answer[0], list(answer[1])) == (status, ["detail"])
    assert told(vexa) == []


async def test_an_image_and_a_page_are_shared_as_the_bots_screen(vexa: VexaFake) -> None:
    vexa.fake.abilities |= {Capability.SHARE_SCREEN}
    vexa.admit(await vexa.send_bot())
    vexa.fake.web = {AT: PICTURE}
    page = {"type": "url", "url": "https://status.example.com/board"}
    assert (await vexa.ask("DELETE", SCREEN))[0] == 202
    assert told(vexa) == []
    for body in ({"type": "image", "url": AT}, page):
        assert (await vexa.ask("POST", SCREEN, body))[0] == 202
    for _ in range(2):
        assert (await vexa.ask("DELETE", SCREEN))[0] == 202
    shared = ShareImage(PICTURE, "image/png")
    assert told(vexa) == [shared, SharePage(page["url"]), StopSharing()]
    assert (await vexa.ask("POST", SCREEN, {"type": "url"}))[0] == 400


async def test_pictures_come_from_their_url_and_can_be_taken_back(vexa: VexaFake) -> None:
    vexa.admit(await vexa.send_bot())
    jpeg, gif = b"\xff\xd8\xff and so on", b"GIF89a and so on"
    vexa.fake.web = {AT: jpeg, "https://example.com/chart.gif": gif}
    assert (await vexa.ask("DELETE", SCREEN))[0] == 202
    assert (await vexa.ask("DELETE", AVATAR))[0] == 202
    assert told(vexa) == []  # nothing was shown that could be taken back
    assert (await vexa.ask("PUT", AVATAR, {"url": AT}))[0] == 202
    screen = {"type": "image", "url": "https://example.com/chart.gif"}
    assert (await vexa.ask("POST", SCREEN, screen))[0] == 202
    assert (await vexa.ask("DELETE", SCREEN))[0] == 202
    assert (await vexa.ask("DELETE", SCREEN))[0] == 202
    assert (await vexa.ask("DELETE", AVATAR))[0] == 202
    assert told(vexa) == [
        ShowImage(jpeg, "image/jpeg"),
        ShowImage(gif, "image/gif"),
        ShowImage(jpeg, "image/jpeg"),
        plain_picture(),
    ]


async def test_a_picture_may_be_eight_mebibytes_and_no_larger(vexa: VexaFake) -> None:
    vexa.admit(await vexa.send_bot())
    vexa.fake.web[AT] = PICTURE.ljust(PICTURE_BYTES, b"x")
    assert (await vexa.ask("PUT", AVATAR, {"url": AT}))[0] == 202
    vexa.fake.web[AT] += b"x"
    assert (await vexa.ask("PUT", AVATAR, {"url": AT}))[0] == 400


async def test_a_platform_that_cannot_is_told_in_the_vendors_way(vexa: VexaFake) -> None:
    vexa.admit(await vexa.send_bot())
    vexa.fake.web[AT] = PICTURE
    for method, path, body in (
        ("POST", SPEAK, {"text": "Hello"}),
        ("PUT", AVATAR, {"url": AT}),
        ("POST", SCREEN, {"type": "image", "url": AT}),
    ):
        vexa.fake.refusing = CapabilityMissing("meet", "speak")
        status, answer = await vexa.ask(method, path, body)
        assert (status, "cannot speak" in answer["detail"]) == (404, True)
    assert (await vexa.ask("DELETE", SCREEN))[0] == 202  # what failed has nothing to take back


async def test_a_key_that_only_reads_has_a_bot_say_and_show_nothing(vexa: VexaFake) -> None:
    vexa.admit(await vexa.send_bot())
    client = await vexa.fake.authenticate("vxa_bot_example")
    assert client is not None
    from meetcore.gateway import Scope

    _, reader = await vexa.fake.create_key(client.user_id, scopes=frozenset({Scope.READ}))
    for method, path, body in (
        ("POST", SPEAK, {"text": "Hello"}),
        ("DELETE", SPEAK, ...),
        ("PUT", AVATAR, {"url": AT}),
        ("DELETE", AVATAR, ...),
        ("POST", SCREEN, {"type": "image", "url": AT}),
        ("DELETE", SCREEN, ...),
    ):
        assert (await vexa.ask(method, path, body, key=reader))[0] == 403
    assert (told(vexa), vexa.fake.fetched) == ([], [])


async def test_the_avatar_of_an_order_is_a_sink_of_the_bot(vexa: VexaFake) -> None:
    row = vexa.admit(await vexa.send_bot(default_avatar_url=AT))
    order = await vexa.fake.order(row)
    assert (order.sinks, order.plugins) == (("picture",), {"picture": {"url": AT}})
    vexa.fake.web[AT] = PICTURE
    assert (await vexa.ask("DELETE", AVATAR))[0] == 202
    assert told(vexa) == [plain_picture()]


async def test_video_is_ordered_by_the_bot_or_by_the_users_choice(vexa: VexaFake) -> None:
    vexa.fake.abilities |= {Capability.VIDEO}
    wanted = []
    for mode, body in (
        (["audio"], {}), (["audio"], {"video": True}),
        (["audio", "video"], {}), (["audio", "video"], {"video": False}),
    ):  # fmt: skip
        chosen = {"enabled": True, "capture_modes": mode}
        assert await vexa.ask("PUT", "/recording-config", chosen) == (200, chosen)
        assert await vexa.ask("GET", "/recording-config") == (200, chosen)
        row = vexa.admit(await vexa.send_bot("E3", **body))
        wanted.append((await vexa.fake.order(row)).video)
        vexa.end(row)
    assert wanted == [None, True, True, False]
    for wrong in (["video"], "audio", ["audio", "smell"]):
        assert (await vexa.ask("PUT", "/recording-config", {"capture_modes": wrong}))[0] == 422


async def test_the_video_is_a_media_file_and_goes_with_its_recording(vexa: VexaFake) -> None:
    row = vexa.admit(await vexa.send_bot("E3", video=True))
    vexa.record(row)
    folder = vexa.fake.folder_of(row) / "files"
    (folder / "video.mp4").write_bytes(b"ftyp")
    (folder / "transcript.txt").write_text("Hello")
    vexa.fake.happen(
        row,
        ArtifactWritten(
            kind="video", path="files/video.mp4", media_type="video/mp4", size_bytes=4,
            duration_s=2.5,
        ),
    )  # fmt: skip
    at = f"/recordings/{row.number}"
    assert (await vexa.ask("DELETE", at))[0] == 409  # it is in flight
    vexa.end(row)
    _, recording = await vexa.ask("GET", at)
    assert [(each["type"], each["format"]) for each in recording["media_files"]] == [
        ("audio", "opus"),
        ("video", "mp4"),
    ]
    _, master = await vexa.ask("GET", f"{at}/master?type=video")
    assert master["raw_url"] == f"{at}/media/2/raw"
    assert await vexa.ask("GET", f"{at}/media/2/raw") == (200, b"ftyp")
    _, link = await vexa.ask("GET", f"{at}/media/2/download?dialect=E3")
    assert (link["content_type"], link["filename"][-4:]) == ("video/mp4", ".mp4")
    deleted = {"status": "deleted", "recording_id": row.number}
    assert await vexa.ask("DELETE", at) == (200, deleted)
    assert (await vexa.ask("GET", at))[0] == 404
    assert [path.name for path in folder.iterdir()] == ["transcript.txt"]
    assert (await vexa.ask("GET", f"/transcripts/{PATH}"))[0] == 200


async def test_what_is_not_sent_of_an_order_is_the_servers_own_choice(vexa: VexaFake) -> None:
    order = await vexa.fake.order(await vexa.send_bot())
    assert (order.video, order.sinks, MEET["platform"]) == (None, (), "google_meet")
