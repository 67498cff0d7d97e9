"""What goes back says what is needed and is kept by nobody."""

import orjson
import pytest

from gateway.request.codes import Code, GatewayError, Media, Problem, status_of
from gateway.request.respond import error_body, send_answer, send_error
from gateway.watch.guard import Message


class Sent:
    """An ASGI send that keeps what it got."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}


@pytest.mark.parametrize("media", Media)
@pytest.mark.parametrize("code", Code)
async def test_every_error_is_json_with_its_code_and_without_data(code: Code, media: Media) -> None:
    sent = Sent()

    status = await send_error(sent, GatewayError(code), media, request_id="r")

    body = orjson.loads(sent.messages[1]["body"])
    assert status == sent.messages[0]["status"] == status_of(code, media)
    assert [error["extensions"]["code"] for error in body["errors"]] == [code.value]
    assert "data" not in body
    assert sent.headers["content-type"] == f"{media.value}; charset=utf-8"
    assert sent.headers["cache-control"] == "no-store"
    assert sent.headers["content-length"] == str(len(sent.messages[1]["body"]))
    assert ("retry-after" in sent.headers) == (status in {429, 503})


async def test_an_answer_carries_its_request_id_and_no_store() -> None:
    sent = Sent()

    await send_answer(sent, b'{"data":{}}', Media.RESPONSE, request_id="0190")

    assert sent.messages[0]["status"] == 200
    assert sent.messages[1]["body"] == b'{"data":{}}'
    assert (sent.headers["x-request-id"], sent.headers["cache-control"]) == ("0190", "no-store")


async def test_headers_of_the_error_are_passed_on() -> None:
    sent = Sent()

    await send_error(sent, GatewayError(Code.RATE_EXCEEDED, headers={"X-More": "1"}, retry_after_s=7), Media.JSON, request_id="r")

    assert (sent.headers["retry-after"], sent.headers["x-more"]) == ("7", "1")
    assert b'"retryAfter":7' in sent.messages[1]["body"]


def test_each_problem_is_an_error_of_its_own() -> None:
    error = GatewayError(Code.VALIDATION, problems=(Problem("One.", ((1, 2),), "ScalarLeafs"), Problem("Two.")))

    assert orjson.loads(error_body(error)) == {
        "errors": [
            {
                "message": "One.",
                "locations": [{"line": 1, "column": 2}],
                "extensions": {"code": "VALIDATION", "rule": "ScalarLeafs"},
            },
            {"message": "Two.", "extensions": {"code": "VALIDATION"}},
        ]
    }
