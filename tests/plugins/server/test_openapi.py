"""The description of the API is true: schemathesis holds every operation to it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx2
import pytest
import trio
from hypothesis import HealthCheck, given, settings

from meetcore.model.commands import COMMAND_TYPES
from meetcore_server.native import strict

from .running import http, ordered, serving, until

LIVE = "/events/stream"


def hold_to_it(url: str, key: str, known: dict[str, str], examples: int) -> Counter[str]:
    """Call every operation with what its schema allows, and with some real ids; in a thread."""
    import requests
    import schemathesis  # two seconds that only these tests need to pay
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    held = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_headers_conformance,
        checks.response_schema_conformance,
    ]
    raw = httpx2.get(f"{url}/openapi/openapi.json", trust_env=False).json()
    schema = schemathesis.openapi.from_dict(raw)
    calls: Counter[str] = Counter()
    session = requests.Session()
    session.trust_env = False

    def call(case: Any) -> None:
        operation = case.operation
        for name, value in known.items():
            if name in (case.path_parameters or {}) and calls[operation.label] % 2:
                case.path_parameters[name] = value
        calls[operation.label] += 1
        headers = {"authorization": f"Bearer {key}"}
        case.call_and_validate(
            base_url=url, session=session, timeout=30, headers=headers, checks=held
        )

    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path.endswith(LIVE) or operation.label.startswith("DELETE /v1/bots"):
            continue
        test = given(case=operation.as_strategy())(call)
        settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )(test)()
    session.close()
    return calls


@pytest.mark.long
async def test_every_operation_answers_as_the_description_says(tmp_path):
    async with serving(tmp_path, api_key="k1") as server, http(server, "k1") as client:
        bot = await until(client, (await ordered(client))["id"], "completed")
        later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        await ordered(client, join_at=later)
        known = {"bot_id": bot["id"]}
        run = partial(hold_to_it, server.url, "k1", known, 25)
        calls = await trio.to_thread.run_sync(run)
        assert len(calls) >= 20
        assert all(count >= 1 for count in calls.values())
        assert (await client.get("/health")).status_code == 200


async def test_the_description_names_every_route_and_how_each_may_fail(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        described = (await client.get("/openapi/openapi.json")).json()
        assert described["openapi"].startswith("3.1")
        operations = {
            f"{method.upper()} {path}": operation
            for path, item in described["paths"].items()
            for method, operation in item.items()
        }
        for label in (
            "POST /v1/bots",
            "GET /v1/bots/{bot_id}/events/stream",
            "GET /v1/bots/{bot_id}/transcript",
            "POST /v1/bots/{bot_id}/deliveries/{delivery_id}/redeliver",
            "POST /v1/socket-tokens",
            "GET /metrics",
        ):
            assert label in operations
        for label, operation in operations.items():
            assert operation["summary"], label
            if "/v1/" in label:
                problem = operation["responses"]["404"]["content"]
                assert list(problem) == ["application/problem+json"], label


async def test_the_description_names_every_command(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        described = (await client.get("/openapi/openapi.json")).json()
    told = described["components"]["schemas"]["CommandBody"]["description"]
    assert [name for name in COMMAND_TYPES if f"`{name}`" not in told] == []


async def test_a_body_that_is_no_json_or_has_a_field_too_many_is_refused(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        for content, code in ((b"{", "bad_body"), (b"", "invalid"), (b"[]", "invalid")):
            answer = await client.post("/v1/bots", content=content)
            assert (answer.json()["code"], answer.status_code // 100) == (code, 4)
        answer = await client.post("/v1/bots", json={"meeting_ur": "x"})
        assert answer.json()["remedy"] == "Did you mean 'meeting_url'?"
        hook = {"meeting_url": "https://meet.google.com/short-x", "webhooks": [{"ur": "x"}]}
        answer = await client.post("/v1/bots", json=hook)
        assert "webhooks[0].ur" in answer.json()["detail"]


async def test_every_field_of_every_body_has_a_sentence(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        schemas = (await client.get("/openapi/openapi.json")).json()["components"]["schemas"]
    for body in (*strict._BODIES.values(), strict.WebhookRequest):
        schema = schemas[body.__name__]
        assert schema["description"].endswith("."), body
        assert "Attributes" not in schema["description"]
        for name, field in schema["properties"].items():
            text = field.get("description", "")
            assert text.endswith("."), (body, name, text)
            assert "  " not in text
    order = schemas["NewBot"]["properties"]
    assert order["script"]["description"].startswith("What a rehearsal plays")
    assert order["keep_hours"]["description"].endswith("without it the server's own.")
