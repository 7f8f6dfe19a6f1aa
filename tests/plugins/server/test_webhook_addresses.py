"""A webhook that nothing would ever be posted to is refused when it is given, in every dialect."""

from __future__ import annotations

from typing import Any

import pytest

from meetcore_server.orders_to_specs import Sandbox

from .running import SHORT, http, serving

PLAIN = "http://hooks.example.org/x"
PRIVATE = "https://10.1.2.3/x"
_SPOKE = {"meeting_url": SHORT, "bot_name": "Notes"}
_MEETSTREAM = {"meeting_link": SHORT, "bot_name": "Notes"}
_CREATE = "/meetstream/api/v1/bots/create_bot"
_SKRIBBY = {
    "bot_name": "Notes",
    "meeting_url": SHORT,
    "service": "gmeet",
    "transcription_model": "none",
}


def _endpoint(url: str) -> dict[str, Any]:
    endpoint = {"type": "webhook", "url": url, "events": ["participant_events.join"]}
    return {"recording_config": {"realtime_endpoints": [endpoint]}}


def _given(url: str) -> list[tuple[str, str, dict[str, Any], int, str]]:
    """Return each way to give a webhook, with the status and the key of the words that refuse."""
    native = {"meeting_url": SHORT, "webhooks": [{"url": url}]}
    live = {"live_transcription_required": {"webhook_url": url}}
    return [
        ("POST", "/v1/bots", native, 422, "detail"),
        ("PUT", "/vexa/user/webhook", {"webhook_url": url}, 422, "detail"),
        ("POST", "/skribby/bot", {**_SKRIBBY, "webhook_url": url}, 422, "message"),
        ("POST", _CREATE, {**_MEETSTREAM, "callback_url": url}, 400, "message"),
        ("POST", _CREATE, {**_MEETSTREAM, **_endpoint(url)}, 400, "message"),
        ("POST", f"{_CREATE}?dialect=legacy", {**_MEETSTREAM, **live}, 400, "message"),
        ("POST", "/spoke/bots", {**_SPOKE, "webhook_url": url}, 400, "message"),
        ("POST", "/spoke/bots/retranscribe", {"bot_uuid": "x", "webhook_url": url}, 400, "message"),
        ("POST", "/spoke/accounts/webhook_url", {"webhook_url": url}, 400, "message"),
    ]


def _headers(path: str) -> dict[str, str]:
    scheme = "Token" if path.startswith("/meetstream") else "Bearer"
    return {"x-api-key": "k", "x-spoke-api-key": "k", "authorization": f"{scheme} k"}


DIALECTS = ("vexa", "skribby", "meetstream", "spoke")


@pytest.mark.parametrize("url", [PLAIN, PRIVATE])
async def test_a_webhook_that_would_never_be_told_is_refused_when_it_is_given(tmp_path, url):
    serve = serving(tmp_path, dialects=DIALECTS, api_key="k")
    async with serve as server, http(server) as client:
        for method, path, body, status, words in _given(url):
            answer = await client.request(method, path, json=body, headers=_headers(path))
            assert answer.status_code == status, (path, answer.text)
            assert "private_targets" in str(answer.json()[words]), (path, answer.text)
        assert await server.service.stores.bots.unfinished() == []


async def test_a_webhook_that_the_operator_lists_is_taken(tmp_path):
    listed = ("hooks.example.org", "10.1.0.0/16")
    serve = serving(tmp_path, dialects=DIALECTS, api_key="k", private_targets=listed)
    async with serve as server, http(server) as client:
        for url in (PLAIN, PRIVATE):
            for body in ({"webhook_url": url}, {"webhook_url": None}):
                for method, path in (
                    ("PUT", "/vexa/user/webhook"),
                    ("POST", "/spoke/accounts/webhook_url"),
                ):
                    answer = await client.request(method, path, json=body, headers=_headers(path))
                    assert answer.status_code == 200, answer.text
        for path, body in (
            ("/skribby/bot", {**_SKRIBBY, "webhook_url": "http://10.1.2.3:1/x"}),
            (_CREATE, {**_MEETSTREAM, "callback_url": "http://10.1.2.3:1/x"}),
        ):
            answer = await client.post(path, json=body, headers=_headers(path))
            assert answer.status_code == 201, answer.text


async def test_in_a_rehearsal_this_machine_is_taken_and_no_more_than_otherwise(
    tmp_path,
):
    rehearsing = {"dialects": ("rehearsal", *DIALECTS), "sandbox": Sandbox()}
    here = ("http://localhost:9/x", "http://127.0.0.1:9/x", "http://[::1]:9/x")
    async with serving(tmp_path, api_key="k", **rehearsing) as server, http(server) as client:
        keyed = {"headers": {"authorization": "Bearer k"}}
        for url in (*here, "https://hooks.example.org/x"):
            answer = await client.post("/v1/webhooks", json={"url": url}, **keyed)
            assert answer.status_code == 201, answer.text
        for url in (PLAIN, PRIVATE, "http://10.1.2.3/x"):
            answer = await client.post("/v1/webhooks", json={"url": url}, **keyed)
            assert answer.status_code == 422, url
            assert "private_targets" in answer.json()["detail"]
        path = "/vexa/user/webhook"
        for url, status in ((here[0], 200), (PLAIN, 422)):
            body = {"webhook_url": url}
            answer = await client.put(path, json=body, headers=_headers(path))
            assert answer.status_code == status, answer.text
