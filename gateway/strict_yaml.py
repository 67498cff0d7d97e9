"""YAML of contracts and of policy, read strictly, so that nothing means two things; every flaw with file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml

LARGEST: Final = 4 * 1024 * 1024
"""Bytes of a file that is read at all."""
MOST_VALUES: Final = 200_000
WHOLE_DIGITS: Final = 18

_TRUTH: Final = re.compile(r"^(?:true|false)$")
_WHOLE: Final = re.compile(r"^-?(?:0|[1-9][0-9]*)$")
_NOTHING: Final = re.compile(r"^(?:null|~|)$")
_TEXT: Final = "tag:yaml.org,2002:str"
_TAGS: Final = {f"tag:yaml.org,2002:{kind}": kind for kind in ("str", "bool", "int", "null", "seq", "map")}
_SHAPES: Final = {"bool": _TRUTH, "int": _WHOLE, "null": _NOTHING}


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


def read(path: Path) -> Document:
    """The one document of a file. Raises InvalidFile, OSError.

    Refused as well: what is too large, aliases written out included; a key that stands twice; a tag that is not JSON's.
    """
    loader = None
    try:
        loader = _Loader(_text(path))
        node = loader.get_single_node()
        if node is None:
            raise InvalidFile(path, 1, "the file is empty")
        _Reviewer(path).size(node)
        return Document(path, node, loader.construct_document(node))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InvalidFile(path, mark.line + 1 if mark else 1, error.problem or "no YAML") from None
    except (yaml.YAMLError, RecursionError):
        raise InvalidFile(path, 1, "no YAML") from None
    finally:
        if loader is not None:
            loader.dispose()


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise InvalidFile(path, 1, f"the file is larger than {LARGEST} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InvalidFile(path, 1 + content.count(b"\n", 0, error.start), "this is not UTF-8") from None
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if found is not None:
        raise InvalidFile(path, 1 + text.count("\n", 0, found.start()), "a character that no YAML has")
    return text


class _Reviewer:
    """Looks at every node once. Of two equal keys YAML would silently take the last, and a few aliases can stand for more values
    than there is memory: `_sizes` knows how many each node comes to when it is written out."""

    def __init__(self, path: Path) -> None:
        self._path, self._sizes = path, dict[int, int]()

    def size(self, node: yaml.Node) -> int:
        known = self._sizes.get(id(node))
        if known is not None:
            return known
        self._sizes[id(node)] = MOST_VALUES  # until it is known: an anchor that contains itself has no end
        self._check_scalar(node)
        found = 1 + sum(map(self.size, self._inner(node)))
        if found > MOST_VALUES:
            raise self._flaw(node, f"more than {MOST_VALUES} values, aliases written out")
        self._sizes[id(node)] = found
        return found

    def _check_scalar(self, node: yaml.Node) -> None:
        kind = _TAGS.get(node.tag)
        shape = _SHAPES.get(kind or "")
        if kind is None or (shape is not None and not (isinstance(node, yaml.ScalarNode) and shape.match(node.value))):
            raise self._flaw(node, "a tag: there are texts, whole numbers, true, false, null, lists and maps")
        if isinstance(node, yaml.ScalarNode):
            node.value = self._text(node)
        if kind == "int" and len(node.value) > WHOLE_DIGITS:
            raise self._flaw(node, "a number of too many digits")

    def _text(self, node: yaml.ScalarNode) -> str:
        """With the pairs joined that JSON writes other characters as. No text of JSON, UTF-8 or the database holds the rest."""
        try:
            text = str(node.value).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise self._flaw(node, "half a character") from None
        if "\0" in text:
            raise self._flaw(node, "a character that no text holds")
        return text

    def _inner(self, node: yaml.Node) -> list[yaml.Node]:
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        if not isinstance(node, yaml.MappingNode):
            return []
        keys: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT:
                raise self._flaw(key, "a key is a text that stands once")
            key.value = self._text(key)
            if key.value in keys:
                raise self._flaw(key, "a key is a text that stands once")
            keys.add(key.value)
        return [value for _, value in node.value]

    def _flaw(self, node: yaml.Node, text: str) -> InvalidFile:
        return InvalidFile(self._path, node.start_mark.line + 1, text)


def _below(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        found: yaml.Node = node.value[step]
        return found
    return None
