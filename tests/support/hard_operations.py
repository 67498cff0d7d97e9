"""Operations that executors get wrong, each with its variables. They need the schema paths of NEEDED and one purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NEEDED: Final = frozenset(
    {
        "Subject.realName",
        "Subject.city",
        "Subject.photos",
        "Subject.mentions",
        "Post.id",
        "Post.text",
        "Post.postedAt",
        "ServiceEvent.kind",
        "ServiceEvent.ipAddress",
    }
)
LONG: Final = "x" * 63  # where PostgreSQL cuts a name
FIFTY: Final = " ".join(f"k{number}: realName" for number in range(50))

HARD: Final[Mapping[str, tuple[str, Mapping[str, object]]]] = {
    "one list under two aliases with different arguments": (
        """{ subjects(first: 9) { edges { node {
            a: posts(first: 1) { text } b: posts(first: 3) { id text } posts { id } } } } }""",
        {},
    ),
    "edges and nodes under several aliases": (
        """{ subjects(first: 4) {
            a: edges { node { city posts(first: 1) { id } } cursor }
            edges { b: node { id } c: node { posts { text } realName } }
            pageInfo { endCursor } } }""",
        {},
    ),
    "fragments in fragments": (
        """{ subjects(first: 4) { ...A } }
        fragment C on Post { id ... on Post { text ...D } }
        fragment D on Post { postedAt text }
        fragment A on SubjectConnection { edges { ...B } }
        fragment B on SubjectEdge { node { posts { ...C ...D } id } cursor }""",
        {},
    ),
    "a repeated field merges what is selected below it": (
        """{ subjects(first: 3) { edges { node { id posts { id } } } }
            subjects(first: 3) {
                edges { cursor node { city posts { text id } ... { posts { __typename postedAt } } } }
                pageInfo { hasNextPage } } }""",
        {},
    ),
    "an object of more than fifty keys": (
        f"{{ subjects(first: 3) {{ edges {{ node {{ {FIFTY} city id __typename posts {{ text }} photos mentions }} }} }} }}",
        {},
    ),
    "aliases that differ after 63 bytes": (
        f"""{{ subjects(first: 3) {{ edges {{ {LONG}: cursor {LONG}1: node {{ {LONG}2: realName {LONG}3: city }} }} }}
            {LONG}4: subjects(first: 1) {{ {LONG}5: pageInfo {{ {LONG}6: endCursor }} }} }}""",
        {},
    ),
    "aliases that are other fields' names": (
        """{ subjects(first: 5) { edges { node {
            realName: city city: realName posts: photos photos: posts { id: text text: id } } } } }""",
        {},
    ),
    "any character in a string": (
        '{ subject(id: "王\u2028\\\\\\"\\u00e9\U0001f600\'") { id } b: subject(id: """ block " \\ string \'""") { city } }',
        {},
    ),
    "any character in a variable": (
        "query ($id: ID!) { subject(id: $id) { id } }",
        {"id": "'; select \u2028 \U0001f600 \x01 \" \\ $1"},
    ),
    "variables with defaults, given, absent and null": (
        """query ($a: Int! = 2, $b: Int = 1, $c: Int, $d: String, $e: String = null, $f: Int! = 3) {
            subjects(first: $a, after: $d) { edges { node { posts(first: $b) { id } photos(first: $c) } } }
            b: subjects(first: $f, after: $e) { edges { cursor } pageInfo { hasPreviousPage hasNextPage } } }""",
        {"f": 1, "d": None},
    ),
    "one variable for several sizes": (
        """query ($n: Int!) { subjects(first: $n) { edges { node { posts(first: $n) { id } mentions(first: $n) } } } }""",
        {"n": 2},
    ),
    "a page of nobody": (
        "{ subjects(first: 0) { edges { cursor node { id } } pageInfo { startCursor endCursor hasNextPage } } }",
        {},
    ),
    "lists of nothing": ("{ subjects(first: 5) { edges { node { posts(first: 0) { id } photos(first: 0) } } } }", {}),
    "nothing of anybody": (
        "{ subjects(first: 5) { __typename pageInfo { __typename } edges { __typename } } __typename }",
        {},
    ),
    "only the length of lists": (
        "{ subjects(first: 5) { edges { node { posts { __typename } serviceEvents { __typename } } } } }",
        {},
    ),
    "a list that two categories share": (
        """{ subjects(first: 9) { edges { node {
            a: serviceEvents { ipAddress } b: serviceEvents { kind } c: serviceEvents { kind ipAddress } } } } }""",
        {},
    ),
    "skip and include, together and on fragments": (
        """query ($t: Boolean!, $f: Boolean = false) { subjects(first: 5) { edges { node {
            id @skip(if: $f) @include(if: $t)
            city @skip(if: $t) @include(if: $t)
            ...F @skip(if: $t) ...F ... @include(if: $f) { realName }
            posts @include(if: $t) { text @skip(if: $f) id @include(if: $f) } } } } }
        fragment F on Subject { photos realName @include(if: $t) }""",
        {"t": True},
    ),
    "all of a selection skipped": (
        """{ subjects(first: 5) { edges {
            node { id @skip(if: true) posts { id @include(if: false) } } cursor @skip(if: true) } } }""",
        {},
    ),
    "a whole root skipped": ("{ subjects(first: 5) @skip(if: true) { edges { cursor } } __typename me { id } }", {}),
    "every root skipped": ("{ subjects(first: 5) @skip(if: true) { edges { cursor } } }", {}),
    "roots in fragments": (
        """{ ...R b: me { id } ...R }
        fragment R on Query { subjects(first: 2) { edges { cursor } } ... { __typename access { partner } } }""",
        {},
    ),
    "introspection beside data": (
        '{ __type(name: "Post") { fields { name } } subjects(first: 1) { edges { cursor } } s: __schema { queryType { name } } }',
        {},
    ),
    "the purpose by name": ("query @purpose(is: service_delivery) { subjects(first: 3) { edges { node { city } } } }", {}),
    "the purpose by variable": (
        "query ($p: Purpose!) @purpose(is: $p) { subjects(first: 3) { edges { node { city } } } access { purpose } }",
        {"p": "service_delivery"},
    ),
    "the purpose by a variable's default": (
        "query ($p: Purpose = service_delivery) @purpose(is: $p) { subjects(first: 3) { edges { node { city } } } }",
        {},
    ),
    "commas, comments and a byte order mark": ("\ufeff{,# nothing\n subjects(,first:,3,) {,edges,{,cursor,},},}", {}),
}
