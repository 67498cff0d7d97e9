"""Every sentence of the pages, in two languages, from text/<file>.toml."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self, TypeAlias

Language: TypeAlias = Literal["zh-CN", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh-CN", "en")
FOLDER: Final = Path(__file__).parent / "text"


def placeholders(text: str) -> frozenset[str]:
    """The names in braces.

    >>> sorted(placeholders("{partner} asks for {count}"))
    ['count', 'partner']
    """
    return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


@dataclass(frozen=True, slots=True)
class Texts:
    """by_key: `file.key` -> language -> sentence with placeholders in braces."""

    by_key: Mapping[str, Mapping[str, str]]

    @classmethod
    def load(cls, *more: Path) -> Self:
        """Read all files, and those of the folders `more`, whose files have names of their own.

        A test holds them complete: both languages, the same placeholders, every key that is used.
        """
        files = sorted(file for folder in (FOLDER, *more) for file in folder.glob("*.toml"))
        return cls(
            {
                f"{file.stem}.{key}": entry
                for file in files
                for key, entry in tomllib.loads(file.read_text(encoding="utf-8")).items()
            }
        )

    def say(self, language: Language, key: str, **values: object) -> str:
        """The sentence with its placeholders filled in. Raises KeyError for a key or a placeholder that is not there."""
        return self.by_key[key][language].format_map(values)
