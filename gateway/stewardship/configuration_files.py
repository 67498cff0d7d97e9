"""The configuration as a folder of YAML files, with JSON Schemas beside them: written in one order, read strictly.

rules.yaml   scopes/<scope>.yaml   partners/<partner>.yaml   schemas/<form>.schema.json
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import yaml
from pydantic import ValidationError

from gateway import strict_yaml
from gateway.stewardship.configuration import Configuration, PartnerForm, twice
from gateway.stewardship.content import Content, RulesContent, ScopeContent
from gateway.strict_yaml import Document, InvalidFile

RULES_FILE: Final = "rules.yaml"
FOLDERS: Final = ("scopes", "partners")
SCHEMAS: Final[Mapping[str, type[Content]]] = {"rules": RulesContent, "scope": ScopeContent, "partner": PartnerForm}
MARK: Final = "# yaml-language-server: $schema="
WIDTH: Final = 120
FILES_MOST: Final = 10_000
# What PyYAML would write as it is and read as something else
_ESCAPED: Final = frozenset("\r\x85\u2028\u2029\ufeff")

Form = TypeVar("Form", bound=Content)


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, and no anchors."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _ESCAPED & set(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def write(folder: Path, configuration: Configuration) -> list[Path]:
    """Write the folder anew and return its files; files of what is no longer there are taken away. Raises OSError."""
    wanted = {folder / name: text for name, text in texts(configuration).items()}
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    for name in FOLDERS:
        for path in (folder / name).glob("*.yaml"):
            if path not in wanted and _is_ours(path):
                path.unlink()
    return [*wanted]


def _is_ours(path: Path) -> bool:
    """Whether an export wrote it: a folder of this name may hold somebody else's files."""
    with path.open("rb") as file:
        return file.read(len(MARK)) == MARK.encode()


def texts(configuration: Configuration) -> dict[str, str]:
    """What each file holds, by its name within the folder."""
    found = {RULES_FILE: _yaml(configuration.rules.rules().to_wire(), "schemas/rules.schema.json")}
    for name, scope in sorted(configuration.scopes.items()):
        found[f"scopes/{_file_name(name)}"] = _yaml(scope.model_dump(mode="json", exclude_defaults=True), _schema("scope"))
    for name, partner in sorted(configuration.partners.items()):
        found[f"partners/{_file_name(name)}"] = _yaml(partner.model_dump(mode="json", exclude_defaults=True), _schema("partner"))
    for name, form in SCHEMAS.items():
        body = {"$schema": "https://json-schema.org/draft/2020-12/schema", **form.model_json_schema()}
        found[f"schemas/{name}.schema.json"] = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    return found


def read(folder: Path) -> Configuration:
    """Raises InvalidFile with file and line for whatever is wrong with a file, OSError where there is none."""
    rules = _form(strict_yaml.read(folder / RULES_FILE), RulesContent)
    scopes: dict[str, ScopeContent] = {}
    for document in _documents(folder / "scopes"):
        scope = _form(document, ScopeContent)
        if scope.scope in scopes:
            raise document.flaw("scope: another file has this scope", ("scope",))
        scopes[scope.scope] = scope
    partners: dict[str, PartnerForm] = {}
    clients: set[str] = set()
    for document in _documents(folder / "partners"):
        partner = _form(document, PartnerForm)
        if partner.name in partners:
            raise document.flaw("name: another file has this partner", ("name",))
        clients |= _new_clients(document, partner, clients)
        if (digest := twice([one.sha256 for one in partner.operations])) is not None:
            raise document.flaw(f"operations: a document stands there twice: {digest}", ("operations",))
        partners[partner.name] = partner
    return Configuration(rules, scopes, partners)


def _new_clients(document: Document, partner: PartnerForm, known: set[str]) -> set[str]:
    found: set[str] = set()
    for index, client in enumerate(partner.clients):
        client_id, way = client.metadata.get("client_id"), ("clients", index, "metadata", "client_id")
        if not isinstance(client_id, str) or client_id in known | found:
            raise document.flaw("client_id: each client has one of its own", way)
        found.add(client_id)
    return found


def _documents(folder: Path) -> Iterator[Document]:
    paths = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    if len(paths) > FILES_MOST:
        raise InvalidFile(folder, 1, f"more than {FILES_MOST} files")
    yield from map(strict_yaml.read, paths)


def _form(document: Document, form: type[Form]) -> Form:
    """As JSON and without any leniency: `"30"` is no number. Raises InvalidFile."""
    try:
        return form.model_validate_json(json.dumps(document.value), strict=True)
    except ValidationError as invalid:
        error = invalid.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(map(str, error["loc"])) or "the document"
        raise document.flaw(f"{where}: {error['msg']}", error["loc"]) from None


def _yaml(value: Mapping[str, Any], schema: str) -> str:
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)
    return f"{MARK}{schema}\n{text}"


def _schema(name: str) -> str:
    return f"../schemas/{name}.schema.json"


def _file_name(name: str) -> str:
    """A scope's name may hold a colon, which not every file system has.

    >>> _file_name("a:b")
    'a%3Ab.yaml'
    """
    return f"{quote(name, safe='')}.yaml"
