"""What arrives is judged quickly and in bounded memory, after the token, and nothing of it is repeated."""

import asyncio
import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.request.codes import Code, GatewayError, Media
from gateway.request.limits import Limits
from gateway.request.receive import DisconnectedError, read_head, receive
from tests.support.surface import Surface, ask, asked

QUERY = b'{"query":"{ __typename }"}'
RESPONSE = Media.RESPONSE.value
JSON = Media.JSON.value


def body(**parameters: object) -> bytes:
    return json.dumps({"query": "{ __typename }", **parameters}).encode()


MALFORMED: Mapping[str, tuple[bytes, Code]] = {
    "empty": (b"", Code.JSON_INVALID),
    "half an object": (b'{"query": "{ __ty', Code.JSON_INVALID),
    "two objects": (QUERY + QUERY, Code.JSON_INVALID),
    "null": (b"null", Code.PARAMETER_INVALID),
    "string": (b'"{ __typename }"', Code.PARAMETER_INVALID),
    "number": (b"1", Code.PARAMETER_INVALID),
    "true": (b"true", Code.PARAMETER_INVALID),
    "a batch": (b"[" + QUERY + b"]", Code.BATCH_REFUSED),
    "an empty batch": (b"[]", Code.BATCH_REFUSED),
    "invalid UTF-8": (b'{"query": "\xff\xfe"}', Code.ENCODING_INVALID),
    "over-long UTF-8": (b'{"query": "\xc0\xaf"}', Code.ENCODING_INVALID),
    "UTF-8 of a surrogate": (b'{"query": "\xed\xa0\x80"}', Code.ENCODING_INVALID),
    "UTF-16": (QUERY.decode().encode("utf-16"), Code.ENCODING_INVALID),
    "byte order mark": (b"\xef\xbb\xbf" + QUERY, Code.JSON_INVALID),
    "lone surrogate": (b'{"query": "{ __typename }", "variables": {"a": "\\ud83d"}}', Code.JSON_INVALID),
    "lone surrogate in a key": (b'{"query": "{ __typename }", "variables": {"\\uDC00": 1}}', Code.JSON_INVALID),
    "NUL": (b'{"query": "{ __typename }", "variables": {"a": ["\\u0000"]}}', Code.JSON_INVALID),
    "repeated key": (b'{"query": "{ __typename }", "query": "{ me { id } }"}', Code.JSON_DUPLICATE_KEY),
    "repeated key in variables": (b'{"query": "{ __typename }", "variables": {"a": {"b": 1, "b": 2}}}', Code.JSON_DUPLICATE_KEY),
    "key repeated by an escape": (b'{"query": "{ __typename }", "\\u0071uery": "x"}', Code.JSON_DUPLICATE_KEY),
    "NaN": (b'{"query": "{ __typename }", "variables": {"a": NaN}}', Code.JSON_INVALID),
    "Infinity": (b'{"query": "{ __typename }", "variables": {"a": -Infinity}}', Code.JSON_INVALID),
    "a float beyond range": (b'{"query": "{ __typename }", "variables": {"a": 1e999}}', Code.JSON_INVALID),
    "5,000 digits": (b'{"query": "{ __typename }", "variables": {"a": ' + b"9" * 5_000 + b"}}", Code.JSON_INVALID),
    "60,000 digits": (b'{"query": "{ __typename }", "variables": {"a": ' + b"9" * 60_000 + b"}}", Code.JSON_INVALID),
    "60,000 decimals": (b'{"query": "{ __typename }", "variables": {"a": 1.' + b"9" * 60_000 + b"}}", Code.JSON_INVALID),
    "30,000 lists": (b'{"query": "{ __typename }", "variables": ' + b"[" * 30_000, Code.JSON_INVALID),
    "10,000 closed lists": (
        b'{"query": "{ __typename }", "variables": {"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}}",
        Code.JSON_INVALID,
    ),
    "10,000 objects": (b'{"a":' * 10_000, Code.JSON_INVALID),
    "nesting that the parser still bears": (body(variables={"a": json.loads("[" * 60 + "]" * 60)}), Code.JSON_INVALID),
    "no query": (b'{"notquery": "{ __typename }"}', Code.PARAMETER_INVALID),
    "query is null": (b'{"query": null}', Code.PARAMETER_INVALID),
    "query is an object": (body(query={"obj": "ect"}), Code.PARAMETER_INVALID),
    "query is a list": (body(query=["{ __typename }"]), Code.PARAMETER_INVALID),
    "operation name is a number": (body(operationName=0), Code.PARAMETER_INVALID),
    "operation name is false": (body(operationName=False), Code.PARAMETER_INVALID),
    "variables are a string": (body(variables="{}"), Code.PARAMETER_INVALID),
    "variables are a list": (body(variables=[{}]), Code.PARAMETER_INVALID),
    "extensions are zero": (body(extensions=0), Code.PARAMETER_INVALID),
    "a persisted document of no SHA-256": (b'{"documentId": "sha256:abc"}', Code.DOCUMENT_ID_UNKNOWN),
    "a persisted document of another kind": (body(query=None, documentId="x-md5:" + "a" * 32), Code.DOCUMENT_ID_UNKNOWN),
    "a persisted document in capitals": (body(query=None, documentId="sha256:" + "A" * 64), Code.DOCUMENT_ID_UNKNOWN),
    "a persisted document and a query": (body(documentId="sha256:" + "a" * 64), Code.PARAMETER_INVALID),
    "a document id is a number": (body(query=None, documentId=5), Code.PARAMETER_INVALID),
    "an automatic persisted query": (b'{"extensions": {"persistedQuery": {"version": 1}}}', Code.DOCUMENT_ID_UNKNOWN),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_body_is_refused_by_its_own_code(name: str) -> None:
    sent, code = MALFORMED[name]

    reply = await ask(Surface(), sent, headers={"accept": RESPONSE})

    assert reply.codes == [code.value]
    assert 400 <= reply.status < 500


@pytest.mark.parametrize("name", MALFORMED)
async def test_without_a_token_nothing_else_is_judged(name: str) -> None:
    sent, _ = MALFORMED[name]

    reply = await ask(Surface(), sent, token=None)

    assert (reply.status, reply.codes) == (401, ["TOKEN_MISSING"])


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"])
async def test_without_a_token_every_method_is_401(method: str) -> None:
    reply = await ask(Surface(), method=method, token=None)

    assert reply.status == 401
    assert "www-authenticate" in reply.headers


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "QUERY"])
async def test_other_methods_are_told_which_ones_go(method: str) -> None:
    reply = await ask(Surface(), QUERY, method=method)

    assert (reply.status, reply.headers["allow"]) == (405, "GET, POST")


async def test_a_mutation_over_get_is_refused_as_a_method() -> None:
    reply = await ask(Surface(), method="GET", query=b"query=mutation%7B__typename%7D")

    assert (reply.status, reply.codes, reply.headers["allow"]) == (405, ["METHOD_NOT_ALLOWED"], "POST")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (b"", Code.PARAMETER_INVALID),
        (b"query=", Code.PARAMETER_INVALID),
        (b"query=%7B__typename%7D&query=%7Bme%7D", Code.PARAMETER_INVALID),
        (b"query=%ff", Code.ENCODING_INVALID),
        (b"query=\xff", Code.ENCODING_INVALID),
        (b"query=%00", Code.PARAMETER_INVALID),
        (b"query=%7B__typename%7D&variables=%5B%5D", Code.BATCH_REFUSED),
        (b"query=%7B__typename%7D&variables=1", Code.PARAMETER_INVALID),
        (b"query=%7B__typename%7D&variables=%7B%22a%22:1,%22a%22:2%7D", Code.JSON_DUPLICATE_KEY),
        (b"query=%7B__typename%7D&extensions=no", Code.JSON_INVALID),
        (b"&".join(b"a%d=1" % number for number in range(30)), Code.PARAMETER_INVALID),
        (b"query=%7B__typename%7D&documentId=sha256:" + b"a" * 64, Code.PARAMETER_INVALID),
        (b"documentId=a&documentId=a", Code.PARAMETER_INVALID),
        (b"query=" + b"a" * 9_000, Code.URL_TOO_LONG),
    ],
)
async def test_a_malformed_url_is_refused_by_its_own_code(query: bytes, code: Code) -> None:
    reply = await ask(Surface(), method="GET", query=query)

    assert reply.codes == [code.value]
    assert 400 <= reply.status < 500


async def test_a_query_in_the_url_is_answered() -> None:
    query = b"query=query(%24id:ID!)%7Bsubject(id:%24id)%7Bid%7D%7D&variables=%7B%22id%22:%22a%22%7D&operationName="

    reply = await ask(Surface(), method="GET", query=query)

    assert (reply.status, reply.body) == (200, b'{"data":{"subject":null}}')


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"content-type": ""}, Code.MEDIA_TYPE),
        ({"content-type": "text/plain"}, Code.MEDIA_TYPE),
        ({"content-type": "application/graphql"}, Code.MEDIA_TYPE),
        ({"content-type": "application/x-www-form-urlencoded"}, Code.MEDIA_TYPE),
        ({"content-type": "multipart/form-data; boundary=x"}, Code.MEDIA_TYPE),
        ({"content-type": "application/jsonp"}, Code.MEDIA_TYPE),
        ({"content-type": "application/json; charset=utf-16"}, Code.MEDIA_TYPE),
        ({"content-type": "application/json; charset=gb18030"}, Code.MEDIA_TYPE),
        ({"content-type": "application/json" + ";a=b" * 1_000}, Code.MEDIA_TYPE),
        ({"content-encoding": "gzip"}, Code.CONTENT_ENCODING_REFUSED),
        ({"content-encoding": "identity, br"}, Code.CONTENT_ENCODING_REFUSED),
        ({"content-encoding": "zstd"}, Code.CONTENT_ENCODING_REFUSED),
        ({"transfer-encoding": "chunked"}, Code.LENGTH_REQUIRED),
        ({"content-length": "-1"}, Code.BAD_REQUEST),
        ({"content-length": "1, 1"}, Code.BAD_REQUEST),
        ({"content-length": "9" * 5_000}, Code.BODY_TOO_LARGE),
        ({"content-length": "65537"}, Code.BODY_TOO_LARGE),
        ({"accept": "text/html"}, Code.NOT_ACCEPTABLE),
        ({"accept": "application/json;q=0"}, Code.NOT_ACCEPTABLE),
        ({"accept": "application/json;charset=gbk"}, Code.NOT_ACCEPTABLE),
        ({"accept": "application/json," * 1_000}, Code.NOT_ACCEPTABLE),
    ],
)
async def test_a_header_that_will_not_do_is_refused_by_its_own_code(headers: Mapping[str, str], code: Code) -> None:
    reply = await ask(Surface(), QUERY, headers=headers)

    assert reply.codes == [code.value]
    assert 400 <= reply.status < 500


@pytest.mark.parametrize("value", ["application/json", "Application/JSON;charset=UTF-8", 'application/json; charset="utf-8"'])
async def test_json_in_utf8_is_accepted_however_it_is_written(value: str) -> None:
    assert (await ask(Surface(), QUERY, headers={"content-type": value})).status == 200


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("application/graphql-response+json", RESPONSE),
        ("application/graphql-response+json; charset=utf-8", RESPONSE),
        ("application/graphql-response+json, application/json;q=0.9", RESPONSE),
        ("application/json, application/graphql-response+json", RESPONSE),
        ("application/json, application/graphql-response+json;q=0.5", JSON),
        ("text/html, application/graphql-response+json;q=0.1", RESPONSE),
        ("application/graphql-response+json;q=0, */*", JSON),
        ("application/json;q=0, */*", RESPONSE),
        ("application/json, */*", JSON),
        ("APPLICATION/JSON", JSON),
    ],
)
async def test_the_media_type_is_negotiated(accept: str | None, media: str) -> None:
    reply = await ask(Surface(), QUERY, headers={"accept": accept} if accept else {})

    assert reply.headers["content-type"] == f"{media}; charset=utf-8"


@pytest.mark.parametrize("parameter", ["variables", "operationName", "extensions"])
async def test_a_null_parameter_is_as_good_as_none(parameter: str) -> None:
    assert (await ask(Surface(), body(**{parameter: None}))).body == b'{"data":{"__typename":"Query"}}'


async def test_unknown_parameters_are_ignored_and_emoji_pass() -> None:
    sent = (
        b'{"query":"query($id: ID!) { subject(id: $id) { id } }","variables":{"id":"\\ud83c\\udfc3 \xf0\x9f\x8f\x8a"},"more":1}'
    )

    assert (await ask(Surface(), sent)).status == 200


async def test_a_body_in_pieces_is_put_together() -> None:
    pieces = [{"type": "http.request", "body": bytes([byte]), "more_body": True} for byte in QUERY]

    reply = await asked(Surface(), [*pieces, {"type": "http.request", "body": b""}], len(QUERY))

    assert reply.status == 200


async def test_a_body_that_outgrows_its_length_is_dropped_at_once() -> None:
    """Memory is bounded by the length that was announced and one more piece, whatever goes on arriving."""
    taken = 0

    async def take() -> dict[str, object]:
        nonlocal taken
        taken += 1_000
        return {"type": "http.request", "body": b"x" * 1_000, "more_body": True}

    head = read_head(a_scope({b"content-type": b"application/json", b"content-length": b"5000"}))
    with pytest.raises(GatewayError) as refused:
        await receive(head, take, Limits())

    assert refused.value.code is Code.BAD_REQUEST
    assert taken <= 6_000


async def test_a_body_too_large_is_refused_before_it_is_read() -> None:
    async def take() -> dict[str, object]:
        raise AssertionError("nothing was to be read")

    head = read_head(a_scope({b"content-type": b"application/json", b"content-length": b"65537"}))
    with pytest.raises(GatewayError) as refused:
        await receive(head, take, Limits())

    assert refused.value.code is Code.BODY_TOO_LARGE


async def test_a_body_shorter_than_it_says_is_refused() -> None:
    assert (await asked(Surface(), [{"type": "http.request", "body": QUERY}], len(QUERY) + 1)).codes == ["BAD_REQUEST"]


async def test_a_body_that_never_ends_is_given_up() -> None:
    begun = [{"type": "http.request", "body": b"{", "more_body": True}]

    reply = await asked(Surface(Limits(body_timeout_s=0.001)), list(begun), 100)

    assert (reply.status, reply.codes, reply.headers["connection"]) == (408, ["BODY_TIMEOUT"], "close")


@pytest.mark.parametrize("begun", [True, False])
async def test_a_client_that_goes_away_gets_no_answer(begun: bool) -> None:
    messages = [{"type": "http.request", "body": b"{", "more_body": True}] * begun

    with pytest.raises(DisconnectedError):
        await asked(Surface(), [*messages, {"type": "http.disconnect"}], 100)


async def test_a_repeated_authorization_header_is_no_token() -> None:
    scope = a_scope({})
    scope["headers"] = [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")]

    assert read_head(scope).authorization == "Bearer a, Bearer b"


@given(sent=st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_a_request_or_a_4xx(sent: bytes) -> None:
    reply = asyncio.run(ask(Surface(), sent))

    assert reply.status == 200 or 400 <= reply.status < 500


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    parameters=st.dictionaries(st.sampled_from(["query", "operationName", "variables", "extensions", "documentId"]), JSON_VALUES)
)
def test_any_json_is_a_request_or_a_4xx(parameters: dict[str, object]) -> None:
    reply = asyncio.run(ask(Surface(), json.dumps(parameters).encode(), headers={"accept": RESPONSE}))

    assert 400 <= reply.status < 500 or not reply.codes


async def test_what_was_sent_is_never_repeated() -> None:
    marker = "CANARY4711"
    spoilt = [
        (b'{"query": "{ %s" }' % marker.encode(), {}),
        (body(query=f'{{ me(id: "{marker}") {{ id(x: {marker}) }} }}'), {}),
        (body(query=f'{{ subjects(first: "{marker}") {{ edges {{ cursor }} }} }}'), {}),
        (body(query=f"{{ {marker} }}"), {}),
        (body(query=f'{{ me "{marker}" }}'), {}),
        (body(query="query($a: Int!) { subjects(first: $a) { edges { cursor } } }", variables={"a": marker}), {}),
        (body(operationName=marker), {}),
        (QUERY, {"accept": marker}),
        (QUERY, {"content-type": marker}),
        (QUERY, {"x-request-id": marker}),
    ]
    for sent, headers in spoilt:
        reply = await ask(Surface(), sent, headers=headers)

        assert marker.encode() not in reply.body
        assert marker not in str(reply.headers)


def a_scope(headers: Mapping[bytes, bytes]) -> dict[str, object]:
    return {"type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "headers": list(headers.items())}
