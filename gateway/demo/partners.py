"""The demo's partners and the one scope each may use: who they are, what they read, how it is redacted and why they need it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from scopes import Purpose, Redaction, Role, Rung

REVEAL: Final = Redaction(Rung.REVEAL)
PSEUDONYMISE: Final = Redaction(Rung.PSEUDONYMISE)

# Fixed, so that the same seed gives the same demo on any date
AGREED_AT: Final = datetime(2024, 11, 26, tzinfo=UTC)
AGREED_UNTIL: Final = datetime(2036, 1, 1, tzinfo=UTC)
RETENTION: Final = timedelta(days=180)


def mask(head: int = 0, tail: int = 0) -> Redaction:
    return Redaction(Rung.MASK, head=head, tail=tail)


def generalise(step: str) -> Redaction:
    return Redaction(Rung.GENERALISE, step=step)


@dataclass(frozen=True, slots=True)
class DemoField:
    """A field of a scope, and why its purpose needs it (policy 1.1)."""

    path: str
    redaction: Redaction
    justification: str


@dataclass(frozen=True, slots=True)
class DemoScope:
    name: str
    purpose: Purpose
    fields: tuple[DemoField, ...]


@dataclass(frozen=True, slots=True)
class DemoPartner:
    """kind: of policy 6.2. location: ISO 3166-1, where it processes. scope: None for a partner with no grant."""

    name: str
    legal_name: str
    role: Role
    kind: str
    location: str
    mechanism: str | None
    scope: DemoScope | None
    port: int  # of its redirect address on loopback
    is_dpop_bound: bool = False
    has_site: bool = False

    @property
    def contact(self) -> str:
        return f"privacy@{self.name}.example"

    @property
    def home(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def redirect_uri(self) -> str:
        return f"{self.home}callback"

    @property
    def policy_uri(self) -> str:
        return f"{self.home}privacy" if self.has_site else f"https://{self.name}.example/privacy"


AD_MEASUREMENT: Final = DemoScope(
    "ad_measurement.audience",
    Purpose.AD_MEASUREMENT,
    (
        DemoField("Subject.birthDate", generalise("year"), "reach is reported by year of birth"),
        DemoField("Subject.city", REVEAL, "campaigns are booked by city"),
        DemoField("Subject.language", REVEAL, "an advertisement exists in several languages"),
        DemoField("Subject.registeredAt", generalise("day"), "new accounts are counted apart from old ones"),
        DemoField("Subject.location", generalise("district"), "outdoor advertisements are measured by district"),
        DemoField("Device.appVersion", REVEAL, "old versions of the app cannot show some formats"),
        DemoField("Device.browser", REVEAL, "some browsers block the counting pixel"),
        DemoField("ServiceEvent.kind", REVEAL, "a view counts, a fault does not"),
        DemoField("ServiceEvent.at", generalise("day"), "results are reported by day"),
        DemoField("ServiceEvent.ipAddress", generalise("network"), "traffic from machines is recognised by network"),
    ),
)

MESSAGE_DELIVERY: Final = DemoScope(
    "message_delivery.recipient",
    Purpose.MESSAGE_DELIVERY,
    (
        DemoField("Subject.realName", mask(1), "a message greets its recipient by surname"),
        DemoField("Subject.mobileNumber", REVEAL, "the number the message goes to"),
        DemoField("Subject.email", mask(1), "the recipient is told where the full text was sent"),
        DemoField("Subject.language", REVEAL, "a message is written in the recipient's language"),
        DemoField("Address.recipient", mask(1), "a delivery notice names who may take the parcel"),
        DemoField("Address.city", REVEAL, "a delivery notice names the city it is about"),
    ),
)

LOCATION_SERVICE: Final = DemoScope(
    "location_service.nearby",
    Purpose.LOCATION_SERVICE,
    (
        DemoField("Subject.location", generalise("district"), "services nearby are looked up by district"),
        DemoField("Subject.city", REVEAL, "the map opens on the data subject's city"),
        DemoField("Address.city", REVEAL, "delivery areas are drawn by city"),
        DemoField("Address.street", generalise("city"), "delivery areas are drawn by city"),
    ),
)

_ORDERS: Final = "an order is made out to it"
_PROFILE: Final = "offers on the order page follow the profile"
_CONTENT: Final = "the data subject shows their own content in the shop"
_FAULTS: Final = "faults in ordering are traced through it"
SERVICE_DELIVERY: Final = DemoScope(
    "service_delivery.orders",
    Purpose.SERVICE_DELIVERY,
    (
        DemoField("Subject.realName", mask(1), _ORDERS),
        DemoField("Subject.mobileNumber", mask(3, 4), "the courier recognises the recipient by it"),
        DemoField("Subject.nationalId", mask(1, 1), "goods for adults need an identity that was checked"),
        DemoField("Subject.email", mask(1), "receipts are announced by e-mail"),
        DemoField("Subject.birthDate", generalise("year"), "goods for adults need an age"),
        DemoField("Subject.city", REVEAL, _PROFILE),
        DemoField("Subject.registeredAt", generalise("day"), _PROFILE),
        DemoField("Subject.language", REVEAL, _PROFILE),
        DemoField("Subject.photos", REVEAL, _CONTENT),
        DemoField("Subject.surveyAnswers", REVEAL, "an order can be paid with survey points"),
        DemoField("Subject.supportCases", REVEAL, "complaints about an order are handled by the shop"),
        DemoField("Subject.mentions", REVEAL, _CONTENT),
        DemoField("Subject.location", generalise("district"), "the nearest store is offered"),
        DemoField("Address.recipient", mask(1), _ORDERS),
        DemoField("Address.mobileNumber", mask(3, 4), "the courier recognises the recipient by it"),
        DemoField("Address.street", mask(6), "the data subject picks one of their addresses"),
        DemoField("Address.city", REVEAL, "delivery is priced by city"),
        DemoField("Address.postcode", mask(2), "delivery is priced by region"),
        DemoField("Post.id", PSEUDONYMISE, "a shown post can be taken down again"),
        DemoField("Post.text", REVEAL, _CONTENT),
        DemoField("Post.postedAt", generalise("day"), _CONTENT),
        DemoField("ServiceEvent.kind", REVEAL, _FAULTS),
        DemoField("ServiceEvent.at", REVEAL, _FAULTS),
        DemoField("ServiceEvent.ipAddress", generalise("network"), _FAULTS),
        DemoField("Device.appVersion", REVEAL, _FAULTS),
        DemoField("Device.browser", REVEAL, _FAULTS),
        DemoField("PartnerLogin.partner", REVEAL, "the data subject sees where they signed in"),
        DemoField("PartnerLogin.at", REVEAL, "the data subject sees when they signed in"),
    ),
)

PERSONALISATION: Final = DemoScope(
    "personalisation.feed",
    Purpose.PERSONALISATION,
    (
        DemoField("Subject.birthDate", generalise("year"), "recommendations follow the year of birth"),
        DemoField("Subject.city", REVEAL, "recommendations follow the city"),
        DemoField("Subject.language", REVEAL, "recommendations are in the data subject's language"),
        DemoField("Subject.surveyAnswers", REVEAL, "recommendations follow stated interests"),
        DemoField("Post.id", PSEUDONYMISE, "a post is not recommended to its author"),
        DemoField("Post.text", REVEAL, "recommendations follow what the data subject writes about"),
        DemoField("Post.postedAt", generalise("day"), "recent interests weigh more"),
    ),
)

PARTNERS: Final = (
    DemoPartner("adlens", "广镜（上海）数据有限公司", Role.RECIPIENT, "advertising_partner", "CN", None, AD_MEASUREMENT, 9101),
    DemoPartner("swiftmsg", "速信（杭州）通信有限公司", Role.PROCESSOR, "messaging_provider", "CN", None, MESSAGE_DELIVERY, 9102),
    DemoPartner("citymap", "城图（北京）科技有限公司", Role.PROCESSOR, "map_provider", "CN", None, LOCATION_SERVICE, 9103),
    DemoPartner(
        "shopmate",
        "购伴（深圳）软件有限公司",
        Role.RECIPIENT,
        "app_developer",
        "CN",
        None,
        SERVICE_DELIVERY,
        9104,
        is_dpop_bound=True,
        has_site=True,
    ),
    DemoPartner(
        "overseas", "Overseas Feed Pte. Ltd.", Role.RECIPIENT, "vendor", "SG", "standard_contract", PERSONALISATION, 9105
    ),
    DemoPartner("newcomer", "新来（成都）网络有限公司", Role.RECIPIENT, "vendor", "CN", None, None, 9106),
)
GRANTED: Final = tuple((partner, partner.scope) for partner in PARTNERS if partner.scope is not None)
