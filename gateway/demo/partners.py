"""The demo's partners and the one scope each may use: who they are, what they read, how it is redacted and why they need it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from scopes import Purpose, Redaction, Role, Rung, ScopeField

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
    """A field of a scope, and why its purpose needs it (policy 1.1), in Chinese and in English."""

    path: str
    redaction: Redaction
    justification: str
    justification_en: str = ""

    @property
    def rule(self) -> ScopeField:
        """As the scope says it."""
        return ScopeField(self.redaction, self.justification, self.justification_en)


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
        DemoField("Subject.birthDate", generalise("year"), "按出生年份统计触达人数", "reach is reported by year of birth"),
        DemoField("Subject.city", REVEAL, "广告按城市投放", "campaigns are booked by city"),
        DemoField("Subject.language", REVEAL, "同一广告有多个语言版本", "an advertisement exists in several languages"),
        DemoField("Subject.registeredAt", generalise("day"), "新老账号分开统计", "new accounts are counted apart from old ones"),
        DemoField(
            "Subject.location",
            generalise("district"),
            "户外广告按区域衡量效果",
            "outdoor advertisements are measured by district",
        ),
        DemoField(
            "Device.appVersion", REVEAL, "旧版应用无法展示部分广告形式", "old versions of the app cannot show some formats"
        ),
        DemoField("Device.browser", REVEAL, "部分浏览器会拦截计数像素", "some browsers block the counting pixel"),
        DemoField("ServiceEvent.kind", REVEAL, "只计浏览，不计故障", "a view counts, a fault does not"),
        DemoField("ServiceEvent.at", generalise("day"), "效果按天汇报", "results are reported by day"),
        DemoField(
            "ServiceEvent.ipAddress",
            generalise("network"),
            "按网段识别机器流量",
            "traffic from machines is recognised by network",
        ),
    ),
)

MESSAGE_DELIVERY: Final = DemoScope(
    "message_delivery.recipient",
    Purpose.MESSAGE_DELIVERY,
    (
        DemoField("Subject.realName", mask(1), "短信以姓氏称呼收件人", "a message greets its recipient by surname"),
        DemoField("Subject.mobileNumber", REVEAL, "短信发往该号码", "the number the message goes to"),
        DemoField("Subject.email", mask(1), "告知收件人全文发往哪个邮箱", "the recipient is told where the full text was sent"),
        DemoField("Subject.language", REVEAL, "短信使用收件人的语言", "a message is written in the recipient's language"),
        DemoField("Address.recipient", mask(1), "派送通知写明谁可以取件", "a delivery notice names who may take the parcel"),
        DemoField("Address.city", REVEAL, "派送通知写明所在城市", "a delivery notice names the city it is about"),
    ),
)

LOCATION_SERVICE: Final = DemoScope(
    "location_service.nearby",
    Purpose.LOCATION_SERVICE,
    (
        DemoField("Subject.location", generalise("district"), "按区域查找附近服务", "services nearby are looked up by district"),
        DemoField("Subject.city", REVEAL, "地图默认打开您所在的城市", "the map opens on the data subject's city"),
        DemoField("Address.city", REVEAL, "按城市划定配送范围", "delivery areas are drawn by city"),
        DemoField("Address.street", generalise("city"), "按城市划定配送范围", "delivery areas are drawn by city"),
    ),
)

_ORDERS: Final = ("订单需要填写", "an order is made out to it")
_PROFILE: Final = ("订单页按个人资料推荐优惠", "offers on the order page follow the profile")
_CONTENT: Final = ("在商城中展示您自己的内容", "the data subject shows their own content in the shop")
_FAULTS: Final = ("用于排查下单故障", "faults in ordering are traced through it")
SERVICE_DELIVERY: Final = DemoScope(
    "service_delivery.orders",
    Purpose.SERVICE_DELIVERY,
    (
        DemoField("Subject.realName", mask(1), *_ORDERS),
        DemoField("Subject.mobileNumber", mask(3, 4), "快递员据此核对收件人", "the courier recognises the recipient by it"),
        DemoField(
            "Subject.nationalId", mask(1, 1), "购买限成年人商品须核验身份", "goods for adults need an identity that was checked"
        ),
        DemoField("Subject.email", mask(1), "通过邮件通知收据", "receipts are announced by e-mail"),
        DemoField("Subject.birthDate", generalise("year"), "购买限成年人商品须核验年龄", "goods for adults need an age"),
        DemoField("Subject.city", REVEAL, *_PROFILE),
        DemoField("Subject.registeredAt", generalise("day"), *_PROFILE),
        DemoField("Subject.language", REVEAL, *_PROFILE),
        DemoField("Subject.photos", REVEAL, *_CONTENT),
        DemoField("Subject.surveyAnswers", REVEAL, "可用问卷积分支付订单", "an order can be paid with survey points"),
        DemoField("Subject.supportCases", REVEAL, "由商城处理订单投诉", "complaints about an order are handled by the shop"),
        DemoField("Subject.mentions", REVEAL, *_CONTENT),
        DemoField("Subject.location", generalise("district"), "推荐最近的门店", "the nearest store is offered"),
        DemoField("Address.recipient", mask(1), *_ORDERS),
        DemoField("Address.mobileNumber", mask(3, 4), "快递员据此核对收件人", "the courier recognises the recipient by it"),
        DemoField("Address.street", mask(6), "供您选择收货地址", "the data subject picks one of their addresses"),
        DemoField("Address.city", REVEAL, "运费按城市计算", "delivery is priced by city"),
        DemoField("Address.postcode", mask(2), "运费按地区计算", "delivery is priced by region"),
        DemoField("Post.id", PSEUDONYMISE, "已展示的动态可以撤下", "a shown post can be taken down again"),
        DemoField("Post.text", REVEAL, *_CONTENT),
        DemoField("Post.postedAt", generalise("day"), *_CONTENT),
        DemoField("ServiceEvent.kind", REVEAL, *_FAULTS),
        DemoField("ServiceEvent.at", REVEAL, *_FAULTS),
        DemoField("ServiceEvent.ipAddress", generalise("network"), *_FAULTS),
        DemoField("Device.appVersion", REVEAL, *_FAULTS),
        DemoField("Device.browser", REVEAL, *_FAULTS),
        DemoField("PartnerLogin.partner", REVEAL, "让您看到在哪里登录过", "the data subject sees where they signed in"),
        DemoField("PartnerLogin.at", REVEAL, "让您看到何时登录过", "the data subject sees when they signed in"),
    ),
)

PERSONALISATION: Final = DemoScope(
    "personalisation.feed",
    Purpose.PERSONALISATION,
    (
        DemoField("Subject.birthDate", generalise("year"), "按出生年份推荐", "recommendations follow the year of birth"),
        DemoField("Subject.city", REVEAL, "按城市推荐", "recommendations follow the city"),
        DemoField("Subject.language", REVEAL, "按您的语言推荐", "recommendations are in the data subject's language"),
        DemoField("Subject.surveyAnswers", REVEAL, "按您填写的兴趣推荐", "recommendations follow stated interests"),
        DemoField("Post.id", PSEUDONYMISE, "不向作者推荐自己的动态", "a post is not recommended to its author"),
        DemoField("Post.text", REVEAL, "按您发布的内容推荐", "recommendations follow what the data subject writes about"),
        DemoField("Post.postedAt", generalise("day"), "近期兴趣权重更高", "recent interests weigh more"),
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
