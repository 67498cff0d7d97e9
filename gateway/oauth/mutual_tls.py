"""Client authentication by certificate (RFC 8705 2), as a proxy that ends TLS hands the certificate on (`proxy.py`).

The proxy has seen the handshake, so it answers for the client's holding the key, and for the chain of certificates where a
client is known by a name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from gateway.oauth.client import Client
from gateway.oauth.jose import certificate_thumbprint
from gateway.oauth.refusal import InvalidClient
from gateway.oauth.registration import SELF_SIGNED, is_client_id


class MutualTls:
    """Authlib's hook for `tls_client_auth` and `self_signed_tls_client_auth`; one for each request and method."""

    def __init__(self, method: str, certificate: bytes | None) -> None:
        """certificate: the one that the client showed to a trusted proxy."""
        self._method, self._certificate = method, certificate

    def __call__(self, query_client: Callable[[str], Client | None], request: Any) -> Client | None:
        """The client that the certificate proves. None where the request has none, or its client another method.

        Raises InvalidClient where the certificate is not the client's.
        """
        client_id = request.form.get("client_id")
        if self._certificate is None or not is_client_id(client_id):  # RFC 8705 2: client_id is required
            return None
        client = query_client(client_id)
        if client is None or not client.check_endpoint_auth_method(self._method, "token"):
            return None
        try:
            certificate = x509.load_der_x509_certificate(self._certificate)
            is_in_force = certificate.not_valid_before_utc <= client.read_at <= certificate.not_valid_after_utc
            names = _names(certificate)
        except ValueError:
            raise InvalidClient from None
        if not is_in_force or not self._is_registered(client, names):
            raise InvalidClient
        return client

    def _is_registered(self, client: Client, names: Mapping[str, frozenset[str]]) -> bool:
        if self._method == SELF_SIGNED:  # RFC 8705 2.2.2: the very certificate
            return certificate_thumbprint(self._certificate or b"") in client.metadata.certificates
        wanted = client.metadata.certificate_name
        return wanted is not None and wanted[1] in names[wanted[0]]


def _names(certificate: x509.Certificate) -> dict[str, frozenset[str]]:
    """What a certificate calls its holder, by the registration member that would name it (RFC 8705 2.1.2)."""
    try:
        found = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except x509.ExtensionNotFound:
        found = None
    others = found if isinstance(found, x509.SubjectAlternativeName) else x509.SubjectAlternativeName([])
    return {
        "tls_client_auth_subject_dn": frozenset({certificate.subject.rfc4514_string()}),
        "tls_client_auth_san_dns": frozenset(others.get_values_for_type(x509.DNSName)),
        "tls_client_auth_san_uri": frozenset(others.get_values_for_type(x509.UniformResourceIdentifier)),
        "tls_client_auth_san_ip": frozenset(str(ip) for ip in others.get_values_for_type(x509.IPAddress)),
        "tls_client_auth_san_email": frozenset(others.get_values_for_type(x509.RFC822Name)),
    }
