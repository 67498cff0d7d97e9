"""Contracts are files: what a partner can see of the schema, and what SQL an operation becomes, changes only in a visible diff.

`CONTRACTS=write python -m pytest tests/gateway/test_contract_files.py` writes them anew.
"""

import os
import re
from pathlib import Path
from uuid import UUID

import pytest
from graphql import OperationDefinitionNode, build_schema, parse

from gateway.admin.api.schema import sdl as admin_sdl
from gateway.catalogue.weidandan import CATALOGUE
from gateway.demo.partners import PARTNERS
from gateway.request.fetch import DATA_ROOTS, leaf_paths, nodes_of
from gateway.request.selection import select
from gateway.request.statement import compile_statement
from gateway.schema.sdl import write_sdl
from scopes import CATEGORIES, Partner, Plan, PlannedField, Purpose, Redaction, Role, Rung
from tests.support.instants import LONG_AGO, LONG_AHEAD

FOLDER = Path(__file__).parents[1] / "contracts"
SCOPED = [partner for partner in PARTNERS if partner.scope is not None]
OPERATIONS = {
    "one_subject": "query ($id: ID!) { subject(id: $id) { id realName mobileNumber } }",
    "page": "query ($after: String) { subjects(first: 50, after: $after)"
    " { edges { cursor node { id city email } } pageInfo { endCursor } } }",
    "nested": "{ subjects(first: 10) { edges { node { addresses { street } posts(first: 5) { id text } mentions } } } }",
    "two_roots": "{ me { id birthDate } subjects(first: 2) { edges { node { serviceEvents { ipAddress } } } } }",
}


def _same(name: str, text: str) -> None:
    path = FOLDER / name
    if os.environ.get("CONTRACTS") == "write":
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, f"{name} differs: look at the change, then write it with CONTRACTS=write"


@pytest.mark.parametrize("partner", SCOPED, ids=lambda partner: partner.name)
def test_a_partners_schema_changes_only_with_its_file(partner: object) -> None:
    """DESIGN section 2: the SDL is a checked-in file."""
    assert isinstance(partner, type(SCOPED[0]))
    assert partner.scope is not None
    offers = {field.path: [f"{partner.scope.name}: {field.redaction.label()}"] for field in partner.scope.fields}

    sdl = write_sdl(CATALOGUE, offers)

    build_schema(sdl)
    _same(f"{partner.name}.graphql", sdl)


def test_a_partner_without_grants_sees_access_alone() -> None:
    sdl = write_sdl(CATALOGUE, {})

    query = build_schema(sdl).query_type
    assert query is not None
    assert list(query.fields) == ["access"]
    _same("newcomer.graphql", sdl)


def test_the_admin_apis_schema_changes_only_with_its_file() -> None:
    """One schema for all members of the staff."""
    text = admin_sdl()

    build_schema(text)
    _same("admin.graphql", text)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_statement_changes_only_with_its_file(name: str) -> None:
    """DESIGN section 1: one statement, whatever the operation."""
    schema = build_schema(write_sdl(CATALOGUE, {path: ["all: reveal"] for path in CATALOGUE.fields}))
    node = parse(OPERATIONS[name]).definitions[0]
    assert isinstance(node, OperationDefinitionNode)
    roots = [root for root in select(schema, node, {}, {}) if root.name in DATA_ROOTS]
    paths = [
        path
        for root in roots
        for below in nodes_of(root)
        for path in leaf_paths(CATALOGUE, [CATALOGUE.fields], below.children, CATALOGUE.subject.name)
    ]

    statement = compile_statement(
        CATALOGUE,
        _plan(paths),
        roots,
        document=OPERATIONS[name],
        ordinals={category: ordinal for ordinal, category in enumerate(CATEGORIES)},
        is_bound=False,
        field_key=b"k" * 32,
    )

    assert len(re.findall(r"insert into gateway\.disclosure ", statement.text)) == 1
    _same(f"{name}.sql", statement.text + "\n")


def _plan(paths: list[str]) -> Plan:
    partner = Partner(UUID(int=1), "contract", Role.RECIPIENT, "CN", None, LONG_AGO, LONG_AHEAD, "active")
    rules = {
        "Subject.realName": Redaction(Rung.MASK, 1),
        "Subject.mobileNumber": Redaction(Rung.MASK, 3, 4),
        "Subject.birthDate": Redaction(Rung.GENERALISE, step="year"),
        "ServiceEvent.ipAddress": Redaction(Rung.GENERALISE, step="network"),
        "Post.id": Redaction(Rung.PSEUDONYMISE),
    }
    fields = {}
    for path in paths:
        field = CATALOGUE.fields[path]
        redaction = rules.get(path, Redaction(Rung.REVEAL))
        fields[path] = PlannedField(path, field.category, field.kind, redaction, ("all@1",))
    return Plan(Purpose.SERVICE_DELIVERY, partner, fields, ("all",))
