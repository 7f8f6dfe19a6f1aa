"""What a vendor's API is made of, and what the server offers to it: the public face.

Routes, sockets and webhooks as data for the server to carry out (`Mount`, `WebhookFormat`), the
bots as a service (`Service`), and the kit that a dialect is written with: fields of a body, a table
of errors, who asks, what is read of a bot. Names are looked up on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meetcore.model.lazy import lazy_face

if TYPE_CHECKING:
    from meetcore.gateway.http import ApiKey as ApiKey
    from meetcore.gateway.http import BadBody as BadBody
    from meetcore.gateway.http import BodyTooLong as BodyTooLong
    from meetcore.gateway.http import BotFile as BotFile
    from meetcore.gateway.http import Handler as Handler
    from meetcore.gateway.http import Listed as Listed
    from meetcore.gateway.http import MethodNotAllowed as MethodNotAllowed
    from meetcore.gateway.http import Mount as Mount
    from meetcore.gateway.http import NotFound as NotFound
    from meetcore.gateway.http import Reply as Reply
    from meetcore.gateway.http import Request as Request
    from meetcore.gateway.http import Route as Route
    from meetcore.gateway.http import ServerFailed as ServerFailed
    from meetcore.gateway.http import Socket as Socket
    from meetcore.gateway.http import SocketRoute as SocketRoute
    from meetcore.gateway.http import SocketSession as SocketSession
    from meetcore.gateway.http import TooManyRequests as TooManyRequests
    from meetcore.gateway.http import find_route as find_route
    from meetcore.gateway.http import fit as fit
    from meetcore.gateway.http import json_bytes as json_bytes
    from meetcore.gateway.http import json_pieces as json_pieces
    from meetcore.gateway.kit.authenticator import Authenticator as Authenticator
    from meetcore.gateway.kit.authenticator import KeyInvalid as KeyInvalid
    from meetcore.gateway.kit.authenticator import KeyMissing as KeyMissing
    from meetcore.gateway.kit.authenticator import ScopeMissing as ScopeMissing
    from meetcore.gateway.kit.bot_reader import bot_file as bot_file
    from meetcore.gateway.kit.bot_reader import bots_of as bots_of
    from meetcore.gateway.kit.bot_reader import delete_recordings as delete_recordings
    from meetcore.gateway.kit.bot_reader import history_of as history_of
    from meetcore.gateway.kit.bot_reader import mixed_audio as mixed_audio
    from meetcore.gateway.kit.bot_reader import newest_revision as newest_revision
    from meetcore.gateway.kit.bot_reader import page_of_bots as page_of_bots
    from meetcore.gateway.kit.bot_reader import pictures_of as pictures_of
    from meetcore.gateway.kit.bot_reader import segments_of as segments_of
    from meetcore.gateway.kit.bot_reader import video_of as video_of
    from meetcore.gateway.kit.error_table import ErrorAnswer as ErrorAnswer
    from meetcore.gateway.kit.error_table import ErrorTable as ErrorTable
    from meetcore.gateway.kit.error_table import Refusal as Refusal
    from meetcore.gateway.kit.fields import BadField as BadField
    from meetcore.gateway.kit.fields import BodyFields as BodyFields
    from meetcore.gateway.kit.fields import FieldProblem as FieldProblem
    from meetcore.gateway.kit.fields import FieldWords as FieldWords
    from meetcore.gateway.kit.fields import is_web_address as is_web_address
    from meetcore.gateway.kit.orders import note_headers as note_headers
    from meetcore.gateway.kit.orders import still_to_come as still_to_come
    from meetcore.gateway.kit.orders import with_choices as with_choices
    from meetcore.gateway.kit.pictures import PICTURE_BYTES as PICTURE_BYTES
    from meetcore.gateway.kit.pictures import fetched_picture as fetched_picture
    from meetcore.gateway.kit.pictures import picture as picture
    from meetcore.gateway.kit.pictures import picture_type as picture_type
    from meetcore.gateway.kit.pictures import plain_picture as plain_picture
    from meetcore.gateway.kit.times import format_ms as format_ms
    from meetcore.gateway.kit.times import parse_utc as parse_utc
    from meetcore.gateway.kit.webhook_parts import changes_until as changes_until
    from meetcore.gateway.kit.webhook_parts import hmac_sha256 as hmac_sha256
    from meetcore.gateway.kit.webhook_parts import message_id as message_id
    from meetcore.gateway.records import AlreadyThere as AlreadyThere
    from meetcore.gateway.records import BotGone as BotGone
    from meetcore.gateway.records import BotQuery as BotQuery
    from meetcore.gateway.records import BotRequest as BotRequest
    from meetcore.gateway.records import BotRow as BotRow
    from meetcore.gateway.records import Client as Client
    from meetcore.gateway.records import DeliveryRow as DeliveryRow
    from meetcore.gateway.records import KeyReused as KeyReused
    from meetcore.gateway.records import KeyRow as KeyRow
    from meetcore.gateway.records import LimitOf as LimitOf
    from meetcore.gateway.records import LimitReached as LimitReached
    from meetcore.gateway.records import LinkRefused as LinkRefused
    from meetcore.gateway.records import NoRecording as NoRecording
    from meetcore.gateway.records import NoSuchBot as NoSuchBot
    from meetcore.gateway.records import NoSuchTranscript as NoSuchTranscript
    from meetcore.gateway.records import NotNow as NotNow
    from meetcore.gateway.records import RevisionState as RevisionState
    from meetcore.gateway.records import Scope as Scope
    from meetcore.gateway.records import TranscriberChoice as TranscriberChoice
    from meetcore.gateway.records import TranscriptionRequest as TranscriptionRequest
    from meetcore.gateway.records import TranscriptionUnderWay as TranscriptionUnderWay
    from meetcore.gateway.records import TranscriptRevision as TranscriptRevision
    from meetcore.gateway.records import UserRow as UserRow
    from meetcore.gateway.records import WebhookTarget as WebhookTarget
    from meetcore.gateway.records import same_order as same_order
    from meetcore.gateway.service import App as App
    from meetcore.gateway.service import Moment as Moment
    from meetcore.gateway.service import Outgoing as Outgoing
    from meetcore.gateway.service import Service as Service
    from meetcore.gateway.service import WebhookFormat as WebhookFormat

_HOMES: dict[str, tuple[str, ...]] = {
    "http": (
        "ApiKey",
        "BadBody",
        "BodyTooLong",
        "BotFile",
        "Handler",
        "Listed",
        "MethodNotAllowed",
        "Mount",
        "NotFound",
        "Reply",
        "Request",
        "Route",
        "ServerFailed",
        "Socket",
        "SocketRoute",
        "SocketSession",
        "TooManyRequests",
        "find_route",
        "fit",
        "json_bytes",
        "json_pieces",
    ),
    "kit.authenticator": (
        "Authenticator",
        "KeyInvalid",
        "KeyMissing",
        "ScopeMissing",
    ),
    "kit.bot_reader": (
        "bot_file",
        "bots_of",
        "delete_recordings",
        "history_of",
        "mixed_audio",
        "newest_revision",
        "page_of_bots",
        "pictures_of",
        "segments_of",
        "video_of",
    ),
    "kit.error_table": (
        "ErrorAnswer",
        "ErrorTable",
        "Refusal",
    ),
    "kit.fields": (
        "BadField",
        "BodyFields",
        "FieldProblem",
        "FieldWords",
        "is_web_address",
    ),
    "kit.orders": (
        "note_headers",
        "still_to_come",
        "with_choices",
    ),
    "kit.pictures": (
        "PICTURE_BYTES",
        "fetched_picture",
        "picture",
        "picture_type",
        "plain_picture",
    ),
    "kit.times": (
        "format_ms",
        "parse_utc",
    ),
    "kit.webhook_parts": (
        "changes_until",
        "hmac_sha256",
        "message_id",
    ),
    "records": (
        "AlreadyThere",
        "BotGone",
        "BotQuery",
        "BotRequest",
        "BotRow",
        "Client",
        "DeliveryRow",
        "KeyReused",
        "KeyRow",
        "LimitOf",
        "LimitReached",
        "LinkRefused",
        "NoRecording",
        "NoSuchBot",
        "NoSuchTranscript",
        "NotNow",
        "RevisionState",
        "Scope",
        "TranscriberChoice",
        "TranscriptRevision",
        "TranscriptionRequest",
        "TranscriptionUnderWay",
        "UserRow",
        "WebhookTarget",
        "same_order",
    ),
    "service": (
        "App",
        "Moment",
        "Outgoing",
        "Service",
        "WebhookFormat",
    ),
}

__all__ = sorted(name for names in _HOMES.values() for name in names)  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__, __dir__ = lazy_face(__name__, _HOMES)
