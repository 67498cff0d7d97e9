"""A data subject's privacy settings as its page shows them: what each switch says, and what stands in its way (policy 4, 10)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from gateway.store.subject_pages import KnownPartner, SettingNow
from scopes import CATEGORIES, Sensitivity, Switch, parents


@dataclass(frozen=True, slots=True)
class Knob:
    """One switch.

    is_on: what it says itself. is_overruled: another one above it says off, so that turning this one on changes nothing yet.
    """

    category: str
    is_on: bool
    is_overruled: bool
    is_sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Branch:
    """An inner node of the tree of categories and its leaves."""

    knob: Knob
    leaves: tuple[Knob, ...]


@dataclass(frozen=True, slots=True)
class PartnerKnob:
    """A partner's own switch. off_count: kinds of data that are off for this partner alone."""

    partner: KnownPartner
    is_on: bool
    off_count: int


@dataclass(frozen=True, slots=True)
class Privacy:
    """The page about all partners, or about one.

    sharing: the switch of everything that the page is about. is_overruled: it is off for all partners.
    """

    partner: KnownPartner | None
    advertising: bool
    sharing: bool
    is_overruled: bool
    branches: tuple[Branch, ...]
    partners: tuple[PartnerKnob, ...]


class Settings:
    """The latest word about each switch; what was never said is on."""

    def __init__(self, settings: Iterable[SettingNow]) -> None:
        self._off = {(one.switch, one.partner_id, one.category) for one in settings if not one.allowed}

    def is_on(self, partner_id: UUID | None = None, category: str | None = None) -> bool:
        """Whether this very switch of sharing says on."""
        return (Switch.SHARING.value, partner_id, category) not in self._off

    @property
    def advertising(self) -> bool:
        return (Switch.ADVERTISING.value, None, None) not in self._off

    def is_overruled(self, partner_id: UUID | None, category: str | None) -> bool:
        """Whether another switch that concerns the same says off: of all partners, of all data, of a node above."""
        nodes = {None} if category is None else {None, category, *parents(category)}
        switches = {(at, node) for at in (None, partner_id) for node in nodes} - {(partner_id, category)}
        return any(not self.is_on(at, node) for at, node in switches)

    def off_count(self, partner_id: UUID) -> int:
        """How many switches of this partner's own kinds of data say off."""
        return sum(1 for _, at, category in self._off if at == partner_id and category is not None)


def privacy(settings: Settings, partners: Mapping[UUID, KnownPartner], partner: KnownPartner | None) -> Privacy:
    """The page about `partner`, or about all of them."""
    about = None if partner is None else partner.partner_id
    listed = (
        ()
        if partner
        else tuple(
            PartnerKnob(one, settings.is_on(one.partner_id), settings.off_count(one.partner_id)) for one in partners.values()
        )
    )
    return Privacy(
        partner=partner,
        advertising=settings.advertising,
        sharing=settings.is_on(about),
        is_overruled=settings.is_overruled(about, None),
        branches=tuple(_branches(settings, about)),
        partners=listed,
    )


def nodes() -> tuple[str, ...]:
    """The inner nodes of the tree, in its order."""
    return tuple(dict.fromkeys(parents(name)[-1] for name in CATEGORIES if parents(name)))


def _branches(settings: Settings, partner_id: UUID | None) -> Iterable[Branch]:
    for node in nodes():
        leaves = [name for name in CATEGORIES if node in parents(name)]
        yield Branch(_knob(settings, partner_id, node), tuple(_knob(settings, partner_id, leaf) for leaf in leaves))


def _knob(settings: Settings, partner_id: UUID | None, category: str) -> Knob:
    return Knob(
        category=category,
        is_on=settings.is_on(partner_id, category),
        is_overruled=settings.is_overruled(partner_id, category),
        is_sensitive=category in CATEGORIES and CATEGORIES[category].sensitivity is Sensitivity.SENSITIVE,
    )
