"""Tables, pages and columns: the part of the statement that reads. A column that the plan withholds is not in it.

Every JSON fragment is SQL of type text that is never null. Response keys are the partner's words: they stand in string constants,
never in identifiers, which would be cut at 63 bytes.
"""

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from gateway.catalogue.definition import Catalogue, Leaf, LeafList, Member, RowList, Table
from gateway.request.consent import IS_OPEN, IS_READABLE, SETTLED, covers, others_agree
from gateway.request.json_sql import ObjectWriter, Share, json_object, listed, shares, typename
from gateway.request.redact import expression
from gateway.request.run import RunArguments, read_count, read_cursor, read_pseudonym
from gateway.request.selection import Selected
from gateway.store.clause import literal
from scopes import PlannedField, Rung

NULL = "'null'"
PSEUDONYM = """('"' || {}.pseudonym || '"')"""
SHA256_BLOCK = 64  # bytes
DATA_ROOTS = frozenset({"me", "subject", "subjects"})


@dataclass(frozen=True, slots=True)
class Reading:
    """One root field's share of the statement.

    ctes: in order, the last of them `node_<n>` with the columns subject_id, pseudonym, covered, reasons, others, node0, node1 ...
    answer: the root field's JSON, share by share. asked: the leaves read under it, by path. has_others: whether any list may
    carry other persons' data.
    """

    ctes: tuple[str, ...]
    answer: tuple[Share, ...]
    asked: tuple[str, ...]
    has_others: bool


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Writes the reading part for one plan. fields: the plan's. field_key: 32 bytes, for the pseudonymise rung."""

    catalogue: Catalogue
    fields: Mapping[str, PlannedField]
    ordinals: Mapping[str, int]
    arguments: RunArguments
    purpose: str
    field_key: bytes
    is_bound: bool

    def key_pads(self) -> tuple[str, str]:
        """The inner and the outer padded key of HMAC (RFC 2104)."""
        padded = self.field_key.ljust(SHA256_BLOCK, b"\0")
        inner, outer = (bytes(byte ^ pad for byte in padded) for pad in (0x36, 0x5C))
        return self.arguments.constant(inner, "bytea"), self.arguments.constant(outer, "bytea")

    def root(self, number: int, selected: Selected) -> Reading:
        """The CTEs and the answer of data root `number`."""
        writer = _NodeWriter(self, number, [])
        wanted = nodes_of(selected)
        columns = "".join(
            f", {writer.object(node.children, self.catalogue.subject.name)} as node{n}" for n, node in enumerate(wanted)
        )
        others = " || ".join(f"coalesce(l{n}.others || ',', '')" for n in writer.with_others) or "null"
        laterals = "".join(writer.laterals)
        ctes = (
            *self._page(number, selected),
            f"""node_{number} as materialized (
  select c.subject_id, c.pseudonym, c.covered, c.reasons, {others} as others{columns}
    from shown_{number} c join {self.catalogue.table} on {self.catalogue.key} = c.subject_id{laterals}
   order by c.pseudonym)""",
        )
        if selected.name == "subjects":
            answer = self._connection(number, selected)
        else:
            answer = (Share(f"(select textsend(node0) from node_{number})", otherwise=b"null"),)
        paths = [path for node in wanted for path in _leaf_paths(self, node.children, self.catalogue.subject.name)]
        return Reading(ctes, answer, tuple(dict.fromkeys(paths)), bool(writer.with_others))

    def _page(self, number: int, selected: Selected) -> tuple[str, ...]:
        partner = self.arguments.add("partner_id", "uuid", attrgetter("partner_id"))
        who = [f"s.partner_id = {partner}", f"s.purpose = {self.purpose}", IS_READABLE, IS_OPEN]
        if self.is_bound:
            who.append("s.subject_id = (select subject_id from caller)")
        window = ""
        if selected.name == "subject":
            wanted = selected.arguments["id"]
            who.append(f"s.pseudonym = {self.arguments.add(('pseudonym', wanted), 'uuid', read_pseudonym(wanted))}")
        elif selected.name == "me":
            if not self.is_bound:
                who.append("false")
        else:
            who.append(f"s.pseudonym > {self._after(selected)}")
            window = f"\n   order by s.pseudonym limit {self._first(selected)} + 1"
        page = f"""page_{number} as materialized (
  select s.subject_id, s.pseudonym, {SETTLED} as covered, s.reasons
    from gateway.consent_state s
   where {" and ".join(who)}{window})"""
        if selected.name != "subjects":
            return page, f"shown_{number} as (select * from page_{number})"
        return page, f"shown_{number} as (select * from page_{number} order by pseudonym limit {self._first(selected)})"

    def _connection(self, number: int, selected: Selected) -> tuple[Share, ...]:
        parts: list[tuple[str, Share | bytes]] = []
        numbered = 0
        for field in selected.children:
            if field.name == "edges":
                parts.append((field.key, self._edges(number, field, numbered)))
                numbered += sum(1 for child in field.children if child.name == "node")
            elif field.name == "pageInfo":
                parts.append((field.key, Share(f"textsend({self._page_info(number, field, selected)})")))
            else:
                parts.append((field.key, json.dumps(field.type_name).encode()))
        return shares(parts)

    def _edges(self, number: int, edges: Selected, numbered: int) -> Share:
        parts: list[tuple[str, str]] = []
        for field in edges.children:
            if field.name == "node":
                parts.append((field.key, f"n.node{numbered}"))
                numbered += 1
            else:
                parts.append((field.key, PSEUDONYM.format("n") if field.name == "cursor" else typename(field)))
        return listed(parts, f"node_{number} n")

    def _page_info(self, number: int, page_info: Selected, selected: Selected) -> str:
        writers = {
            "hasNextPage": lambda: f"(select count(*) > {self._first(selected)} from page_{number})::text",
            "hasPreviousPage": lambda: self._has_previous(selected),
            "startCursor": lambda: self._cursor(number, selected, "asc"),
            "endCursor": lambda: self._cursor(number, selected, "desc"),
        }
        return json_object(
            [(field.key, writers[field.name]() if field.name in writers else typename(field)) for field in page_info.children]
        )

    def _cursor(self, number: int, selected: Selected, direction: str) -> str:
        """The first or the last pseudonym of the page, as JSON: cursors carry nothing else.

        Of the page and not of its edges: who has consented and is no longer on the platform has no edge, and a page of such
        must still lead to the next one.
        """
        page = f"(select pseudonym from page_{number} order by pseudonym limit {self._first(selected)}) p"
        return f"coalesce((select '\"' || pseudonym || '\"' from {page} order by pseudonym {direction} limit 1), {NULL})"

    def _first(self, selected: Selected) -> str:
        first = selected.arguments["first"]
        return self.arguments.add(("count", first), "integer", read_count(first))

    def _after(self, selected: Selected) -> str:
        after = selected.arguments["after"]
        return self.arguments.add(("cursor", after), "uuid", read_cursor(after))

    def _has_previous(self, selected: Selected) -> str:
        partner = self.arguments.add("partner_id", "uuid", attrgetter("partner_id"))
        bound = " and s.subject_id = (select subject_id from caller)" if self.is_bound else ""
        return f"""(select exists (
       select from gateway.consent_state s where s.partner_id = {partner} and s.purpose = {self.purpose}
       and {IS_READABLE} and {IS_OPEN} and s.pseudonym <= {self._after(selected)}{bound}))::text"""


@dataclass(frozen=True, slots=True)
class _NodeWriter:
    fetcher: Fetcher
    number: int
    laterals: list[str]

    @property
    def with_others(self) -> list[int]:
        return [n for n, lateral in enumerate(self.laterals) if " as others" in lateral]

    def object(self, selected: Sequence[Selected], type_name: str) -> str:
        """SQL of type text that is never null: one JSON object."""
        members = self.fetcher.catalogue.types[type_name].members
        writer = ObjectWriter()
        for field in selected:
            if field.name == "__typename":
                writer.string(field.key, literal(field.type_name))
            elif field.name == "id" and type_name == self.fetcher.catalogue.subject.name:
                writer.string(field.key, "c.pseudonym::text")
            else:
                self._member(field, members[field.name], writer)
        return writer.written()

    def _member(self, field: Selected, member: Member, writer: "ObjectWriter") -> None:
        shared = member.shared
        if isinstance(shared, Leaf):
            writer.string(field.key, self._leaf(member.path, shared))
        elif isinstance(shared, LeafList):
            item = f"coalesce(to_json({self._leaf(member.path, shared.leaf)})::text, {NULL})"
            writer.json(field.key, self._list(field, shared.table, item, [member.path]))
        else:
            paths = _leaf_paths(self.fetcher, field.children, shared.type_name)
            paths = paths or [representative(self.fetcher.catalogue, [self.fetcher.fields], shared.type_name)]
            item = self.object(field.children, shared.type_name)
            writer.json(field.key, self._list(field, shared.table, item, paths))

    def _leaf(self, path: str, leaf: Leaf) -> str:
        """SQL of type text: the redacted value, null where it is withheld."""
        planned = self.fetcher.fields[path]
        # a placeholder that the text does not use has no type, so the keys are there only where they are needed
        pads = self.fetcher.key_pads() if planned.redaction.rung is Rung.PSEUDONYMISE else ("", "")
        value = expression(leaf.kind, planned.redaction, leaf.column, key_pads=pads, at="statement_timestamp()")
        return f"case when {covers(1 << self.fetcher.ordinals[planned.category])} then {value} end"

    def _list(self, field: Selected, table: Table, item: str, paths: Iterable[str]) -> str:
        """A list is there when any of what is selected in it is given and covered; each leaf in it asks for itself once more.

        Where the plan withholds all of it there is no list, for its length would tell something of what it holds.
        """
        fetcher = self.fetcher
        planned = [fetcher.fields[path] for path in paths]
        mask = 0
        for leaf in planned:
            if leaf.redaction.rung is not Rung.WITHHOLD:
                mask |= 1 << fetcher.ordinals[leaf.category]
        if not mask:
            return NULL
        first = field.arguments["first"]
        count = fetcher.arguments.add(("count", first), "integer", read_count(first))
        rules = [f"{table.subject} = c.subject_id", covers(mask)]
        if table.shown:
            rules.append(table.shown)
        persons = others = ""
        if table.others:
            partner = fetcher.arguments.add("partner_id", "uuid", attrgetter("partner_id"))
            rules.append(others_agree(table.others, fetcher.ordinals, partner=partner, purpose=fetcher.purpose))
            named = " || ".join(f"coalesce({other.column}, '{{}}')" for other in table.others)
            persons = f", {named} as persons"
            # the data subject itself is taken out here, of the few rows that name anybody
            others = """, string_agg(array_to_string(array_remove(i.persons, c.subject_id), ','), ',')
               filter (where cardinality(i.persons) > 0) as others"""
        name = f"l{len(self.laterals)}"
        self.laterals.append(f"""
    cross join lateral (
      select string_agg(i.item, ',') as items{others}
        from (select {item} as item{persons} from {table.source}
               where {" and ".join(rules)} order by {table.order} limit {count}) i) {name}""")
        return f"case when {covers(mask)} then '[' || coalesce({name}.items, '') || ']' else {NULL} end"


def representative(catalogue: Catalogue, offers: Iterable[Container[str]], type_name: str) -> str:
    """The leaf that stands for a list of which nothing but __typename is selected: its being there is told as well.

    offers: schema paths; a leaf of the first of them that has any of the type's.
    """
    members = catalogue.types[type_name].members.values()
    return next(member.path for offered in offers for member in members if member.path in offered)


def _leaf_paths(fetcher: Fetcher, selected: Iterable[Selected], type_name: str) -> list[str]:
    return leaf_paths(fetcher.catalogue, [fetcher.fields], selected, type_name)


def leaf_paths(catalogue: Catalogue, offers: Sequence[Container[str]], selected: Iterable[Selected], type_name: str) -> list[str]:
    """The schema paths of all leaves selected on an object of `type_name`, in order of their first appearance.

    offers: as `representative` wants them.
    """
    found: dict[str, None] = {}
    members = catalogue.types[type_name].members
    for field in selected:
        member = members.get(field.name)
        if member is None:
            continue
        if isinstance(member.shared, RowList):
            inner = leaf_paths(catalogue, offers, field.children, member.shared.type_name)
            found.update(dict.fromkeys(inner or [representative(catalogue, offers, member.shared.type_name)]))
        else:
            found[member.path] = None
    return list(found)


def nodes_of(root: Selected) -> tuple[Selected, ...]:
    """The fields under a data root that select on data subjects, in answer order: itself, or each `node` of each `edges`."""
    if root.name != "subjects":
        return (root,)
    return tuple(node for edges in root.children if edges.name == "edges" for node in edges.children if node.name == "node")
