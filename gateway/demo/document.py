"""`demo.json`: all that somebody needs to try the demo, its secrets among them. Only the account that runs it can read it."""

import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from joserfc.jwk import ECKey

NAME: Final = "demo.json"

Document = Mapping[str, Any]


class UnreadableDocument(Exception):
    """demo.json is there and is not what the demo wrote. Carries the path, none of what stands in the file."""


def read(data: Path) -> Document:
    """What an earlier demo wrote, empty if there was none. Raises UnreadableDocument."""
    path = data / NAME
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UnreadableDocument(f"{path} cannot be read as JSON; remove it to have it written again") from error
    if not isinstance(found, dict):
        raise UnreadableDocument(f"{path} holds no JSON object; remove it to have it written again")
    return found


def write(data: Path, document: Document) -> None:
    """Replace demo.json as a whole: a reader sees the old one or the new one, and nobody else sees either."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=data, prefix=f".{NAME}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(data / NAME)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def client_key(earlier: Document, partner: str) -> Mapping[str, Any]:
    """The private JWK (ES256) of a partner's client: the one already handed out, or a new one."""
    known = earlier.get("partners", {}).get(partner, {}).get("private_key_jwk")
    if isinstance(known, dict) and "d" in known:
        return known
    key = ECKey.generate_key("P-256")
    return {**key.as_dict(private=True), "kid": key.thumbprint(), "use": "sig", "alg": "ES256"}


def public_part(key: Mapping[str, Any]) -> Mapping[str, Any]:
    """What may be registered of a private JWK."""
    return {name: value for name, value in key.items() if name != "d"}


def password(earlier: Document, subject_id: str) -> str:
    """The password of a subject who can sign in: the one already handed out, or a new one."""
    known = (entry.get("password") for entry in earlier.get("subjects", ()) if entry.get("subject_id") == subject_id)
    return next((text for text in known if isinstance(text, str)), "") or secrets.token_urlsafe(12)


def subject_ids(earlier: Document) -> list[UUID]:
    """The subjects who could sign in, in the file's order."""
    found = []
    for entry in earlier.get("subjects", ()):
        with suppress(KeyError, TypeError, ValueError):
            found.append(UUID(entry["subject_id"]))
    return found
