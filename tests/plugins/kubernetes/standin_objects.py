"""Objects of a stand-in of a cluster: what they have to be, and what is said of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")

Object = dict[str, Any]


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, code: int, reason: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.headers = code, reason, message, headers


def container_of(**state: Any) -> Object:
    return {
        "name": "bot",
        "image": "bot",
        "imageID": "",
        "ready": "running" in state,
        "restartCount": 0,
        "state": state,
    }


def check_object(kind: str, body: Any) -> None:
    """Refuse what an API server refuses."""
    if not isinstance(body, dict) or body.get("kind") != kind or body.get("apiVersion") != "v1":
        raise Refused(400, "BadRequest", "the object provided is unrecognized")
    about = body.get("metadata", {})
    if not NAME.fullmatch(about.get("name", "")):
        message = f'{kind} "{about.get("name")}" is invalid: metadata.name: Invalid value'
        raise Refused(422, "Invalid", message)
    for key, value in about.get("labels", {}).items():
        if not LABEL.fullmatch(value):
            message = f'{kind} is invalid: metadata.labels: Invalid value: "{value}" of {key}'
            raise Refused(422, "Invalid", message)


def is_selected(known: Object, selector: str) -> bool:
    labels = known["metadata"].get("labels", {})
    pairs = [each.partition("=") for each in selector.split(",") if each]
    return all(labels.get(key) == value for key, _, value in pairs)


def now_in_words() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def status_of(code: int, reason: str, message: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
