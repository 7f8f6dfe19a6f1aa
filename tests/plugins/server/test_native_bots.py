"""The native API: ordering bots, following them, asking things of them, deleting what they left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from unittest.mock import ANY

import pytest
import trio

from meetcore.log.folder_store import FolderStore
from meetcore.model.errors import ConfigError, StorageUnavailable
from meetcore_server.assembly import ServeOptions

from .running import DENY, SHORT, STAY, WAIT, http, ordered, serving, until


async def test_a_bot_is_ordered_attends_and_leaves_transcript_chat_people_and_recording(tmp_path):
    async with serving(tmp_path, config={"sinks": ["files"]}) as server, http(server) as client:
        bot = await ordered(client, name="Notes", metadata={"crm": "7"})
        assert bot["state"] == "requested"
        assert [transition["state"] for transition in bot["history"]] == ["requested"]
        bot = await until(client, bot["id"], "completed")
        assert (bot["state"], bot["reason"]) == ("completed", "meeting_ended")
        assert [transition["state"] for transition in bot["history"]] == [
            "requested", "joining", "awaiting_admission", "in_call", "recording", "leaving",
            "processing", "completed",
        ]  # fmt: skip
        assert bot["metadata"] == {"crm": "7"}
        base = f"/v1/bots/{bot['id']}"
        segments = (await client.get(f"{base}/transcript")).json()["segments"]
        assert [(s["speaker"], s["text"]) for s in segments] == [
            ("Ada", "good morning everyone"),
            ("Ben", "good morning ada"),
        ]
        assert segments[0]["words"][0]["text"] == "good"
        srt = await client.get(f"{base}/transcript", params={"format": "srt"})
        assert srt.text.startswith("1\n00:00:0")
        assert "Ada: good morning everyone" in srt.text
        vtt = await client.get(f"{base}/transcript", params={"format": "vtt"})
        assert vtt.text.startswith("WEBVTT\n")
        txt = await client.get(f"{base}/transcript", params={"format": "txt"})
        assert txt.text.count("\n") == 2
        people = (await client.get(f"{base}/participants")).json()
        assert [(p["name"], p["is_host"]) for p in people] == [("Ada", True), ("Ben", False)]
        assert all(person["spoke_s"] > 0.5 for person in people)
        speech = (await client.get(f"{base}/speaker-timeline")).json()
        assert [span["name"] for span in speech] == ["Ada", "Ben"]
        chat = (await client.get(f"{base}/chat")).json()
        assert [(line["sender"], line["text"]) for line in chat] == [("Ben", "hello")]
        recordings = (await client.get(f"{base}/recordings")).json()
        mix = next(each for each in recordings if each["kind"] == "audio.mix")
        whole = await client.get(mix["url"])
        assert len(whole.content) == mix["size_bytes"]
        assert whole.content[:4] == b"OggS"
        part = await client.get(mix["url"], headers={"range": "bytes=4-9"})
        assert (part.status_code, part.content) == (206, whole.content[4:10])
        end = await client.get(mix["url"], headers={"range": "bytes=-6"})
        assert end.content == whole.content[-6:]
        beyond = await client.get(mix["url"], headers={"range": "bytes=99999999-"})
        assert beyond.status_code == 416


@pytest.mark.folder_store
async def test_who_asks_for_a_bot_that_is_being_ordered_hides_nothing_of_its_life(
    tmp_path, monkeypatch
):
    """It stands in the list before it is looked after: a page opens it then, on a busy machine."""
    begin = FolderStore.begin

    async with serving(tmp_path, config={"sinks": ["files"]}) as server, http(server) as client:

        async def then_asked(self, bot_id, head):
            await begin(self, bot_id, head)
            if not seen and (bots := (await client.get("/v1/bots")).json()["bots"]):
                [bot] = bots
                answer = await client.get(f"/v1/bots/{bot['id']}/participants")
                seen.append((answer.status_code, server.service.live.get(bot["id"])))

        seen = []
        monkeypatch.setattr(FolderStore, "begin", then_asked)
        bot = await ordered(client)
        assert seen == [(200, None)]
        await until(client, bot["id"], "completed")
        if live := server.service.live.get(bot["id"]):
            with trio.fail_after(90):
                await live.ended.wait()
        assert server.service.live.get(bot["id"]) is None
        base = f"/v1/bots/{bot['id']}"
        kinds = {each["kind"] for each in (await client.get(f"{base}/recordings")).json()}
        assert "audio.mix" in kinds
        people = (await client.get(f"{base}/participants")).json()
        assert [person["name"] for person in people] == ["Ada", "Ben"]


async def test_events_come_in_pages_that_join_without_a_gap(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        bot = await until(client, (await ordered(client))["id"], "completed")
        after, seqs, ended = 0, [], False
        while not ended:
            answer = await client.get(
                f"/v1/bots/{bot['id']}/events", params={"after": after, "limit": 7}
            )
            page = answer.json()
            seqs += [event["seq"] for event in page["events"]]
            assert len(page["events"]) <= 7
            after, ended = page["next_after"], page["ended"]
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) > 20


async def test_the_event_stream_goes_on_after_the_last_event_a_browser_had(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        bot = await until(client, (await ordered(client))["id"], "completed")
        answer = await client.get(
            f"/v1/bots/{bot['id']}/events/stream", headers={"last-event-id": "10"}
        )
        assert answer.headers["content-type"].startswith("text/event-stream")
        ids = [int(line[4:]) for line in answer.text.splitlines() if line.startswith("id: ")]
        assert ids == list(range(11, ids[-1] + 1))


async def test_a_scheduled_bot_waits_for_its_time_and_then_goes(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        when = datetime.now(UTC) + timedelta(seconds=1.5)
        bot = await ordered(client, join_at=when.isoformat())
        assert bot["state"] == "scheduled"
        bot = await until(client, bot["id"], "completed")
        joined = next(
            transition for transition in bot["history"] if transition["state"] == "joining"
        )
        assert datetime.fromisoformat(joined["at"]) >= when


async def test_a_scheduled_bot_can_be_called_off(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        when = datetime.now(UTC) + timedelta(days=3)
        bot = await ordered(client, join_at=when.isoformat())
        answer = await client.post(f"/v1/bots/{bot['id']}/stop")
        assert answer.status_code == 202
        assert (answer.json()["state"], answer.json()["reason"]) == ("completed", "stop_requested")
        assert len(server.service.live) == 0


async def test_a_bot_that_is_refused_fails_and_says_what_was_seen(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        bot = await until(client, (await ordered(client, DENY))["id"], "failed")
        assert (bot["state"], bot["reason"]) == ("failed", "denied")
        assert bot["history"][-1]["evidence"]


async def test_the_command_to_stop_is_for_a_bot_that_does_not_run_yet_too(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        bot = await ordered(client, STAY, join_at="2099-01-01T00:00:00Z")
        path = f"/v1/bots/{bot['id']}"
        early = await client.post(f"{path}/commands", json={"type": "pause"})
        assert (early.status_code, early.json()["remedy"]) == (409, "Ask again then.")
        done = await client.post(f"{path}/commands", json={"type": "stop"})
        assert done.json() == {"ok": True, "command": "stop"}
        assert (await until(client, bot["id"], "completed"))["reason"] == "stop_requested"


async def test_commands_are_carried_out_or_refused_with_the_reason(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        bot = await ordered(client, STAY, entry_message="I take notes")
        path = f"/v1/bots/{bot['id']}"
        early = await client.post(f"{path}/chat", json={"text": "early"})
        assert (early.status_code, early.json()["code"]) == (409, "command_refused")
        await until(client, bot["id"], "recording")
        sent = await client.post(f"{path}/chat", json={"text": "hello all"})
        assert sent.status_code == 200
        command = {"type": "send_chat", "data": {"text": "psst", "to": ""}}
        refused = await client.post(f"{path}/commands", json=command)
        assert refused.json()["code"] == "recipient_refused"
        empty = await client.post(f"{path}/chat", json={"text": "psst", "to": ""})
        assert empty.json()["code"] == "recipient_refused"
        nobody = await client.post(f"{path}/chat", json={"text": "psst", "to": "Nobody Here"})
        assert (nobody.status_code, nobody.json()["code"]) == (409, "recipient_refused")
        assert "Nobody Here" in nobody.json()["detail"]
        alone = await client.post(f"{path}/chat", json={"text": "psst", "to": "Ada"})
        assert alone.status_code == 200, alone.text
        told = (await client.get(f"{path}/chat")).json()
        [psst] = [line for line in told if line["direct"]]
        assert (psst["text"], psst["to"], psst["by_bot"]) == ("psst", "Ada", True)
        texts = [line["text"] for line in (await client.get(f"{path}/chat")).json()]
        assert {"I take notes", "hello all"} <= set(texts)
        paused = await client.post(f"{path}/commands", json={"type": "pause"})
        assert paused.json() == {"ok": True, "command": "pause"}
        speak = {"type": "speak", "data": {"pcm": "AAAA", "sample_rate_hz": 16000}}
        missing = await client.post(f"{path}/commands", json=speak)
        assert (missing.status_code, missing.json()["code"]) == (422, "not_supported")
        wrong = await client.post(f"{path}/commands", json={"type": "fly"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "command_invalid")
        assert (await client.post(f"{path}/stop")).status_code == 202
        bot = await until(client, bot["id"], "completed")
        assert bot["reason"] == "stop_requested"
        late = await client.post(f"{path}/chat", json={"text": "late"})
        assert late.status_code == 409


async def test_the_same_idempotency_key_gives_the_same_bot(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        body, headers = {"meeting_url": WAIT}, {"idempotency-key": "booking-7"}
        answers = []

        async def order():
            answers.append(await client.post("/v1/bots", json=body, headers=headers))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(order)
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert sorted(answer.status_code for answer in answers) == [200] * 4 + [201]
        assert sum(answer.json()["replayed"] for answer in answers) == 4


async def test_an_exclusive_bot_is_alone_in_its_meeting_until_it_has_ended(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        bot = await ordered(client, SHORT, exclusive=True)
        second = await client.post("/v1/bots", json={"meeting_url": SHORT, "exclusive": True})
        other = {"meeting_url": f"{SHORT}?authuser=1", "exclusive": True}
        assert (await client.post("/v1/bots", json=other)).status_code == 409
        assert (second.status_code, second.json()["code"]) == (409, "already_there")
        assert second.json()["bot_id"] == bot["id"]
        await until(client, bot["id"], "completed")
        await ordered(client, SHORT, exclusive=True)


async def test_there_are_as_many_bots_as_allowed_and_no_more(tmp_path):
    async with serving(tmp_path, max_bots_per_user=2) as server, http(server) as client:
        first = await ordered(client, WAIT)
        await ordered(client, WAIT)
        third = await client.post("/v1/bots", json={"meeting_url": WAIT})
        assert (third.status_code, third.json()["code"]) == (429, "limit_reached")
        assert third.headers["retry-after"]
        await until(client, first["id"], "awaiting_admission")
        await client.post(f"/v1/bots/{first['id']}/stop")
        await until(client, first["id"], "completed", "failed")
        await ordered(client, WAIT)


async def test_bots_are_listed_newest_first_in_pages(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        when = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        ids = [(await ordered(client, join_at=when))["id"] for _ in range(5)]
        found, cursor = [], None
        while True:
            params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            page = (await client.get("/v1/bots", params=params)).json()
            found += [bot["id"] for bot in page["bots"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert found == ids[::-1]
        none = (await client.get("/v1/bots", params={"state": "recording"})).json()
        assert none["bots"] == []
        some = await client.get("/v1/bots", params=[("state", "recording"), ("state", "scheduled")])
        assert len(some.json()["bots"]) == 5


async def test_a_list_claims_nothing_of_what_only_the_journal_has(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        bot = await ordered(client)
        shown = await until(client, bot["id"], "completed")
        assert shown["history"]
        if live := server.service.live.get(bot["id"]):
            with trio.fail_after(90):
                await live.ended.wait()
        [listed] = (await client.get("/v1/bots")).json()["bots"]
        left_out = {"history", "notes", "person_needed", "transcription"}
        assert set(shown) - set(listed) == left_out
        assert {name: shown[name] for name in listed} == {**listed, "state_since": ANY}
        described = (await client.get("/openapi/openapi.json")).json()["components"]["schemas"]
        assert not left_out & set(described["ListedBot"]["properties"])


async def test_what_was_deleted_is_gone_and_the_row_says_when(tmp_path):
    async with serving(tmp_path, config={"sinks": ["files"]}) as server, http(server) as client:
        bot = await ordered(client)
        early = await client.delete(f"/v1/bots/{bot['id']}/data")
        assert (early.status_code, early.json()["code"]) == (409, "wrong_state")
        await until(client, bot["id"], "completed")
        url = (await client.get(f"/v1/bots/{bot['id']}/recordings")).json()[0]["url"]
        gone = await client.delete(f"/v1/bots/{bot['id']}/data")
        assert gone.json()["deleted_objects"] >= 5
        assert not (tmp_path / "bots" / bot["id"]).exists()
        for path in ("transcript", "events", "chat", "recordings", "participants"):
            answer = await client.get(f"/v1/bots/{bot['id']}/{path}")
            assert (answer.status_code, answer.json()["code"]) == (410, "data_deleted"), path
        assert (await client.get(url)).status_code == 410
        row = (await client.get(f"/v1/bots/{bot['id']}")).json()
        assert row["state"] == "completed"
        assert row["data_deleted_at"]
        again = await client.delete(f"/v1/bots/{bot['id']}/data")
        assert again.json() == {"deleted_objects": 0}


async def until_deleted(client, bot_id):
    with trio.fail_after(90):
        while True:
            row = (await client.get(f"/v1/bots/{bot_id}")).json()
            if row["data_deleted_at"]:
                return row
            await trio.sleep(0.1)


async def test_the_server_says_how_long_data_is_kept_where_the_order_does_not(tmp_path):
    async with serving(tmp_path, keep_hours=2.0) as server, http(server) as client:
        bots = server.service.stores.bots
        for order, hours in (({}, 2), ({"keep_hours": 5}, 5), ({"keep_hours": 0}, 0)):
            bot_id = (await ordered(client, DENY, **order))["id"]
            await until(client, bot_id, "failed")
            row = await bots.get(bot_id)
            assert (row.delete_after - row.ended_at).total_seconds() == hours * 3600
    with pytest.raises(ConfigError, match="keep_hours must be 0 to"):
        ServeOptions(keep_hours=-1)


async def test_what_is_kept_for_a_time_is_deleted_when_it_is_over(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        bot = await ordered(client, keep_hours=0.0001)
        await until(client, bot["id"], "completed")
        folder = tmp_path / "bots" / bot["id"]
        row = await until_deleted(client, bot["id"])
        assert not folder.exists()
        assert row["delete_after"]


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({}, "invalid", "meeting_url"),
        ({"meeting_url": "https://nowhere.example/x"}, "link_refused", "nowhere.example"),
        ({"meeting_url": SHORT, "transcriber": "deepgran"}, "not_installed", "deepgran"),
        ({"meeting_url": SHORT, "automatic_leave": {"silense_s": 3}}, "invalid", "silence_s"),
        ({"meeting_url": SHORT, "automatic_leave": {"silence_s": -3}}, "invalid", "greater than 0"),
        ({"meeting_url": SHORT, "join_at": "2027-01-01T10:00:00"}, "invalid", "time zone"),
        ({"meeting_url": SHORT, "keep_hours": -1}, "invalid", "keep_hours"),
        ({"meeting_url": SHORT, "name": 7}, "invalid", "name"),
        ({"meeting_url": SHORT, "webhooks": [{"url": "ftp://x"}]}, "invalid", "https"),
    ],
)
async def test_an_order_that_cannot_be_is_refused_with_what_is_wrong(tmp_path, body, code, words):
    async with serving(tmp_path) as server, http(server) as client:
        answer = await client.post("/v1/bots", json=body)
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert 400 <= answer.status_code < 500
        assert problem["code"] == code
        assert words in str(problem)
        assert (await client.get("/v1/bots")).json()["bots"] == []


async def test_a_bot_that_has_ended_is_read_once_however_many_ask(tmp_path, monkeypatch):
    read: list[str] = []
    async with serving(tmp_path) as server, http(server) as client:
        bot_id = (await until(client, (await ordered(client))["id"], "completed"))["id"]
        while (live := server.service.live.get(bot_id)) is not None:
            await live.ended.wait()
        log = type(server.service.store.log(bot_id))
        whole = log.history

        async def history(self):
            read.append(self.bot_id)
            return await whole(self)

        monkeypatch.setattr(log, "history", history)
        server.service.forget_history(bot_id)
        await client.get(f"/v1/bots/{bot_id}")
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(client.get, f"/v1/bots/{bot_id}")
        assert len(read) == 1


async def test_a_transcript_that_cannot_be_read_is_an_error_and_no_half_answer(
    tmp_path, monkeypatch
):
    async def away(self, after=0):
        await trio.lowlevel.checkpoint()
        raise StorageUnavailable("The store is away.")
        yield  # what makes it a generator

    async with serving(tmp_path) as server, http(server) as client:
        bot = await until(client, (await ordered(client, STAY))["id"], "recording")
        log = type(server.service.store.log(bot["id"]))
        monkeypatch.setattr(log, "finalized", away)
        for form in ("json", "srt", "txt"):
            answer = await client.get(f"/v1/bots/{bot['id']}/transcript?format={form}")
            assert answer.status_code == 503
            assert answer.json()["code"] == "storage_unavailable"
