"""Who visits shopmate: one entry a browser, in this process's memory, found by a cookie."""

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.demo.shopmate.client import Answer, Pending, Tokens

VISITS_MAX: Final = 1000
PENDING_MAX: Final = 5  # logins begun in several tabs


@dataclass(slots=True, repr=False)
class Login:
    """What somebody allowed. userinfo: empty where they did not sign in. answer: the last one to our question about them, None
    where they shared no data. news: text.toml's word for what happened last.
    """

    tokens: Tokens
    userinfo: Mapping[str, Any]
    answer: Answer | None
    news: str


@dataclass(slots=True, repr=False)
class Visit:
    """csrf: stands in every form of this visit, so that no other site's form counts. pending: by state."""

    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    pending: "OrderedDict[str, Pending]" = field(default_factory=OrderedDict)
    login: Login | None = None

    def expect(self, pending: Pending) -> None:
        """A login was begun. The oldest of too many is forgotten."""
        self.pending[pending.state] = pending
        while len(self.pending) > PENDING_MAX:
            self.pending.popitem(last=False)


class Visits:
    """All of them; the one not seen for longest is forgotten where there are too many."""

    def __init__(self) -> None:
        self._visits: OrderedDict[str, Visit] = OrderedDict()

    def find(self, cookie: str | None) -> Visit | None:
        if cookie is None or cookie not in self._visits:
            return None
        self._visits.move_to_end(cookie)
        return self._visits[cookie]

    def begin(self, visit: Visit) -> str:
        """Keep a visit. Returns its cookie."""
        cookie = secrets.token_urlsafe(32)
        self._visits[cookie] = visit
        while len(self._visits) > VISITS_MAX:
            self._visits.popitem(last=False)
        return cookie

    def end(self, cookie: str | None) -> None:
        self._visits.pop(cookie or "", None)
