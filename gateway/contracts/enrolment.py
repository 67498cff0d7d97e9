"""The enrolment file: all that a contract run needs besides its contracts, private keys among it. Its owner alone can read it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from scopes import Purpose

NAME: Final = "contracts.json"
VERSION: Final = 1


class NoEnrolment(Exception):
    """There is no enrolment file, or it is not one that `gateway contracts enrol` wrote. Carries the path only."""


@dataclass(frozen=True, slots=True, repr=False)
class Runner:
    """A partner's contract runner.

    scopes: by purpose, those that the partner is granted; a purpose without any is missing. pseudonyms: by purpose and name of a
    synthetic data subject, for every purpose there is.
    """

    partner: str
    client_id: str
    private_key_jwk: Mapping[str, Any]
    scopes: Mapping[Purpose, tuple[str, ...]]
    pseudonyms: Mapping[Purpose, Mapping[str, UUID]]


@dataclass(frozen=True, slots=True, repr=False)
class Enrolment:
    """gateway_url: the public address. runners: by the partner's registered name."""

    gateway_url: str
    runners: Mapping[str, Runner]


def read(path: Path) -> Enrolment:
    """Raises NoEnrolment."""
    try:
        found = json.loads(path.read_bytes())
        if found["version"] != VERSION:
            raise NoEnrolment(f"{path} is of another version: `gateway contracts enrol` writes it anew")
        runners = {name: _runner(name, entry) for name, entry in found["partners"].items()}
        return Enrolment(str(found["gateway_url"]), runners)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise NoEnrolment(f"{path} is no enrolment file: `gateway contracts enrol` writes one") from None


def write(path: Path, enrolment: Enrolment) -> None:
    """Replace the file as a whole, readable by this account alone (0600)."""
    body = {
        "version": VERSION,
        "gateway_url": enrolment.gateway_url,
        "partners": {name: _entry(runner) for name, runner in enrolment.runners.items()},
    }
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(body, file, ensure_ascii=False, indent=1)
        Path(made).replace(path)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise


def _entry(runner: Runner) -> Mapping[str, Any]:
    return {
        "client_id": runner.client_id,
        "private_key_jwk": dict(runner.private_key_jwk),
        "scopes": {purpose.value: list(scopes) for purpose, scopes in runner.scopes.items()},
        "pseudonyms": {
            purpose.value: {name: str(pseudonym) for name, pseudonym in named.items()}
            for purpose, named in runner.pseudonyms.items()
        },
    }


def _runner(partner: str, entry: Mapping[str, Any]) -> Runner:
    return Runner(
        partner=partner,
        client_id=str(entry["client_id"]),
        private_key_jwk=dict(entry["private_key_jwk"]),
        scopes={Purpose(purpose): tuple(map(str, scopes)) for purpose, scopes in entry["scopes"].items()},
        pseudonyms={
            Purpose(purpose): {str(name): UUID(text) for name, text in named.items()}
            for purpose, named in entry["pseudonyms"].items()
        },
    )
