"""A bounded cache: the least recently used entry goes first."""

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Lru(Generic[Key, Value]):
    """Entries that weigh `kept` together at most; each weighs 1 unless it says otherwise."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._weight = 0
        self._entries: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Value | None:
        found = self._entries.get(key)
        if found is None:
            return None
        self._entries.move_to_end(key)
        return found[0]

    def put(self, key: Key, value: Value, *, weight: int = 1) -> None:
        """Keep an entry. One that weighs more than all together may is not kept."""
        replaced = self._entries.pop(key, None)
        if replaced is not None:
            self._weight -= replaced[1]
        if weight > self._kept:
            return
        self._entries[key] = (value, weight)
        self._weight += weight
        while self._weight > self._kept:
            _, (_, gone) = self._entries.popitem(last=False)
            self._weight -= gone
