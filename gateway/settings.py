"""One frozen value, read once at start from GATEWAY_* and DATABASE_URL."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "GATEWAY_"
KEY_BYTES = 32
SHORT_LIFETIME_S = 600


class UnknownSetting(Exception):
    """A GATEWAY_* name in the environment that nothing reads: a typing error there must not silently keep a default."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(f"unknown settings: {', '.join(names)}")
        self.names = names


class UnusableMasterKey(Exception):
    """The master key is not 32 bytes in base64. The key is not quoted."""

    def __init__(self, source: str) -> None:
        super().__init__(f"{source} does not hold {KEY_BYTES} bytes in base64")


class Settings(BaseSettings):
    """What this process was told. Spans in seconds, sizes in bytes, costs in points.

    Raises UnknownSetting, and pydantic's ValidationError, whose text names settings and never quotes a value.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    data: Path = Path(".gateway")
    database_url: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    postgres_bin: Path | None = None
    base_url: str = "http://localhost:8080"
    issuer: str = Field(default_factory=lambda known: str(known["base_url"]) if "base_url" in known else "")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    workers: int = Field(default=1, ge=1, le=64)
    catalogue: str = "gateway.catalogue.weidandan"
    pooler: bool = False
    pool_size: int = Field(default=16, ge=1, le=80)
    demo: bool = False
    access_token_lifetime_s: int = Field(default=SHORT_LIFETIME_S, ge=10)
    refresh_token_lifetime_s: int = Field(default=90 * 86_400, ge=60)
    step_up_after_s: int = Field(default=30 * 86_400, ge=60)
    upstream_issuer: str = ""
    upstream_client_id: str = ""
    upstream_client_secret: SecretStr | None = None
    upstream_subject_claim: str = Field(default="sub", min_length=1, max_length=200)
    session_lifetime_s: int = Field(default=12 * 3_600, ge=60, le=30 * 86_400)
    staff_session_lifetime_s: int = Field(default=8 * 3_600, ge=60, le=24 * 3_600)
    staff_session_idle_s: int = Field(default=15 * 60, ge=10, le=8 * 3_600)
    dpop_nonce_required: bool = True
    client_certificate_header: bool = False
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    controller_name: str = "微单单"
    controller_contact: str = ""
    jurisdiction: str = Field(default="CN", pattern="^[A-Z]{2}$")
    consent_lifetime_days: int = Field(default=365, ge=1, le=3650)
    consent_quiet_days: int = Field(default=30, ge=0, le=3650)
    master_key: SecretStr | None = None
    staff_token: SecretStr | None = None
    staff_token_file: Path | None = None

    max_head_bytes: int = Field(default=32_768, ge=1_024)
    max_body_bytes: int = Field(default=65536, ge=1)
    max_url_bytes: int = Field(default=8192, ge=1)
    max_document_tokens: int = Field(default=2000, ge=1)
    max_depth: int = Field(default=12, ge=1)
    max_aliases: int = Field(default=60, ge=0)
    max_directives: int = Field(default=60, ge=0)
    max_root_fields: int = Field(default=10, ge=1)
    max_fields: int = Field(default=2000, ge=1)
    max_fragments: int = Field(default=60, ge=0)
    max_page_size: int = Field(default=500, ge=1)
    max_list_size: int = Field(default=100, ge=1)
    max_cost: int = Field(default=100_000, ge=1)
    head_timeout_s: float = Field(default=10, gt=0)
    body_timeout_s: float = Field(default=10, gt=0)
    rate_maximum: int = Field(default=100_000, ge=1)
    rate_restore_per_s: int = Field(default=10_000, ge=1)
    operation_cache: int = Field(default=1000, ge=1)
    token_cache: int = Field(default=10_000, ge=1)

    def __init__(self, **given: Any) -> None:
        _refuse_unknown_names()
        super().__init__(**given)

    @field_validator("data")
    @classmethod
    def _data_is_one_place(cls, data: Path) -> Path:
        return data.expanduser().absolute()

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks_are_listed(cls, given: object) -> object:
        return [part.strip() for part in given.split(",") if part.strip()] if isinstance(given, str) else given

    @field_validator("upstream_issuer")
    @classmethod
    def _names_a_provider(cls, url: str) -> str:
        if url:
            cls._is_https_or_loopback(url)
        return url  # as it is: an issuer is compared character by character

    @field_validator("base_url", "issuer")
    @classmethod
    def _is_https_or_loopback(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ValueError("must be an absolute http or https address without query, fragment and user")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("plain http is for loopback only")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _a_provider_knows_us(self) -> Settings:
        given = (self.upstream_issuer, self.upstream_client_id, self.upstream_client_secret)
        if any(given) and not all(given):
            raise ValueError("upstream_issuer, upstream_client_id and upstream_client_secret come together")
        return self

    @model_validator(mode="after")
    def _a_certificate_comes_from_somebody(self) -> Settings:
        if self.client_certificate_header and not self.trusted_proxies:
            raise ValueError("client_certificate_header needs trusted_proxies: a header proves nothing by itself")
        return self

    @model_validator(mode="after")
    def _tokens_are_short_lived(self) -> Settings:
        if self.access_token_lifetime_s > SHORT_LIFETIME_S and not self.demo:
            raise ValueError(f"access_token_lifetime_s is at most {SHORT_LIFETIME_S} outside the demo")
        return self

    def key(self, label: str) -> bytes:
        """32 bytes for one use, derived from the master key (HKDF-SHA-256, RFC 5869, the label as info).

        Raises UnusableMasterKey. Without GATEWAY_MASTER_KEY the key is in `data`/master.key, made at the first call.
        """
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=label.encode()).derive(self._master)

    @cached_property
    def _master(self) -> bytes:
        if self.master_key is not None:
            return _decoded(self.master_key.get_secret_value(), "GATEWAY_MASTER_KEY")
        path = self.data / "master.key"
        if not path.exists():
            _make_master_key(path)
        return _decoded(path.read_text(), "master.key")


def is_loopback(host: str) -> bool:
    """Does this host name stay on this machine?"""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _refuse_unknown_names() -> None:
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields if name != "database_url"}
    unknown = tuple(sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known))
    if unknown:
        raise UnknownSetting(unknown)


def _make_master_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f"master.key.{secrets.token_hex(8)}")
    with open(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:  # noqa: PTH123 - born private, by descriptor
        file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link either is the first or fails: two processes that start together end with the same key
        path.hardlink_to(made)
    except FileExistsError:
        pass
    finally:
        made.unlink()


def _decoded(text: str, source: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise UnusableMasterKey(source) from None
    if len(key) != KEY_BYTES:
        raise UnusableMasterKey(source)
    return key
