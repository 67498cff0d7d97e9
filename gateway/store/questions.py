"""Fixed questions to the database, from the named blocks of gateway/store/sql/*.sql."""

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "sql"
_BLOCK = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)


@cache
def _blocks(file: str) -> dict[str, str]:
    return {name: text.strip() for name, text in _BLOCK.findall((FOLDER / f"{file}.sql").read_text(encoding="utf-8"))}


def question(file: str, name: str) -> str:
    """The SQL of block `name` of sql/<file>.sql, comments and all. Raises KeyError where there is none: found at import."""
    return _blocks(file)[name]
