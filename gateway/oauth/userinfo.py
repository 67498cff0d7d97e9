"""The userinfo endpoint (OpenID Connect Core 5.3): who signed in, under the pseudonym of this partner's sign-ins.

Nothing else of the data subject stands here: what a partner may read about it goes through the one gate, with its record.
"""

from __future__ import annotations

from typing import Final

from authlib.oauth2 import OAuth2Error
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.oauth.authorization_request import OPENID
from gateway.oauth.bearer import challenge, holder
from gateway.oauth.server import NO_STORE, Services

PATH: Final = "/oauth/userinfo"


async def userinfo(request: Request, services: Services) -> Response:
    """`sub`, the same as in the ID token, to whoever holds a token with `openid`."""
    try:
        async with services.pool.acquire() as conn, conn.transaction():
            found = await holder(conn, services, request, PATH, OPENID)
    except OAuth2Error as error:
        status, headers = challenge(error, services.settings)
        return JSONResponse({"error": error.error} if error.error else {}, status, {**NO_STORE, **headers})
    nonce = {} if services.dpop.latest is None else {"DPoP-Nonce": services.dpop.latest}
    return JSONResponse({"sub": found.claims["sub"]}, headers={**NO_STORE, **nonce})
