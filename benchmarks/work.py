"""What the contestants are asked for: the same data subjects and fields, in each one's own words."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

EIGHT: Final = "id realName mobileNumber nationalId email birthDate city registeredAt"
PAGE_INFO: Final = "pageInfo { hasNextPage endCursor }"
ONE: Final = f"query One($id: ID!) {{ subject(id: $id) {{ {EIGHT} }} }}"
PAGE: Final = (
    f"query Page($first: Int!, $after: String) {{ subjects(first: $first, after: $after) "
    f"{{ edges {{ node {{ {EIGHT} }} }} {PAGE_INFO} }} }}"
)
RICH: Final = (
    f"query Rich($first: Int!, $after: String) {{ subjects(first: $first, after: $after) {{ edges {{ node {{ {EIGHT} "
    f"addresses(first: 2) {{ recipient street city postcode }} posts(first: 5) {{ id text postedAt }} }} }} {PAGE_INFO} }} }}"
)


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of request. first: the page's size, 0 for one data subject. path: of the limit's handler."""

    name: str
    label: str
    document: str
    path: str
    first: int

    def graphql(self, starts: Iterable[UUID]) -> list[str]:
        """JSON bodies, one for each start."""
        return [json.dumps({"query": self.document, "variables": self._variables(str(start))}) for start in starts]

    def paths(self, starts: Iterable[UUID]) -> list[str]:
        """The limit's request targets, one for each start."""
        return [f"/{self.path}/{self.first}/{start}" if self.first else f"/{self.path}/{start}" for start in starts]

    def _variables(self, start: str) -> dict[str, object]:
        return {"first": self.first, "after": start} if self.first else {"id": start}


WORKS: Final[Sequence[Work]] = (
    Work("W1", "one subject x 8 fields", ONE, "one", 0),
    Work("W2", "page of 50 x 8", PAGE, "page", 50),
    Work("W3", "page of 50 x 8 + 2 addresses + 5 posts", RICH, "rich", 50),
    Work("W4", "page of 500 x 8", PAGE, "page", 500),
)

# Throughput of the gateway to reach, as multiples of another contestant's
TARGETS: Final = {
    "limit": {"W1": 0.7, "W2": 0.8, "W3": 0.9, "W4": 0.9},
    "resolvers": {"W1": 3.0, "W3": 15.0},
}
