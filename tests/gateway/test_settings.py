"""Settings: read once, refused when wrong, silent about secrets."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.settings import Settings, UnknownSetting, UnusableMasterKey


def test_an_unknown_name_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing error in a limit must not silently leave the default."""
    monkeypatch.setenv("GATEWAY_MAX_DEPHT", "5")
    with pytest.raises(UnknownSetting) as refused:
        Settings()
    assert refused.value.names == ("GATEWAY_MAX_DEPHT",)


def test_every_setting_is_read_from_its_own_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """GATEWAY_ and the name; the database's address from DATABASE_URL, as everywhere."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret@db/x")
    monkeypatch.setenv("GATEWAY_PORT", "9000")
    monkeypatch.setenv("GATEWAY_DATA", str(tmp_path))
    settings = Settings()
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://u:secret@db/x"
    assert (settings.port, settings.data) == (9000, tmp_path)


def test_neither_the_settings_nor_their_errors_show_a_secret() -> None:
    """policy 9.2."""
    settings = Settings(database_url="postgresql://u:MARKER@db/x", master_key="MARKER")
    assert "MARKER" not in f"{settings} {settings!r}"
    with pytest.raises(ValidationError) as refused:
        Settings(port="MARKER", base_url="ftp://MARKER")
    assert "MARKER" not in str(refused.value)
    with pytest.raises(UnusableMasterKey) as unusable:
        settings.key("pseudonym")
    assert "MARKER" not in str(unusable.value)


@pytest.mark.parametrize(
    "url", ["http://gateway.example", "ftp://localhost", "localhost:8080", "https://u@x", "https://x/?a", "https://x/#a"]
)
def test_a_public_address_is_https_and_nothing_else(url: str) -> None:
    """Plain http is for loopback only: tokens travel there."""
    with pytest.raises(ValidationError):
        Settings(base_url=url)


@pytest.mark.parametrize("url", ["http://localhost:1", "http://127.0.0.9", "http://[::1]:8080", "https://gateway.example/x/"])
def test_the_issuer_is_the_public_address_unless_it_is_set(url: str) -> None:
    """RFC 8414: the issuer is compared as a string, so no trailing slash is kept."""
    assert Settings(base_url=url).issuer == url.rstrip("/")
    assert Settings(base_url=url, issuer="https://issuer.example/").issuer == "https://issuer.example"


def test_a_token_that_outlives_ten_minutes_is_for_the_demo_only() -> None:
    """Minutes, not days."""
    assert Settings(access_token_lifetime_s=600).access_token_lifetime_s == 600
    with pytest.raises(ValidationError):
        Settings(access_token_lifetime_s=601)
    assert Settings(access_token_lifetime_s=86_400, demo=True).access_token_lifetime_s == 86_400


def test_the_master_key_is_made_once_private_and_kept(tmp_path: Path) -> None:
    """Pseudonyms are stable for ever, so is what they are made with."""
    data = tmp_path / "data"
    first = Settings(data=data).key("pseudonym")
    assert (data / "master.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in data.iterdir()] == ["master.key"]
    assert Settings(data=data).key("pseudonym") == first


def test_each_label_has_a_key_of_its_own() -> None:
    """HKDF-SHA-256 (RFC 5869) without salt; the second opinion is written out here."""

    master = bytes(range(32))
    settings = Settings(master_key=base64.b64encode(master).decode())
    extracted = hmac.digest(bytes(32), master, "sha256")
    assert settings.key("field") == hmac.new(extracted, b"field\x01", hashlib.sha256).digest()
    assert len({settings.key(label) for label in ("pseudonym", "field", "signing-key-seal")}) == 3


@pytest.mark.parametrize("key", ["", "short", "!" * 44, base64.b64encode(bytes(31)).decode()])
def test_a_key_of_another_length_is_refused(key: str) -> None:
    """A short key would be weak, and would not be noticed."""
    with pytest.raises(UnusableMasterKey):
        Settings(master_key=key).key("field")
