"""Before and after of a change, member by member, in the order of the form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scopes import InvalidRedaction, Redaction


@dataclass(frozen=True, slots=True)
class Line:
    """before, after: None where the member is not there."""

    name: str
    before: str | None
    after: str | None

    @property
    def is_changed(self) -> bool:
        return self.before != self.after


def difference(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> tuple[Line, ...]:
    """Every member of either, a field of a scope by its path.

    >>> difference({"a": 1, "b": {"c": "x"}}, {"a": 2, "b": {"c": "x"}})
    (Line(name='a', before='1', after='2'), Line(name='b.c', before='x', after='x'))
    """
    was, becomes = dict(_flat("", before or {})), dict(_flat("", after))
    return tuple(Line(name, was.get(name), becomes.get(name)) for name in dict.fromkeys([*becomes, *was]))


def _flat(prefix: str, content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in content.items():
        if value is None or value in ("", []):
            continue
        if isinstance(value, Mapping) and (label := label_of(value)) is not None:
            yield f"{prefix}{name}", label
        elif isinstance(value, Mapping):
            yield from _flat(f"{prefix}{name}.", value)
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) and "path" in one for one in value):
            for one in value:
                yield from _flat(f"{one['path']}: ", {key: part for key, part in one.items() if key != "path"})
        elif isinstance(value, list) and all(isinstance(one, str) for one in value):
            yield f"{prefix}{name}", ", ".join(value)
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def label_of(wire: Mapping[str, Any]) -> str | None:
    """A redaction's label; None where this is none."""
    try:
        return Redaction.from_wire(wire).label()
    except InvalidRedaction:
        return None
