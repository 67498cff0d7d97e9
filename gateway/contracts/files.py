"""YAML files of an adopter's contract folder, checked against a JSON Schema, every flaw with file and line."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path

from jsonschema import Draft202012Validator

from gateway import strict_yaml
from gateway.strict_yaml import Document


def read(path: Path, schema: str) -> Document:
    """The document of a file that fits the JSON Schema of this name in `schemas/`. Raises InvalidFile, OSError."""
    document = strict_yaml.read(path)
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
