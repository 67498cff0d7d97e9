"""`subjects.yaml`: the named synthetic data subjects of a contract folder, what is theirs and what they agreed to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

from gateway.catalogue.definition import Catalogue
from gateway.contracts import files
from gateway.strict_yaml import Document
from scopes import CATEGORIES, Purpose, parents

NAME: Final = "subjects.yaml"
NAMESPACE: Final = UUID("6d8f4b6e-5a53-5c1e-9d0a-6c1f5f4f7a11")
"""Of the ids of synthetic data subjects and of their rows: the same name is the same data subject everywhere."""

Value = str | Sequence[str | None] | None


class Will(StrEnum):
    """Where a consent stands."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Agreement:
    """Consent towards partners (None: all) and purposes (None: all that they are granted) for categories (leaves).

    Of two agreements about the same partner and purpose the later one in the file counts.
    """

    partners: frozenset[str] | None
    purposes: frozenset[Purpose] | None
    categories: frozenset[str]
    cross_border: bool
    will: Will

    def concerns(self, partner: str, purpose: Purpose) -> bool:
        return (self.partners is None or partner in self.partners) and (self.purposes is None or purpose in self.purposes)


@dataclass(frozen=True, slots=True)
class SharingOff:
    """Sharing switched off for a partner (None: all) and a node of the tree of categories (None: all)."""

    partner: str | None
    category: str | None


@dataclass(frozen=True, slots=True)
class Synthetic:
    """One named synthetic data subject.

    values: by schema path; a text for a value of the data subject's own row, a list where the field is a list or stands in a row
    of a list, in the order of the answer. A path that is missing is null, or an empty list.
    columns: by table, what columns hold that no field names but that the adopter's tables insist on.
    """

    name: str
    about: str
    values: Mapping[str, Value]
    agreements: tuple[Agreement, ...]
    sharing_off: frozenset[SharingOff]
    allows_advertising: bool
    accepts_policy: bool
    collected_in_mainland: bool
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def subject_id(self) -> UUID:
        return subject_id_of(self.name)

    def agreement_with(self, partner: str, purpose: Purpose) -> Agreement | None:
        """What counts between this data subject and this partner under this purpose."""
        return next((found for found in reversed(self.agreements) if found.concerns(partner, purpose)), None)


def subject_id_of(name: str) -> UUID:
    return uuid5(NAMESPACE, name)


def default_path() -> Path:
    """The set that ships with the gateway, for the catalogue that ships with it."""
    return Path(str(package_files("gateway.contracts").joinpath("default", NAME)))


def path_of(folder: Path | None) -> Path:
    """The folder's own subjects.yaml, or the one that ships."""
    own = folder / NAME if folder is not None else None
    return own if own is not None and own.exists() else default_path()


def read(path: Path, catalogue: Catalogue) -> tuple[Synthetic, ...]:
    """All of them, in the order of the file. Raises InvalidFile with file:line."""
    document = files.read(path, "subjects")
    wanted = document.value["subjects"]
    for name, entry in wanted.items():
        for value_path in entry.get("values", {}):
            if value_path not in catalogue.fields:
                raise document.flaw(f"{value_path} is no field of the catalogue", ("subjects", name, "values", value_path))
    return tuple(_synthetic(document, name, entry) for name, entry in wanted.items())


def _synthetic(document: Document, name: str, entry: Mapping[str, Any]) -> Synthetic:
    way = ("subjects", name)
    agreements = [
        _agreement(document, (*way, "consents", number), found) for number, found in enumerate(entry.get("consents", ()))
    ]
    off = []
    for number, found in enumerate(entry.get("sharing_off", ())):
        category = found.get("category")
        if category is not None:
            _categories(document, (*way, "sharing_off", number), [category])
        off.append(SharingOff(found.get("partner"), category))
    return Synthetic(
        name=name,
        about=entry.get("about", ""),
        values={path: tuple(value) if isinstance(value, list) else value for path, value in entry.get("values", {}).items()},
        agreements=tuple(agreements),
        sharing_off=frozenset(off),
        allows_advertising=entry.get("advertising", True),
        accepts_policy=entry.get("policy", "accepted") == "accepted",
        collected_in_mainland=entry.get("collected_in_mainland", True),
        columns={
            table: {column: text.replace("${name}", name) for column, text in columns.items()}
            for table, columns in document.value.get("columns", {}).items()
        },
    )


def _agreement(document: Document, way: tuple[str | int, ...], entry: Mapping[str, Any]) -> Agreement:
    partners, purposes, categories = entry.get("partners", "all"), entry.get("purposes", "all"), entry.get("categories", "all")
    return Agreement(
        partners=None if partners == "all" else frozenset(partners),
        purposes=None if purposes == "all" else frozenset(map(Purpose, purposes)),
        categories=_categories(document, (*way, "categories"), ["all"] if categories == "all" else categories),
        cross_border=entry.get("cross_border", False),
        will=Will(entry.get("state", "given")),
    )


def _categories(document: Document, way: tuple[str | int, ...], named: Sequence[str]) -> frozenset[str]:
    """The leaves under these nodes of the tree; `all` is the root."""
    found: set[str] = set()
    for node in named:
        leaves = [leaf for leaf in CATEGORIES if node in ("all", leaf, *parents(leaf))]
        if not leaves:
            raise document.flaw(f"{node} is no data category", way)
        found.update(leaves)
    return frozenset(found)
