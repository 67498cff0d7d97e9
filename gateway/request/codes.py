"""Every way in which a partner request can fail: one closed list, one status table, one fixed sentence each.

The codes are wire contract (`errors[].extensions.code`, docs/errors.md). A message never depends on the request, so it cannot
quote a value, a token or a document; what may vary are names of the schema and positions in the document.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from scopes import Refused


class Media(StrEnum):
    """The two media types of a GraphQL answer over HTTP; the status of some errors depends on which one was negotiated."""

    RESPONSE = "application/graphql-response+json"
    JSON = "application/json"


class Code(StrEnum):
    """Why a request was not answered with data. Closed: a new member extends STATUS, MESSAGE and docs/errors.md."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[str]) -> str:
        """A member's value is its own name."""
        del start, count, last_values
        return name

    # the access token (RFC 6750), its key (RFC 9449), its data subject's sign-in (RFC 9470)
    TOKEN_MISSING = auto()
    TOKEN_INVALID = auto()
    TOKEN_EXPIRED = auto()
    TOKEN_REVOKED = auto()
    DPOP_PROOF_INVALID = auto()
    DPOP_NONCE_REQUIRED = auto()
    STEP_UP_REQUIRED = auto()
    # what the partner may do; all but the last are the members of scopes.Refusal
    INSUFFICIENT_SCOPE = auto()
    NOT_IN_SCOPE = auto()
    PURPOSE_REQUIRED = auto()
    PURPOSE_NOT_HELD = auto()
    ANALYTICS_IDENTITY = auto()
    RESIDENCY = auto()
    HALTED = auto()
    NO_LIVE_GRANT = auto()
    OPERATION_NOT_REGISTERED = auto()
    # the HTTP request
    BAD_REQUEST = auto()
    METHOD_NOT_ALLOWED = auto()
    NOT_ACCEPTABLE = auto()
    BODY_TIMEOUT = auto()
    LENGTH_REQUIRED = auto()
    BODY_TOO_LARGE = auto()
    URL_TOO_LONG = auto()
    MEDIA_TYPE = auto()
    CONTENT_ENCODING_REFUSED = auto()
    ENCODING_INVALID = auto()
    JSON_INVALID = auto()
    JSON_DUPLICATE_KEY = auto()
    BATCH_REFUSED = auto()
    PARAMETER_INVALID = auto()
    DOCUMENT_ID_UNKNOWN = auto()
    # the GraphQL request
    SYNTAX = auto()
    VALIDATION = auto()
    OPERATION_NAME = auto()
    VARIABLES = auto()
    CURSOR_INVALID = auto()
    DOCUMENT_TOO_LONG = auto()
    TOO_DEEP = auto()
    TOO_MANY_ALIASES = auto()
    TOO_MANY_DIRECTIVES = auto()
    TOO_MANY_ROOT_FIELDS = auto()
    TOO_MANY_FIELDS = auto()
    TOO_MANY_FRAGMENTS = auto()
    PAGE_TOO_LARGE = auto()
    COST_TOO_HIGH = auto()
    # the gateway
    RATE_EXCEEDED = auto()
    UNAVAILABLE = auto()
    INTERNAL = auto()


STATUS: Final[Mapping[Code, int]] = MappingProxyType(
    {
        Code.TOKEN_MISSING: 401,
        Code.TOKEN_INVALID: 401,
        Code.TOKEN_EXPIRED: 401,
        Code.TOKEN_REVOKED: 401,
        Code.DPOP_PROOF_INVALID: 401,
        Code.DPOP_NONCE_REQUIRED: 401,
        Code.STEP_UP_REQUIRED: 401,
        Code.INSUFFICIENT_SCOPE: 403,
        Code.NOT_IN_SCOPE: 403,
        Code.PURPOSE_REQUIRED: 400,
        Code.PURPOSE_NOT_HELD: 403,
        Code.ANALYTICS_IDENTITY: 403,
        Code.RESIDENCY: 403,
        Code.HALTED: 403,
        Code.NO_LIVE_GRANT: 403,
        Code.OPERATION_NOT_REGISTERED: 403,
        Code.BAD_REQUEST: 400,
        Code.METHOD_NOT_ALLOWED: 405,
        Code.NOT_ACCEPTABLE: 406,
        Code.BODY_TIMEOUT: 408,
        Code.LENGTH_REQUIRED: 411,
        Code.BODY_TOO_LARGE: 413,
        Code.URL_TOO_LONG: 414,
        Code.MEDIA_TYPE: 415,
        Code.CONTENT_ENCODING_REFUSED: 415,
        Code.ENCODING_INVALID: 400,
        Code.JSON_INVALID: 400,
        Code.JSON_DUPLICATE_KEY: 400,
        Code.BATCH_REFUSED: 400,
        Code.PARAMETER_INVALID: 400,
        Code.DOCUMENT_ID_UNKNOWN: 400,
        Code.SYNTAX: 400,
        Code.VALIDATION: 400,
        Code.OPERATION_NAME: 400,
        Code.VARIABLES: 400,
        Code.CURSOR_INVALID: 400,
        Code.DOCUMENT_TOO_LONG: 400,
        Code.TOO_DEEP: 400,
        Code.TOO_MANY_ALIASES: 400,
        Code.TOO_MANY_DIRECTIVES: 400,
        Code.TOO_MANY_ROOT_FIELDS: 400,
        Code.TOO_MANY_FIELDS: 400,
        Code.TOO_MANY_FRAGMENTS: 400,
        Code.PAGE_TOO_LARGE: 400,
        Code.COST_TOO_HIGH: 400,
        Code.RATE_EXCEEDED: 429,
        Code.UNAVAILABLE: 503,
        Code.INTERNAL: 500,
    }
)

# GraphQL over HTTP 6.4.1: a well-formed request whose GraphQL part is wrong is 200 under application/json, for the clients
# that read any other status as "not from the GraphQL server". Refusals, limits of HTTP and failures keep their status.
SOFT: Final[frozenset[Code]] = frozenset(
    {
        Code.PURPOSE_REQUIRED,
        Code.DOCUMENT_ID_UNKNOWN,
        Code.SYNTAX,
        Code.VALIDATION,
        Code.OPERATION_NAME,
        Code.VARIABLES,
        Code.CURSOR_INVALID,
        Code.DOCUMENT_TOO_LONG,
        Code.TOO_DEEP,
        Code.TOO_MANY_ALIASES,
        Code.TOO_MANY_DIRECTIVES,
        Code.TOO_MANY_ROOT_FIELDS,
        Code.TOO_MANY_FIELDS,
        Code.TOO_MANY_FRAGMENTS,
        Code.PAGE_TOO_LARGE,
        Code.COST_TOO_HIGH,
    }
)

MESSAGE: Final[Mapping[Code, str]] = MappingProxyType(
    {
        Code.TOKEN_MISSING: "An access token is required.",
        Code.TOKEN_INVALID: "The access token is not valid here.",
        Code.TOKEN_EXPIRED: "The access token has expired.",
        Code.TOKEN_REVOKED: "The access token is no longer valid.",
        Code.DPOP_PROOF_INVALID: "The DPoP proof is missing or does not hold.",
        Code.DPOP_NONCE_REQUIRED: "The DPoP proof needs the nonce of the DPoP-Nonce header.",
        Code.STEP_UP_REQUIRED: "The data subject has to sign in again for what this operation selects.",
        Code.INSUFFICIENT_SCOPE: "The access token lacks a scope that this operation needs.",
        Code.NOT_IN_SCOPE: "The operation selects a field that is in none of the partner's scopes.",
        Code.PURPOSE_REQUIRED: "The access token holds several purposes: name one with @purpose on the operation.",
        Code.PURPOSE_NOT_HELD: "The access token does not hold the purpose that the operation names.",
        Code.ANALYTICS_IDENTITY: "An operation under an analytics purpose may not select identity fields.",
        Code.RESIDENCY: "No mechanism for cross-border transfer is recorded for this partner.",
        Code.HALTED: "Disclosure is halted at present.",
        Code.NO_LIVE_GRANT: "No grant or agreement of this partner is in force.",
        Code.OPERATION_NOT_REGISTERED: "This partner is answered its registered operations only, and this is none of them.",
        Code.BAD_REQUEST: "The HTTP request is malformed.",
        Code.METHOD_NOT_ALLOWED: "This method is not allowed here.",
        Code.NOT_ACCEPTABLE: "None of the accepted media types can be produced.",
        Code.BODY_TIMEOUT: "The request body did not arrive in time.",
        Code.LENGTH_REQUIRED: "The request body needs a Content-Length and no transfer coding.",
        Code.BODY_TOO_LARGE: "The request body is too large.",
        Code.URL_TOO_LONG: "The request URL is too long.",
        Code.MEDIA_TYPE: "The request body must be application/json in UTF-8.",
        Code.CONTENT_ENCODING_REFUSED: "A compressed request body is not accepted.",
        Code.ENCODING_INVALID: "The request is not valid UTF-8.",
        Code.JSON_INVALID: "The request is not valid JSON within the limits of this endpoint.",
        Code.JSON_DUPLICATE_KEY: "A JSON object repeats a key.",
        Code.BATCH_REFUSED: "Batched requests are not accepted.",
        Code.PARAMETER_INVALID: "A request parameter is missing, repeated or of the wrong type.",
        Code.DOCUMENT_ID_UNKNOWN: "No document is registered for this partner under this id.",
        Code.SYNTAX: "The document is not valid GraphQL.",
        Code.VALIDATION: "The document is not valid against the schema of this partner.",
        Code.OPERATION_NAME: "The operation to run is not named, or not in the document.",
        Code.VARIABLES: "The variables do not fit their declarations.",
        Code.CURSOR_INVALID: "The cursor is not one that this list has given.",
        Code.DOCUMENT_TOO_LONG: "The document has too many tokens.",
        Code.TOO_DEEP: "The operation is nested too deeply.",
        Code.TOO_MANY_ALIASES: "The operation has too many aliases.",
        Code.TOO_MANY_DIRECTIVES: "The operation has too many directives.",
        Code.TOO_MANY_ROOT_FIELDS: "The operation has too many root fields.",
        Code.TOO_MANY_FIELDS: "The operation selects too many fields.",
        Code.TOO_MANY_FRAGMENTS: "The document has too many fragments.",
        Code.PAGE_TOO_LARGE: "The page size is out of range.",
        Code.COST_TOO_HIGH: "The operation costs too much.",
        Code.RATE_EXCEEDED: "The rate limit is exceeded.",
        Code.UNAVAILABLE: "The gateway cannot answer at present.",
        Code.INTERNAL: "The gateway failed to answer.",
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of `errors` beyond the code: a fixed sentence, where in the document (1-based line and column), and the rule of
    the GraphQL specification that is broken, if one is."""

    message: str
    locations: tuple[tuple[int, int], ...] = ()
    rule: str | None = None


class GatewayError(Exception):
    """The request as a whole is answered without data.

    code: leads to status and message. extensions: ids, counts and names of the schema only (`{"scope": "ads.basic"}`), never a
    value. headers: for the answer, such as `WWW-Authenticate`. problems: one or more places where the code applies (a validation
    run finds several); empty means one entry with the code's own message. `str()` gives the code alone, so a log of the
    exception says nothing about the request.
    """

    def __init__(
        self,
        code: Code,
        *,
        extensions: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        problems: tuple[Problem, ...] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(code.value)
        self.code = code
        self.extensions: Mapping[str, object] = extensions or {}
        self.headers: Mapping[str, str] = headers or {}
        self.problems = problems
        self.retry_after_s = retry_after_s

    @classmethod
    def of(cls, refused: "Refused") -> Self:
        """A refusal of the policy, with the scope that would do and the schema path it is about, where it has them.

        A missing scope also goes into the challenge that RFC 6750 section 3.1 asks for.
        """
        code = Code(refused.reason.value)
        told = {name: value for name, value in (("scope", refused.scope), ("path", refused.path)) if value is not None}
        challenge: dict[str, str] = {}
        if code is Code.INSUFFICIENT_SCOPE:
            scope = f', scope="{refused.scope}"' if refused.scope else ""
            challenge = {"WWW-Authenticate": f'Bearer error="insufficient_scope"{scope}'}
        return cls(code, extensions=told, headers=challenge)

    @classmethod
    def step_up(cls, *, max_age_s: int, acr_values: Sequence[str] = ()) -> Self:
        """The data subject signed in too long ago, or too weakly, for what is asked (RFC 9470 3)."""
        wanted = f', acr_values="{" ".join(acr_values)}"' if acr_values else ""
        challenge = f'Bearer error="insufficient_user_authentication"{wanted}, max_age="{max_age_s}"'
        told: dict[str, object] = {"maxAge": max_age_s}
        if acr_values:
            told["acrValues"] = [*acr_values]
        return cls(Code.STEP_UP_REQUIRED, extensions=told, headers={"WWW-Authenticate": challenge})

    def again(self) -> Self:
        """An equal error to raise. One that is kept and raised itself would gather a traceback entry with every raise."""
        return type(self)(
            self.code, extensions=self.extensions, headers=self.headers, problems=self.problems, retry_after_s=self.retry_after_s
        )

    @property
    def message(self) -> str:
        """The fixed sentence of the code."""
        return MESSAGE[self.code]


def status_of(code: Code, media: Media) -> int:
    """The HTTP status of an answer without data. `respond` asks; nobody else needs to.

    >>> status_of(Code.SYNTAX, Media.RESPONSE), status_of(Code.SYNTAX, Media.JSON), status_of(Code.HALTED, Media.JSON)
    (400, 200, 403)
    """
    return 200 if media is Media.JSON and code in SOFT else STATUS[code]
