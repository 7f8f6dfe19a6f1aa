"""A plugin in one file: the token of a Zoom meeting's registrant, fetched just before a bot joins.

TOKEN_COMMAND="my-tokens" meetcore join LINK --plugin examples/registrant_token.py

The command gets the meeting's number and prints the token.
"""

import os
import shlex

import trio

import meetcore


@meetcore.hookimpl
async def meetcore_join_token(link: meetcore.MeetingLink) -> meetcore.JoinToken | None:
    """Ask a command of yours; a bot for another platform needs none."""
    command = shlex.split(os.environ.get("TOKEN_COMMAND", ""))
    if link.platform != "zoom" or not command:
        return None
    done = await trio.run_process([*command, link.native_id], capture_stdout=True)
    return meetcore.JoinToken("tk", done.stdout.decode().strip())
