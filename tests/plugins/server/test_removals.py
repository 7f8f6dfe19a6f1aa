"""A key or a user goes, and what their bots left goes with them."""

from __future__ import annotations

import trio
from click.testing import CliRunner

from meetcore_server.keys_command import keys

from .running import SHORT, STAY, http, ordered, serving, until


async def until_deleted(client, bot_id: str) -> None:
    with trio.fail_after(60):
        while (await client.get(f"/v1/bots/{bot_id}")).json()["data_deleted_at"] is None:  # noqa: ASYNC110
            await trio.sleep(0.05)


async def made_key(root, **more) -> dict:
    return (await root.post("/v1/keys", json=more)).json()


async def test_a_key_goes_with_all_that_its_bots_left(tmp_path):
    async with serving(tmp_path, api_key="root") as server, http(server, "root") as root:
        key, other = await made_key(root), await made_key(root)
        async with http(server, key["secret"]) as client:
            ended = await ordered(client, SHORT)
            await until(client, ended["id"], "completed")
            stays = await ordered(client, STAY)
            await until(client, stays["id"], "recording")
        async with http(server, other["secret"]) as client:
            others = await ordered(client, SHORT)
            await until(client, others["id"], "completed")
        path = f"/v1/keys/{key['id']}"
        assert (await root.delete(path)).status_code == 204
        assert (await root.get(f"/v1/bots/{ended['id']}")).json()["delete_after"] is None
        assert (await root.delete(f"{path}?delete_data=true")).status_code == 204
        for bot in (ended, stays):
            await until_deleted(root, bot["id"])
            assert (await root.get(f"/v1/bots/{bot['id']}/transcript")).status_code == 410
            assert not (tmp_path / "bots" / bot["id"]).exists()
        assert (await root.get(f"/v1/bots/{others['id']}")).json()["data_deleted_at"] is None
        assert (await root.delete("/v1/keys/none?delete_data=true")).status_code == 404


async def test_bots_of_a_removed_key_that_have_not_ended_hold_up_no_retention(tmp_path):
    async with serving(tmp_path, api_key="root") as server, http(server, "root") as root:
        key = await made_key(root)
        async with http(server, key["secret"]) as client:
            stays = await ordered(client, STAY)
            await until(client, stays["id"], "recording")
        rows = server.service.stores.bots
        [row] = await rows.delete_soon(key_id=key["id"])
        assert row.bot_id == stays["id"]
        assert await rows.due_for_deletion(server.service.now()) == []
        assert await rows.next_deletion() is None
        assert (await root.post(f"/v1/bots/{stays['id']}/stop")).status_code == 202
        await until_deleted(root, stays["id"])


async def test_a_user_is_removed_with_keys_endpoints_and_all_that_bots_left(tmp_path):
    async with (
        serving(tmp_path, api_key="root", private_targets=("*",)) as server,
        http(server, "root") as root,
    ):
        key = await made_key(root, user_email="ann@example.org")
        async with http(server, key["secret"]) as ann:
            hook = {"url": "https://127.0.0.1:9/hook-of-ann", "events": ["bot.*"]}
            assert (await ann.post("/v1/webhooks", json=hook)).status_code == 201
            bot = await ordered(ann, SHORT)
            await until(ann, bot["id"], "completed")
            assert (await ann.delete(f"/v1/users/{key['user_id']}")).status_code == 403
            assert (await root.delete(f"/v1/users/{key['user_id']}")).status_code == 204
            assert (await ann.get("/v1/bots")).status_code == 401
        row = await server.service.stores.bots.get(bot["id"])
        with trio.fail_after(60):
            while row.deleted_at is None:
                await trio.sleep(0.05)
                row = await server.service.stores.bots.get(bot["id"])
        assert (await server.service.user(key["user_id"])).email == f"removed-{key['user_id']}"
        [endpoint] = await server.service.stores.endpoints.endpoints(key["user_id"])
        assert (endpoint.url, endpoint.secret) == ("", "")
        again = await made_key(root, user_email="ann@example.org")
        assert again["user_id"] != key["user_id"]
        refused = await root.delete("/v1/users/1")
        assert "operator cannot be removed" in refused.json()["detail"]


async def test_users_are_listed_with_the_numbers_by_which_they_are_removed(tmp_path):
    async with serving(tmp_path, api_key="root") as server, http(server, "root") as root:
        key = await made_key(root, user_email="bob@example.org")
        users = (await root.get("/v1/users")).json()
        assert [(each["id"], each["email"]) for each in users] == [
            (1, "operator"),
            (key["user_id"], "bob@example.org"),
        ]
        assert set(users[1]) == {"id", "email", "name", "created_at"}
        for wrong in ("99", "bob@example.org", "9" * 30, "-1"):
            answer = await root.delete(f"/v1/users/{wrong}")
            problem = answer.json()
            assert (answer.status_code, problem["code"]) == (404, "user_not_found")
            assert "GET /v1/users" in problem["remedy"]
        async with http(server, key["secret"]) as bob:
            assert (await bob.get("/v1/users")).status_code == 403
        assert (await root.delete(f"/v1/users/{key['user_id']}")).status_code == 204


async def test_the_command_has_a_running_server_delete_it(tmp_path):
    async with serving(tmp_path, api_key="root") as server, http(server, "root") as root:
        key = await made_key(root)
        async with http(server, key["secret"]) as client:
            bot = await ordered(client, SHORT)
            await until(client, bot["id"], "completed")
        database = f"sqlite:///{tmp_path}/server.db"
        given = ["--database", database, "revoke", key["id"], "--delete-data"]
        done = await trio.to_thread.run_sync(CliRunner().invoke, keys, given)
        assert done.exit_code == 0, done.output
        assert "What 1 bot left is deleted by a running server" in done.stderr
        server.service.bot_ended.set()  # or half a minute later
        await until_deleted(root, bot["id"])
