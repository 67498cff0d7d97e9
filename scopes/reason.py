"""The closed lists: why a field is withheld, why an operation is refused."""

from enum import IntEnum, StrEnum


class Reason(IntEnum):
    """Why a data subject's field did or did not go out. The numbers stand in consent_state and in records: never change one."""

    CONSENTED = 0
    CONSENT_MISSING = 1
    CONSENT_WITHDRAWN = 2
    CONSENT_EXPIRED = 3
    POLICY_NOT_ACCEPTED = 4
    POLICY_SUPERSEDED = 5
    SETTING_OFF = 6
    ADVERTISING_OFF = 7
    CROSS_BORDER_MISSING = 8
    NO_BASIS = 9

    @property
    def wire(self) -> str:
        """The name that records and the data subject's own pages show; partners see NOT_CONSENTED for all but CONSENTED."""
        return self.name


class Refusal(StrEnum):
    """Why an operation was refused as a whole. Wire contract."""

    INSUFFICIENT_SCOPE = "INSUFFICIENT_SCOPE"
    NOT_IN_SCOPE = "NOT_IN_SCOPE"
    PURPOSE_REQUIRED = "PURPOSE_REQUIRED"
    PURPOSE_NOT_HELD = "PURPOSE_NOT_HELD"
    ANALYTICS_IDENTITY = "ANALYTICS_IDENTITY"
    RESIDENCY = "RESIDENCY"
    HALTED = "HALTED"
    NO_LIVE_GRANT = "NO_LIVE_GRANT"


class Refused(Exception):
    """Nothing is disclosed. scope: the scope that would do, or that is halted; path: a schema path. Neither is ever data."""

    def __init__(self, reason: Refusal, *, scope: str | None = None, path: str | None = None) -> None:
        super().__init__(reason.value)
        self.reason, self.scope, self.path = reason, scope, path
