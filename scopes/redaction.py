"""The ladder reveal < mask < generalise < pseudonymise < withhold, and what it means for two rules to hold at once.

The order between two rules is about what one can infer from an output, kind by kind: `meet(a, b)` can be computed from what `a`
shows and from what `b` shows, so that one more rule never shows more. Where no such rule is known the meet withholds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import reduce
from types import MappingProxyType
from typing import Final, Self


class Kind(StrEnum):
    """What a value is, as far as redacting it goes. The values enter pseudonyms: never change one."""

    NAME = "name"
    PHONE = "phone"
    NATIONAL_ID = "national_id"
    EMAIL = "email"
    BIRTH_DATE = "birth_date"
    CITY = "city"
    ADDRESS = "address"
    POSTCODE = "postcode"
    IP = "ip"
    INSTANT = "instant"
    LOCATION = "location"
    TEXT = "text"
    URL = "url"
    IDENTIFIER = "identifier"
    LABEL = "label"


class Rung(IntEnum):
    """Wire form: the name in lower case."""

    REVEAL = 0
    MASK = 1
    GENERALISE = 2
    PSEUDONYMISE = 3
    WITHHOLD = 4


class InvalidRedaction(Exception):
    """A redaction that does not exist, or that its kind of value does not know."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """One rung, with what it needs: characters a mask keeps at either end, or the step a generalisation goes to.

    >>> Redaction(Rung.MASK, head=3, tail=4).label()
    'mask(3,4)'
    """

    rung: Rung
    head: int = 0
    tail: int = 0
    step: str | None = None

    def __post_init__(self) -> None:
        if self.head < 0 or self.tail < 0:
            raise InvalidRedaction("a mask keeps no less than nothing")
        if (self.head or self.tail) and self.rung is not Rung.MASK:
            raise InvalidRedaction("only a mask keeps characters")
        if (self.step is None) == (self.rung is Rung.GENERALISE):
            raise InvalidRedaction("a generalisation, and nothing else, has a step")

    @classmethod
    def from_wire(cls, wire: object) -> Self:
        """From `{"rung": "mask", "head": 3, "tail": 4}` or `{"rung": "generalise", "step": "year"}`. Raises InvalidRedaction."""
        if not isinstance(wire, Mapping):
            raise InvalidRedaction("a redaction is an object")
        allowed = {"mask": {"head", "tail"}, "generalise": {"step"}, "reveal": set(), "pseudonymise": set(), "withhold": set()}
        rung = wire.get("rung")
        if not isinstance(rung, str) or rung not in allowed:
            raise InvalidRedaction("no such rung")
        if not wire.keys() <= allowed[rung] | {"rung"}:
            raise InvalidRedaction("a redaction has no such member")
        head, tail, step = wire.get("head", 0), wire.get("tail", 0), wire.get("step")
        if type(head) is not int or type(tail) is not int:
            raise InvalidRedaction("a mask keeps a whole number of characters")
        if step is not None and not isinstance(step, str):
            raise InvalidRedaction("a step is a name")
        return cls(Rung[rung.upper()], head=head, tail=tail, step=step)

    def to_wire(self) -> dict[str, str | int]:
        wire: dict[str, str | int] = {"rung": self.rung.name.lower()}
        if self.rung is Rung.MASK:
            wire |= {"head": self.head, "tail": self.tail}
        if self.step is not None:
            wire["step"] = self.step
        return wire

    def label(self) -> str:
        """As partners read it in their schema and answers: `mask(3,4)`, `generalise(year)`, `reveal`."""
        name = self.rung.name.lower()
        if self.rung is Rung.MASK:
            return f"{name}({self.head},{self.tail})"
        return name if self.step is None else f"{name}({self.step})"


REVEAL: Final = Redaction(Rung.REVEAL)
PSEUDONYMISE: Final = Redaction(Rung.PSEUDONYMISE)
WITHHOLD: Final = Redaction(Rung.WITHHOLD)


@dataclass(frozen=True, slots=True)
class MaskRule:
    """The most a mask of this kind may keep at either end, and what it keeps where a scope does not say."""

    head: int
    tail: int
    default: Redaction


# No national standard fixes the digits. The defaults are no looser than what partners of Chinese order platforms see.
MASKS: Final[Mapping[Kind, MaskRule]] = MappingProxyType(
    {
        Kind.NAME: MaskRule(1, 0, Redaction(Rung.MASK, head=1)),
        Kind.PHONE: MaskRule(3, 4, Redaction(Rung.MASK, head=3, tail=4)),
        Kind.NATIONAL_ID: MaskRule(3, 4, Redaction(Rung.MASK, head=1, tail=1)),
        Kind.EMAIL: MaskRule(3, 0, Redaction(Rung.MASK, head=1)),
        Kind.ADDRESS: MaskRule(6, 0, Redaction(Rung.MASK, head=6)),
        Kind.POSTCODE: MaskRule(3, 0, Redaction(Rung.MASK, head=2)),
        Kind.TEXT: MaskRule(6, 0, Redaction(Rung.MASK, head=1)),
    }
)

# Chains of steps, each one computable from the step before it; steps of different chains are not
STEPS: Final[Mapping[Kind, tuple[tuple[str, ...], ...]]] = MappingProxyType(
    {
        Kind.BIRTH_DATE: (("month", "year", "decade"), ("age_band",)),
        Kind.ADDRESS: (("city",),),
        Kind.IP: (("network",),),
        Kind.INSTANT: (("day", "month", "year"),),
        Kind.LOCATION: (("district",),),
        Kind.EMAIL: (("domain",),),
    }
)

# (kind, step): any mask of the kind shows enough to compute the step
_STEPS_BELOW_MASKS: Final = frozenset({(Kind.EMAIL, "domain")})


def default_mask(kind: Kind) -> Redaction:
    """What a mask of this kind keeps where nobody said; WITHHOLD where the kind has no mask."""
    return MASKS[kind].default if kind in MASKS else WITHHOLD


def check(kind: Kind, redaction: Redaction) -> None:
    """Raises InvalidRedaction where the kind knows no such rung or step, or the mask would keep more than it may."""
    if redaction.rung is Rung.MASK:
        rule = MASKS.get(kind)
        if rule is None:
            raise InvalidRedaction(f"{kind} has no mask")
        if redaction.head > rule.head or redaction.tail > rule.tail:
            raise InvalidRedaction(f"a mask of {kind} keeps at most {rule.head} and {rule.tail} characters")
    if redaction.rung is Rung.GENERALISE and not any(redaction.step in chain for chain in STEPS.get(kind, ())):
        raise InvalidRedaction(f"{kind} has no such step")


def is_valid(kind: Kind, redaction: Redaction) -> bool:
    """Whether `check` passes."""
    try:
        check(kind, redaction)
    except InvalidRedaction:
        return False
    return True


def meet(kind: Kind, a: Redaction, b: Redaction) -> Redaction:
    """The rule that holds where both do: computable from what either shows. WITHHOLD where none is known."""
    if not (is_valid(kind, a) and is_valid(kind, b)):
        return WITHHOLD
    if a == b or b.rung is Rung.REVEAL:
        return a
    if a.rung is Rung.REVEAL:
        return b
    if a.rung is b.rung is Rung.MASK:
        return Redaction(Rung.MASK, head=min(a.head, b.head), tail=min(a.tail, b.tail))
    if a.rung is b.rung is Rung.GENERALISE:
        return _coarser(kind, a, b)
    if {a.rung, b.rung} == {Rung.MASK, Rung.GENERALISE}:
        coarse = a if a.rung is Rung.GENERALISE else b
        return coarse if (kind, coarse.step) in _STEPS_BELOW_MASKS else WITHHOLD
    return WITHHOLD


def _coarser(kind: Kind, a: Redaction, b: Redaction) -> Redaction:
    for chain in STEPS[kind]:
        if a.step in chain and b.step in chain:
            return max(a, b, key=lambda redaction: chain.index(str(redaction.step)))
    return WITHHOLD


def strictest(kind: Kind, rules: Iterable[Redaction]) -> Redaction:
    """The rule that holds where all of `rules` do. No rule at all withholds: nobody said that anything may be shown."""
    listed = list(rules)
    return reduce(lambda a, b: meet(kind, a, b), listed, REVEAL) if listed else WITHHOLD
