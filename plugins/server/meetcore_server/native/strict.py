"""What the types of the API cannot say: nothing unknown is taken, texts have formats."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import Any

import attrs
from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.params import QueryParameter

from meetcore import ConfigError
from meetcore.gateway import Request as Sent
from meetcore.model import nearest
from meetcore_server.native.account_models import KeyCreate
from meetcore_server.native.models import (
    ChatSend,
    CommandBody,
    EndpointChange,
    EndpointCreate,
    NewBot,
    NewSocketToken,
    WebhookRequest,
)
from meetcore_server.native.page_models import NewLookIn
from meetcore_server.native.transcript_models import TranscriptCreate
from meetcore_server.seen import Seen

__all__ = ["Description", "check_fields"]

_TEXTS = (
    "application/x-subrip; charset=utf-8",
    "text/vtt; charset=utf-8",
    "text/plain; charset=utf-8",
)
_BODIES: dict[str, type] = {
    "create_bot": NewBot,
    "command_bot": CommandBody,
    "send_chat": ChatSend,
    "create_key": KeyCreate,
    "create_webhook": EndpointCreate,
    "change_webhook": EndpointChange,
    "create_socket_token": NewSocketToken,
    "create_transcript": TranscriptCreate,
    "create_look_in": NewLookIn,
}


async def check_fields(request: Request[Any, Any, Any]) -> None:
    """Refuse a body with a field, or an address with a parameter, that the operation does not have.

    Raises:
        BadBody: It is no JSON that we read.
        ConfigError: It names the field or parameter, and the nearest known one.
    """
    _check_query(request)
    operation = getattr(request.route_handler, "operation_id", None)
    body = _BODIES.get(operation) if isinstance(operation, str) else None
    if body is None:
        return
    sent = Sent(body=await request.body()).json()
    _check(sent, body, "")
    if body is NewBot:
        hooks = sent.get("webhooks")
        for number, hook in enumerate(hooks if isinstance(hooks, list) else []):
            _check(hook, WebhookRequest, f"webhooks[{number}].")


def _check_query(request: Request[Any, Any, Any]) -> None:
    if not request.query_params:
        return
    parameters = request.route_handler.parsed_fn_signature.parameters
    known = {
        definition.name or name
        for name, each in parameters.items()
        if isinstance(definition := each.kwarg_definition, QueryParameter)
    }
    for name in request.query_params:
        if name not in known:
            guess = nearest(name, known)
            listed = f"Known: {', '.join(sorted(known))}." if known else "It takes none."
            raise ConfigError(
                f"There is no query parameter {name[:80]!r} here.",
                f"Did you mean {guess!r}?" if guess else listed,
            )


def _check(sent: object, body: type, where: str) -> None:
    if not isinstance(sent, dict):
        raise ConfigError("The body must be a JSON object.")
    known = {field.name for field in attrs.fields(body)}
    for name in sent:
        if name not in known:
            guess = nearest(name, known)
            listed = ", ".join(sorted(known))
            raise ConfigError(
                f"There is no field {where + name[:80]!r}.",
                f"Did you mean {guess!r}?" if guess else f"Known: {listed}.",
            )


def _describe(schema: dict[str, Any], body: type) -> None:
    """Have a body's docstring describe its schema: the text above the body, and each field."""
    whole, _, fields = cleandoc(body.__doc__ or "").partition("\nAttributes:\n")
    schema["description"] = whole.rstrip()
    for entry in re.split(r"\n(?=    \w)", fields):
        name, _, text = entry.strip().partition(": ")
        if name in schema["properties"]:
            schema["properties"][name]["description"] = " ".join(text.split())


class Description(JsonRenderPlugin):
    """The description of the API, made when it is first asked for."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return it, with what types do not say: bodies, formats of texts, where we are."""
        seen: Seen = request.scope["state"]["meetcore"].seen
        openapi_schema["servers"] = [{"url": seen.public_url or "/"}]
        bodies = {body.__name__: body for body in (*_BODIES.values(), WebhookRequest)}
        for name, schema in openapi_schema["components"]["schemas"].items():
            body = bodies.get(name) or bodies.get(name.rpartition("_")[2])
            if body is not None:
                schema["additionalProperties"] = False
                _describe(schema, body)
        transcript = openapi_schema["paths"]["/v1/bots/{bot_id}/transcript"]["get"]
        content = transcript["responses"]["200"]["content"]
        content.update({media_type: {"schema": {"type": "string"}} for media_type in _TEXTS})
        screenshot = openapi_schema["paths"]["/v1/bots/{bot_id}/screenshot"]["get"]
        content = screenshot["responses"]["200"]["content"]
        content["image/png"] = content["image/jpeg"]
        return super().render(request, openapi_schema)
