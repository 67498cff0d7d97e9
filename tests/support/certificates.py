"""Makers for client certificates, and the header in which a proxy passes them (RFC 9440)."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID


def a_certificate(*alternatives: x509.GeneralName, common_name: str = "client", days: tuple[int, int] = (-1, 1)) -> bytes:
    """A self-signed certificate in DER. days: from when to when, counted from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Partner Ltd"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    now = datetime.now(UTC)
    built = built.not_valid_before(now + timedelta(days=days[0])).not_valid_after(now + timedelta(days=days[1]))
    if alternatives:
        built = built.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return built.sign(key, SHA256()).public_bytes(Encoding.DER)


def passed(certificate: bytes) -> str:
    """A certificate as a proxy passes it (RFC 9440 2.1)."""
    return f":{base64.b64encode(certificate).decode()}:"
