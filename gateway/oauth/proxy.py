"""What a proxy that ends TLS tells of the client behind it: its certificate (RFC 9440), and where it comes from.

None of it counts unless the settings name the proxy: anybody else can write a header.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from gateway.settings import Settings

CERTIFICATE_HEADER: Final = "client-cert"
HEADER_MAX: Final = 16_384


@dataclass(frozen=True, slots=True)
class Proxies:
    """Whom the gateway believes about the other side of a connection."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    takes_certificates: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Proxies:
        """As the settings name them."""
        return cls(settings.trusted_proxies, settings.client_certificate_header)

    def trusts(self, peer: str | None) -> bool:
        """Whether this address is one of theirs."""
        try:
            address = ip_address(peer or "")
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)  # a socket for both families shows IPv4 peers like this
        return any((mapped or address) in network for network in self.networks)

    def certificate(self, header: str | None, peer: str | None) -> bytes | None:
        """The client's certificate in DER, from the value of the header (RFC 9440 2.1).

        None where there is none, where it is no byte sequence of RFC 8941, and where who sends it is not trusted to say so.
        """
        if header is None or not self.takes_certificates or not self.trusts(peer):
            return None
        text = header.strip(" ")
        if len(text) > HEADER_MAX or len(text) < 3 or text[0] != ":" or text[-1] != ":":
            return None
        try:
            return b64decode(text[1:-1], validate=True)
        except (ValueError, binascii.Error):
            return None

    def client_address(self, forwarded: str | None, peer: str | None) -> str:
        """Where a request comes from: the peer, or what the nearest trusted proxy says of it in X-Forwarded-For.

        Read from the right, past further trusted proxies: what stands left of the first stranger, that stranger wrote.
        """
        address = peer or ""
        hops = [hop.strip() for hop in (forwarded or "").split(",")]
        while hops and self.trusts(address):
            nearer = hops.pop()
            if not _is_address(nearer):
                break
            address = nearer
        return address


NOBODY: Final = Proxies()
"""No proxy is believed, as when none is named."""


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
