"""The token endpoint (RFC 6749 3.2): so far the client credentials grant (4.4)."""

from __future__ import annotations

from typing import Final

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import InvalidScopeError
from starlette.responses import Response

from gateway.oauth.client_assertion import METHOD
from gateway.oauth.refusal import InvalidDpopProof
from gateway.oauth.resource import check_resource
from gateway.oauth.server import AuthorizationServer, FormRequest, require

PATH: Final = "/oauth/token"


class ClientCredentials(grants.ClientCredentialsGrant):  # type: ignore[misc]  # Authlib ships no types
    """A partner's own token, bound to no data subject."""

    TOKEN_ENDPOINT_AUTH_METHODS = [METHOD]  # noqa: RUF012  # Authlib's attribute

    def validate_token_request(self) -> None:
        """Authenticate the client, then check what it asks for. Raises OAuth2Error."""
        super().validate_token_request()
        if self.client.metadata.dpop_bound_access_tokens:
            raise InvalidDpopProof
        check_resource(self.request.payload.datalist.get("resource", ()), self.server.settings)
        if self.client.get_allowed_scope(self.request.payload.scope) is None:
            raise InvalidScopeError


def answer(server: AuthorizationServer, request: FormRequest) -> Response:
    """The answer to a token request; it runs under the bridge."""
    server.register_grant(ClientCredentials)
    try:
        require(request, "grant_type")
    except OAuth2Error as error:
        return server.handle_error_response(request, error)
    response: Response = server.create_token_response(request)
    return response
