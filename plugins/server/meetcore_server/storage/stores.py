"""The stores of a server's database, together."""

from __future__ import annotations

from attrs import frozen

from meetcore_server.storage.accounts import AccountStore
from meetcore_server.storage.bots import BotRows
from meetcore_server.storage.endpoints import Endpoints
from meetcore_server.storage.keys import Keys
from meetcore_server.storage.transcriptions import TranscriptionRows

__all__ = ["Stores"]


@frozen(kw_only=True)
class Stores:
    """Everything that is kept."""

    accounts: AccountStore
    keys: Keys
    bots: BotRows
    endpoints: Endpoints
    transcriptions: TranscriptionRows
