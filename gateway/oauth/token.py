"""The token endpoint (RFC 6749 3.2), and the client credentials grant (4.4)."""

from __future__ import annotations

from typing import Any, Final

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import InvalidScopeError, UnauthorizedClientError
from starlette.responses import Response

from gateway.oauth import details as rar
from gateway.oauth.access_token import mint
from gateway.oauth.authorization_request import narrowed
from gateway.oauth.authorize import asking
from gateway.oauth.bridge import wait
from gateway.oauth.client import MANAGEMENT_SCOPES, Client
from gateway.oauth.code import AuthorizationCode
from gateway.oauth.details import Details, InvalidAuthorizationDetails
from gateway.oauth.refresh import RefreshToken
from gateway.oauth.resource import check_resource
from gateway.oauth.server import CLIENT_AUTH_METHODS, AuthorizationServer, FormRequest, require

PATH: Final = "/oauth/token"


class ClientCredentials(grants.ClientCredentialsGrant):  # type: ignore[misc]  # Authlib ships no types
    """A partner's own token, bound to no data subject."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH_METHODS

    def validate_token_request(self) -> None:
        """Authenticate the client, then check what it asks for. Raises OAuth2Error."""
        super().validate_token_request()
        if self.client.is_public:
            raise UnauthorizedClientError  # RFC 6749 4.4: there are no credentials
        self.confirmation = self.server.confirmation(self.request, self.client)
        check_resource(self.request.payload.datalist.get("resource", ()), self.server.settings)
        allowed = self.client.get_allowed_scope(self.request.payload.scope)
        if allowed is None:
            raise InvalidScopeError
        self.scopes, self.details = frozenset(allowed.split()), rar.read(self.request.form.get("authorization_details"))
        if self.details is not None:
            named = self.scopes if self.request.payload.scope else frozenset()
            self.scopes = wait(_narrowed(self.server, self.client, named, self.details))

    def create_token_response(self) -> tuple[int, dict[str, object], list[Any]]:
        """The response of RFC 6749 4.4.3."""
        server = self.server
        token = wait(
            mint(
                server.conn,
                server.keys,
                server.settings,
                client_id=self.client.client_id,
                scopes=self.scopes,
                confirmation=self.confirmation,
                details=self.details,
            )
        )
        body: dict[str, object] = {
            "access_token": token.text,
            "token_type": "DPoP" if "jkt" in self.confirmation else "Bearer",
            "expires_in": int(token.lifetime.total_seconds()),
        }
        if token.scopes:  # RFC 6749 3.3: a scope that is there names something
            body["scope"] = " ".join(token.scopes)
        if self.details is not None:
            body["authorization_details"] = self.details.wire()
        return 200, body, []


async def _narrowed(server: AuthorizationServer, client: Client, named: frozenset[str], details: Details) -> frozenset[str]:
    """The scopes that the details leave, with those named that open no data. Raises InvalidAuthorizationDetails,
    InvalidScopeError."""
    asked = await asking(server.conn, client.client_id)
    data = named - MANAGEMENT_SCOPES
    if asked is None or (named and not data):
        raise InvalidAuthorizationDetails
    return narrowed(data, details, client, asked.view, server.settings) | (named & MANAGEMENT_SCOPES)


def answer(server: AuthorizationServer, request: FormRequest) -> Response:
    """The answer to a token request; it runs under the bridge."""
    for grant in (ClientCredentials, AuthorizationCode, RefreshToken):
        server.register_grant(grant)
    try:
        require(request, "grant_type")
    except OAuth2Error as error:
        return server.handle_error_response(request, error)
    response: Response = server.create_token_response(request)
    return response
