"""In an environment with Presidio: redacts the texts that it is given, and says what it asked for.

Reads `{"options": {…}, "texts": […]}` from its standard input, and writes the redacted texts as
JSON, or what was wrong. Whatever asks for an address of the network fails.
"""

from __future__ import annotations

import json
import socket
import sys

from meetcore import ConfigError, build_options
from meetcore_redact.finder import redacted
from meetcore_redact.options import RedactOptions
from meetcore_redact.presidio_finder import load_presidio


def refuse(*address: object, **more: object) -> None:
    raise AssertionError(f"the network was asked for {address}")


def main() -> dict[str, object]:
    asked = json.load(sys.stdin)
    try:
        options = build_options(RedactOptions, asked["options"], "[plugins.redact]")
        load_presidio(options)
    except ConfigError as error:
        return {"refused": str(error)}
    return {"texts": [redacted(text, options) for text in asked["texts"]]}


if __name__ == "__main__":
    socket.getaddrinfo = socket.socket.connect = refuse  # type: ignore[assignment,method-assign]
    print(json.dumps(main()))
