"""A vendor's errors as a table: our code of an error to the vendor's status and body. Pure.

    REFUSE = ErrorTable(
        {
            "bot_not_found": ErrorAnswer(404, "Bot not found"),
            "bad_body": ErrorAnswer(400),
            "refused": ErrorAnswer(500, "Internal server error"),
        },
        body=lambda text, detail: {"message": text},
    )

An error without a row has the row of the class above it (see `MeetcoreError.codes`); at the end of
that stands `refused`. A capability that a platform lacks is a row too: `not_supported`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen

from meetcore.gateway.http import Reply, Request
from meetcore.model.errors import MeetcoreError

__all__ = ["ErrorAnswer", "ErrorTable", "Refusal"]


@frozen
class ErrorAnswer:
    """A row: what a client is told of one kind of error.

    Attributes:
        status: The HTTP status.
        text: The sentence; `{error}`, `{error.ATTRIBUTE}` and `{request.ATTRIBUTE}` may stand in
            it.
        detail: What the vendor's body has besides the sentence, for instance its own word for it;
            or a function of the error that returns it.
        headers: More headers; their values are templates like the text.
    """

    status: int
    text: str = "{error}"
    detail: Any = None
    headers: Mapping[str, str] = field(factory=dict)


class Refusal(MeetcoreError):
    """An answer of a dialect's own that ends a request, in the vendor's words.

    Args:
        status: The HTTP status.
        text: The sentence.
        detail: As in `ErrorAnswer`.
        headers: More headers.
    """

    code = "refusal"

    def __init__(
        self,
        status: int,
        text: str,
        detail: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(text)
        self.status, self.detail = status, detail
        self.headers = headers or {}


@frozen
class ErrorTable:
    """Turns errors into a vendor's answers; goes into `Mount.refuse`.

    Attributes:
        answers: The rows, by code; `refused` is the one for all others.
        body: Makes the vendor's body of a sentence and a detail.

    Raises:
        ValueError: There is no row `refused`.
    """

    answers: Mapping[str, ErrorAnswer]
    body: Callable[[str, Any], Any]

    def __attrs_post_init__(self) -> None:
        """Refuse a table without its last row."""
        if MeetcoreError.code not in self.answers:
            raise ValueError(f"A table of errors needs a row {MeetcoreError.code!r}.")

    def row(self, error: MeetcoreError) -> ErrorAnswer:
        """Return the row of an error: its own code's, or that of the nearest class above."""
        return next(self.answers[code] for code in error.codes() if code in self.answers)

    def __call__(self, request: Request, error: MeetcoreError) -> Reply:
        """Return the answer for an error."""
        if isinstance(error, Refusal):
            body = self.body(error.message, error.detail)
            return Reply(status=error.status, json=body, headers=error.headers)
        row = self.row(error)
        detail = row.detail(error) if callable(row.detail) else row.detail
        text = row.text.format(error=error, request=request)
        headers = {
            name: value.format(error=error, request=request) for name, value in row.headers.items()
        }
        return Reply(status=row.status, json=self.body(text, detail), headers=headers)
