"""A vendor's errors are a table by code; an error without a row has the one of the class above."""

from __future__ import annotations

import pytest

from meetcore import CapabilityMissing, CommandFailed, MeetcoreError
from meetcore.gateway import (
    BadBody,
    BadField,
    BodyTooLong,
    ErrorAnswer,
    ErrorTable,
    FieldProblem,
    MethodNotAllowed,
    Refusal,
    Request,
)
from meetcore.model import errors

TABLE = ErrorTable(
    {
        "bad_body": ErrorAnswer(400, detail=lambda error: type(error).__name__),
        "command_refused": ErrorAnswer(409, detail="refused"),
        "method_not_allowed": ErrorAnswer(
            405, "no {request.method} at {request.path}", headers={"allow": "{error.methods}"}
        ),
        "refused": ErrorAnswer(500, "Something went wrong."),
    },
    body=lambda text, detail: {"said": text, "word": detail},
)
REQUEST = Request(method="PUT", path="/bots")


def test_an_error_has_the_row_of_its_code_or_of_the_nearest_class_above():
    missing = CapabilityMissing("zoom", "show_image")
    assert TABLE.row(missing).status == 409
    reply = TABLE(REQUEST, missing)
    assert reply.json == {"said": str(missing), "word": "refused"}
    assert TABLE(REQUEST, CommandFailed("No.")).status == 500
    assert "No." not in TABLE(REQUEST, CommandFailed("No.")).json["said"]


@pytest.mark.parametrize(
    "error", [BadBody("x"), BodyTooLong("x"), BadField(FieldProblem(("x",), "text", "x"))]
)
def test_a_detail_may_follow_from_the_error(error):
    reply = TABLE(REQUEST, error)
    assert (reply.status, reply.json) == (400, {"said": "x", "word": type(error).__name__})


def test_a_sentence_may_name_what_the_error_and_the_request_say():
    reply = TABLE(REQUEST, MethodNotAllowed("/bots", ["POST", "GET"]))
    assert reply.json["said"] == "no PUT at /bots"
    assert reply.headers == {"allow": "GET, POST"}


def test_a_text_with_braces_is_no_template():
    assert TABLE(REQUEST, BadBody("{0} {x")).json["said"] == "{0} {x"


def test_a_dialects_own_refusal_says_itself_what_is_answered():
    reply = TABLE(REQUEST, Refusal(418, "No {tea}.", "teapot", {"x": "{y}"}))
    assert (reply.status, reply.headers) == (418, {"x": "{y}"})
    assert reply.json == {"said": "No {tea}.", "word": "teapot"}


def test_a_table_has_a_row_for_all_other_errors():
    with pytest.raises(ValueError, match="refused"):
        ErrorTable({"bad_body": ErrorAnswer(400)}, body=lambda text, detail: {})


def test_every_error_of_the_core_has_a_code_of_its_own():
    kinds = [vars(errors)[name] for name in errors.__all__ if isinstance(vars(errors)[name], type)]
    codes = [kind.code for kind in kinds if issubclass(kind, MeetcoreError)]
    assert len(codes) == len(set(codes)) > 15
    assert all(code.isidentifier() and code.islower() for code in codes)
