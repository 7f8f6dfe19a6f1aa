"""A `BotRequest` as JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import cattrs
from attrs import evolve

from meetcore import format_time, parse_time
from meetcore.gateway import BotRequest

__all__ = ["order_from_json", "order_to_json"]


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(unstruct_collection_overrides={tuple: list})
    converter.register_unstructure_hook(datetime, format_time)
    converter.register_structure_hook(datetime, lambda text, _: parse_time(text).astimezone(UTC))
    return converter


def order_to_json(order: BotRequest) -> dict[str, Any]:
    """Return an order as what JSON can hold."""
    return dict(_converter().unstructure(order, BotRequest))


def order_from_json(raw: Mapping[str, Any]) -> BotRequest:
    """Return the order; fields of a later version are left out."""
    order = _converter().structure(dict(raw), BotRequest)
    return evolve(order, sinks=tuple(order.sinks), webhooks=tuple(order.webhooks))
