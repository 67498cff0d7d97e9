"""YAML files of an adopter's contract folder: read strictly, checked against a JSON Schema, every flaw with file and line."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator

_TRUTH: Final = re.compile(r"^(?:true|false)$")
_WHOLE: Final = re.compile(r"^-?(?:0|[1-9][0-9]*)$")
_NOTHING: Final = re.compile(r"^(?:null|~|)$")


class InvalidFile(Exception):
    """A file that cannot be used as it stands; the text begins with `file:line`."""

    def __init__(self, path: Path, line: int, text: str) -> None:
        super().__init__(f"{path}:{line}: {text}")
        self.path, self.line = path, line


class _Loader(yaml.SafeLoader):
    """Plain scalars mean what JSON's words mean (YAML 1.2's core schema): `off` is a word, and a date is a text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the name and the kind are PyYAML's


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _TRUTH, list("tf"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _WHOLE, list("-0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", _NOTHING, ["n", "~", ""])


class Document:
    """A YAML document as plain values, which remembers where each of them stands."""

    def __init__(self, path: Path, node: yaml.Node, value: Any) -> None:
        self.path, self.value, self._node = path, value, node

    def line(self, way: Iterable[str | int] = ()) -> int:
        """The line (from 1) of the value that these keys and indices lead to, or of the last one on the way."""
        node = self._node
        for step in way:
            found = _below(node, step)
            if found is None:
                break
            node = found
        return node.start_mark.line + 1

    def flaw(self, text: str, way: Iterable[str | int] = ()) -> InvalidFile:
        """What is wrong at the end of this way, for the caller to raise."""
        return InvalidFile(self.path, self.line(way), text)


def read(path: Path, schema: str) -> Document:
    """The document of a file that fits the JSON Schema of this name in `schemas/`. Raises InvalidFile, OSError."""
    document = _parsed(path)
    flaws = sorted(_validator(schema).iter_errors(document.value), key=lambda flaw: [str(step) for step in flaw.absolute_path])
    if flaws:
        flaw = flaws[0]
        where = ".".join(map(str, flaw.absolute_path)) or "the document"
        raise document.flaw(f"{where}: {flaw.message}", flaw.absolute_path)
    return document


def schema_text(name: str) -> str:
    """The text of a JSON Schema that ships with the gateway: `subjects` or `contract`."""
    return files("gateway.contracts").joinpath("schemas", f"{name}.schema.json").read_text(encoding="utf-8")


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema_text(name)))


def _parsed(path: Path) -> Document:
    loader = None
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        if node is None:
            raise InvalidFile(path, 1, "the file is empty")
        _refuse_duplicates(path, node)
        return Document(path, node, loader.construct_document(node))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InvalidFile(path, mark.line + 1 if mark else 1, error.problem or "no YAML") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise InvalidFile(path, 1, "no YAML in UTF-8") from None
    finally:
        if loader is not None:
            loader.dispose()


def _refuse_duplicates(path: Path, root: yaml.Node) -> None:
    """Of two equal keys YAML would silently take the last. An anchor that contains itself is met once."""
    waiting, met = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in met:
            continue
        met.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            keys: set[Hashable] = set()
            for key, value in node.value:
                if key.value in keys or not isinstance(key, yaml.ScalarNode):
                    raise InvalidFile(path, key.start_mark.line + 1, "a key is a text that stands once")
                keys.add(key.value)
                waiting.append(value)


def _below(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        found: yaml.Node = node.value[step]
        return found
    return None
