"""Where the invented people live: real cities, so that masks and generalisations meet what addresses really look like."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Place:
    """A city. province: empty for a municipality. region: first four digits of GB/T 2260. postcode: its first three digits.

    districts: of the city. longitude, latitude: of its centre, degrees.
    """

    province: str
    city: str
    region: str
    postcode: str
    longitude: float
    latitude: float
    districts: tuple[str, ...]

    @property
    def prefix(self) -> str:
        """How a postal line begins: 广东省深圳市, or 上海市 alone."""
        return self.province + self.city


def _place(line: str) -> Place:
    province, city, region, postcode, longitude, latitude, *districts = line.split()
    return Place("" if province == "-" else province, city, region, postcode, float(longitude), float(latitude), tuple(districts))


# The larger the city the more often it is drawn: the lines are in order of size
PLACES: Final = tuple(
    _place(line)
    for line in """
- 上海市 3101 200 121.4737 31.2304 浦东新区 徐汇区 静安区 闵行区
- 北京市 1101 100 116.4074 39.9042 朝阳区 海淀区 西城区 丰台区
广东省 深圳市 4403 518 114.0579 22.5431 南山区 福田区 宝安区 龙岗区
广东省 广州市 4401 510 113.2644 23.1291 天河区 越秀区 海珠区 番禺区
- 重庆市 5001 400 106.5516 29.5630 渝中区 江北区 南岸区 沙坪坝区
四川省 成都市 5101 610 104.0665 30.5723 武侯区 锦江区 青羊区 双流区
- 天津市 1201 300 117.2008 39.0842 和平区 河西区 南开区 滨海新区
浙江省 杭州市 3301 310 120.1551 30.2741 西湖区 余杭区 滨江区 萧山区
湖北省 武汉市 4201 430 114.3054 30.5931 武昌区 洪山区 江汉区 汉阳区
江苏省 南京市 3201 210 118.7969 32.0603 玄武区 鼓楼区 江宁区 建邺区
江苏省 苏州市 3205 215 120.5853 31.2989 姑苏区 吴中区 虎丘区 相城区
陕西省 西安市 6101 710 108.9398 34.3416 雁塔区 碑林区 未央区 莲湖区
湖南省 长沙市 4301 410 112.9388 28.2282 岳麓区 芙蓉区 天心区 雨花区
山东省 青岛市 3702 266 120.3826 36.0671 市南区 崂山区 黄岛区 城阳区
河南省 郑州市 4101 450 113.6254 34.7466 金水区 二七区 中原区 惠济区
福建省 厦门市 3502 361 118.0894 24.4798 思明区 湖里区 集美区 同安区
辽宁省 沈阳市 2101 110 123.4315 41.8057 和平区 沈河区 皇姑区 浑南区
黑龙江省 哈尔滨市 2301 150 126.5349 45.8038 道里区 南岗区 香坊区 松北区
云南省 昆明市 5301 650 102.8329 24.8801 五华区 盘龙区 官渡区 西山区
广西壮族自治区 南宁市 4501 530 108.3669 22.8170 青秀区 兴宁区 江南区 良庆区
内蒙古自治区 呼和浩特市 1501 010 111.7492 40.8426 新城区 回民区 玉泉区 赛罕区
新疆维吾尔自治区 乌鲁木齐市 6501 830 87.6168 43.8256 天山区 沙依巴克区 新市区 水磨沟区
西藏自治区 拉萨市 5401 850 91.1409 29.6456 城关区 堆龙德庆区 达孜区
吉林省 延边朝鲜族自治州 2224 133 129.5089 42.8914 延吉市 图们市 珲春市
""".strip().splitlines()
)
