"""Routes and requests as plain data: templates, methods, bodies."""

from __future__ import annotations

import pytest

import meetcore
from meetcore.gateway.http import BadBody, MethodNotAllowed, Request, Route, find_route, fit


def test_templates_take_parts_and_the_rest():
    assert fit("/bots/{p}/{n}", "/bots/zoom/12") == {"p": "zoom", "n": "12"}
    assert fit("/bots/{p}", "/bots/zoom/") == {"p": "zoom"}
    assert fit("/bots/{p}", "/bots") is None
    assert fit("/bots/{p}", "/bots/") is None
    assert fit("/files/{rest...}", "/files/a/b/c") == {"rest": "a/b/c"}
    assert fit("/", "/") == {}
    assert fit("/", "/x") is None


def test_a_path_that_is_there_for_other_methods_says_which():
    async def handler(request):
        raise AssertionError

    routes = [Route(method, "/bots/{id}", handler) for method in ("GET", "DELETE")]
    route, params = find_route(routes, "HEAD", "/bots/7")
    assert (route.method, params) == ("GET", {"id": "7"})
    with pytest.raises(meetcore.MeetcoreError, match="It takes DELETE, GET"):
        find_route(routes, "POST", "/bots/7")


def test_a_get_that_changes_something_answers_no_head():
    async def handler(request):
        raise AssertionError

    routes = [Route("GET", "/bots/{id}/stop", handler, safe=False)]
    assert find_route(routes, "GET", "/bots/7/stop")[0].method == "GET"
    with pytest.raises(MethodNotAllowed, match="It takes GET"):
        find_route(routes, "HEAD", "/bots/7/stop")


@pytest.mark.parametrize(
    "body", [b"{", b"NaN", b'{"a": 1e999}', b'"\\ud800"', b"\xff", b"[" * 9999]
)
def test_a_body_that_cannot_be_written_down_again_is_no_json(body):
    with pytest.raises(BadBody):
        Request(body=body).json()


def test_a_request_gives_headers_and_query_as_a_handler_wants_them():
    request = Request(
        query="a=1&a=2&b=%C3%B6&c=", headers=(("x-a", "1"), ("x-b", "2"), ("x-a", "3"))
    )
    assert request.args == {"a": "2", "b": "ö", "c": ""}
    assert request.header("X-A") == "1, 3"
    assert request.header("x-c") is None
    assert Request(body=b"  ").json() is None
