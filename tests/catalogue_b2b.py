"""The rows of the catalogue that `examples/b2b_wechat` holds."""

from __future__ import annotations

from collections.abc import Sequence

from tests.catalogue import Did, Person, Row, ago, did, times

__all__ = ["ROWS"]

_TARGET = {"industry": "制造业"}


def _who(*events: Did | Sequence[Did], **attributes: object) -> Person:
    flat = [one for part in events for one in ([part] if isinstance(part, Did) else part)]
    return Person(attributes, flat)  # type: ignore[arg-type]


def _lead(points: int) -> str:
    return f"score('lead') = {points}"


ROWS: tuple[Row, ...] = (
    Row(
        1,
        "目标行业、规模以上、上市或专精特新",
        "segments.key_company",
        "segment('key_company')",
        [
            _who(industry="制造业", headcount=200, is_specialised=True),
            _who(industry="高科技", headcount=5000, is_listed=True, is_specialised=False),
        ],
        [
            _who(industry="制造业", headcount=199, is_specialised=True),
            _who(industry="零售", headcount=200, is_specialised=True),
            _who(industry="制造业", headcount=200, is_specialised=False),
            _who(industry="制造业", is_specialised=True),
        ],
    ),
    Row(
        2,
        "职位为CIO或技术总监，且访问过PaaS平台",
        "segments.technical_decision_maker",
        "segment('technical_decision_maker')",
        [_who(did("visit", page="PaaS平台"), position="CIO")],
        [
            _who(did("visit", page="官网"), position="CIO"),
            _who(did("visit", page="PaaS平台"), position="CEO"),
            _who(position="技术总监"),
        ],
    ),
    Row(
        3,
        "表单中公司规模超过50：给销售经理的高优先级任务",
        "actions.large_form",
        "count(form where company_size > 50 in last 2 hours) >= 1",
        [_who(did("form", ago(minutes=1), company_size=51))],
        [
            _who(did("form", ago(minutes=1), company_size=50)),
            _who(did("form", ago(minutes=1), interest="CRM")),
            _who(did("form", ago(hours=2), company_size=51)),
        ],
    ),
    Row(
        7,
        "下载A产品白皮书：标签 A产品-感兴趣",
        "tag_rules[0]",
        "tag = 'A产品-感兴趣'",
        [_who(did("download", asset="A产品白皮书"))],
        [_who(did("download", asset="白皮书")), _who(did("read", asset="A产品白皮书"))],
    ),
    Row(
        8,
        "观看B行业直播2次以上：B行业-高意向",
        "tag_rules[1]",
        "tag = 'B行业-高意向'",
        [_who(times(2, did("watch_live", industry="B行业")))],
        [
            _who(did("watch_live", industry="B行业")),
            _who(did("watch_live", industry="B行业"), did("watch_live", industry="A行业")),
        ],
    ),
    Row(
        9,
        "标签制造业，且标签下载智能工厂案例：行业方案关注者",
        "tag_rules[2]",
        "tag = '行业方案关注者'",
        [_who(did("download", asset="智能工厂案例"), tag=("制造业",))],
        [_who(did("download", asset="智能工厂案例")), _who(tag=("制造业",))],
    ),
    Row(
        10,
        "点击菜单预约演示：高意向-产品咨询",
        "tag_rules[4]",
        "tag = '高意向-产品咨询'",
        [_who(did("menu_click", menu="预约演示"))],
        [_who(did("menu_click", menu="产品"))],
    ),
    Row(
        11,
        "看完主题为X的直播：参与X直播",
        "tag_rules[5]",
        "tag = '参与CRM直播'",
        [_who(did("finish_live", topic="CRM"))],
        [_who(did("finish_live", topic="数据安全")), _who(did("watch_live", topic="CRM"))],
    ),
    Row(
        12,
        "A产品详情页浏览超过3次：关注A产品",
        "tag_rules[6]",
        "tag = '关注A产品'",
        [_who(times(4, did("visit", page="A产品详情")))],
        [_who(times(3, did("visit", page="A产品详情")))],
    ),
    Row(
        13,
        "报名制造业数字化：同时打两个标签",
        "tag_rules[7]",
        "tag has all ('制造业关注', '数字化转型')",
        [_who(did("register", topic="制造业数字化"))],
        [_who(did("register", topic="CRM"))],
    ),
    Row(
        15,
        "会话中出现价格、报价：价格敏感",
        "tag_rules[9]",
        "tag = '价格敏感'",
        [_who(did("chat", text="请问价格是多少")), _who(did("chat", text="发一份报价单"))],
        [_who(did("chat", text="你好")), _who(did("chat"))],
    ),
    Row(
        15,
        "会话中出现试用：意向强烈；出现解决方案：寻求方案",
        "tag_rules[10]",
        "tag = '意向强烈' and tag = '寻求方案'",
        [_who(did("chat", text="可以试用吗"), did("chat", ago(days=1), text="有解决方案吗"))],
        [_who(did("chat", text="可以试用吗")), _who(did("chat", text="有解决方案吗"))],
    ),
    Row(
        16,
        "回复1：兴趣-产品；回复2：兴趣-案例",
        "tag_rules[12]",
        "tag = '兴趣-产品' and not tag = '兴趣-案例'",
        [_who(did("reply", choice="1"))],
        [_who(did("reply", choice="2")), _who(did("reply", choice="3"))],
    ),
    Row(
        17,
        "表单中兴趣为CRM：CRM需求",
        "tag_rules[14]",
        "tag = 'CRM需求'",
        [_who(did("form", interest="CRM"))],
        [_who(did("form", interest="ERP"))],
    ),
    Row(
        18,
        "48小时内互动过",
        "segments.active_in_48_hours",
        "segment('active_in_48_hours')",
        [_who(did("chat", ago(hours=47, minutes=59, seconds=59.999999), text="你好"))],
        [_who(did("chat", ago(hours=48), text="你好")), _who(did("follow", ago(hours=3)))],
    ),
    Row(
        19,
        "经渠道码S添加：来自S；首次来源不变，之后的来源累加",
        "tag_rules[15]",
        "tag has all ('来自S', '来自A') and first_source = 'S'",
        [
            _who(
                did("add_wecom", ago(days=5), channel="S"),
                did("add_wecom", ago(days=4), channel="A"),
            )
        ],
        [
            _who(did("add_wecom", channel="S")),
            _who(
                did("add_wecom", ago(days=5), channel="A"),
                did("add_wecom", ago(days=4), channel="S"),
            ),
        ],
    ),
    Row(
        20,
        "来源为线下展会二维码：展会线索",
        "tag_rules[17]",
        "tag = '展会线索'",
        [_who(did("scan", scene="线下展会二维码"))],
        [_who(did("scan", scene="官网二维码"))],
    ),
    Row(
        21,
        "申请试用且在华东：高意向、华东区，按大区分配",
        "tag_rules[19]",
        "tag = '高意向' and tag = '华东区'",
        [_who(did("trial", product="A产品"), region="华东")],
        [_who(did("trial", product="A产品"), region="华北"), _who(region="华东")],
    ),
    Row(
        22,
        "最近互动时间、7天内次数、触达渠道数",
        "tiers.breadth",
        "tier('breadth') = '双渠道' and interactions_in_7_days = 2"
        " and last_interaction > now - 3 days",
        [_who(did("follow"), did("add_wecom", channel="S"), times(2, did("read", asset="新闻")))],
        [
            _who(did("follow"), times(2, did("read", asset="新闻"))),
            _who(
                did("follow"), did("add_wecom", channel="S"), did("read", ago(days=7), asset="新闻")
            ),
            _who(did("follow"), did("add_wecom"), times(2, did("scan", scene="官网二维码"))),
        ],
    ),
    Row(
        24,
        "30天内阅读、下载超过3次：高活跃潜客",
        "segments.active_prospect",
        "segment('active_prospect')",
        [_who(times(3, did("read")), did("download", ago(days=29, hours=23)))],
        [
            _who(times(3, did("read"))),
            _who(times(3, did("read")), did("download", ago(days=30))),
            _who(times(4, did("visit"))),
        ],
    ),
    Row(
        25,
        "近7天中有4天活跃",
        "segments.active_four_days",
        "segment('active_four_days')",
        [_who(*(did("read", ago(days=day)) for day in range(1, 5)))],
        [
            _who(*(did("read", ago(days=day)) for day in range(1, 4))),
            _who(*(did("read", ago(days=day)) for day in (1, 2, 3, 8))),
            _who(times(9, did("read"))),
        ],
    ),
    Row(
        26,
        "潜在（仅关注）",
        "tiers.lifecycle",
        "tier('lifecycle') = '潜在'",
        [_who(did("follow")), _who(did("follow"), did("add_wecom"))],
        [_who(did("follow"), did("add_wecom"), did("chat", text="你好")), _who()],
    ),
    Row(
        26,
        "建联（已加企业微信并对话）",
        "tiers.lifecycle",
        "tier('lifecycle') = '建联'",
        [_who(did("add_wecom"), did("chat", text="你好"))],
        [_who(did("add_wecom")), _who(did("add_wecom"), did("chat"), did("trial"))],
    ),
    Row(
        26,
        "意向、签约服务中、忠诚",
        "tiers.lifecycle",
        "tier('lifecycle') in ('意向', '签约服务中', '忠诚')",
        [
            _who(did("menu_click", menu="预约演示")),
            _who(did("trial")),
            _who(did("deal")),
            _who(times(2, did("deal"))),
        ],
        [_who(did("menu_click", menu="产品")), _who(did("follow"))],
    ),
    Row(
        29,
        "培育：状态为市场培育线索，且得分40至70",
        "segments.nurture",
        "segment('nurture')",
        [
            _who(did("visit", page="价格页"), status="市场培育线索", industry="制造业"),
            _who(
                times(2, did("visit", page="价格页")),
                status="市场培育线索",
                role="决策者",
            ),
        ],
        [
            _who(times(3, did("visit", page="官网")), status="市场培育线索", industry="制造业"),
            _who(
                times(2, did("visit", page="价格页")),
                did("visit", ago(days=3), page="官网"),
                status="市场培育线索",
                role="决策者",
            ),
            _who(did("visit", page="价格页"), status="新线索", industry="制造业"),
        ],
    ),
    Row(
        34,
        "线索评分：目标行业+20，决策者+30，试用+50：达到100",
        "scores.lead",
        "score('lead') >= 100",
        [_who(did("trial"), industry="制造业", role="决策者")],
        [
            _who(did("trial"), industry="零售", role="决策者"),
            _who(did("trial"), industry="制造业", role="决策者", region="西北"),
        ],
    ),
    Row(
        34,
        "非目标地区-10，30天未互动-15，不低于0",
        "scores.lead",
        _lead(5),
        [_who(region="华东", industry="制造业")],
        [_who(region="西北", industry="制造业"), _who(region="西北"), _who(industry="零售")],
    ),
    Row(
        35,
        "得分变化带动等级与标签",
        "tag_rules[20]",
        "tag = 'MQL' and band('lead') = 'mql'",
        [_who(did("trial"), industry="制造业", role="决策者")],
        [_who(did("trial"), industry="零售", role="决策者")],
    ),
    Row(
        36,
        "目标行业决策者，回访产品页并取得价格表，高于仅关注者",
        "segments.came_back_for_prices",
        "segment('came_back_for_prices') and score('lead') > 20",
        [
            _who(
                times(2, did("visit", page="A产品详情")),
                did("download", asset="价格表"),
                industry="制造业",
                role="决策者",
            )
        ],
        [
            _who(
                did("visit", page="A产品详情"),
                did("download", asset="价格表"),
                industry="制造业",
                role="决策者",
            ),
            _who(did("follow"), industry="制造业", role="决策者"),
        ],
    ),
    Row(
        37,
        "搜索广告点击，然后下载白皮书，然后关注：高于任一单独渠道",
        "scores.lead",
        "score('lead') > 60",
        [
            _who(
                did("ad_click", ago(days=5), channel="百度"),
                did("download", ago(days=4), asset="白皮书"),
                did("follow", ago(days=3)),
            )
        ],
        [
            _who(
                did("ad_click", ago(days=5), channel="百度"),
                did("download", ago(days=2), asset="白皮书"),
                did("follow", ago(days=3)),
            ),
            _who(
                did("ad_click", ago(days=8), channel="百度"),
                did("download", ago(days=4, hours=23, minutes=59), asset="白皮书"),
                did("follow", ago(days=3)),
            ),
            _who(did("download", asset="白皮书")),
        ],
    ),
    Row(
        38,
        "匹配度与活跃度两个评分合成等级A1至C3",
        "tiers.grade",
        "tier('grade') = 'A1'",
        [
            _who(
                did("trial"),
                did("visit", page="价格页"),
                industry="制造业",
                role="影响者",
            )
        ],
        [
            _who(did("trial"), industry="制造业", role="影响者"),
            _who(did("trial"), did("visit", page="价格页"), industry="制造业"),
        ],
    ),
    Row(
        39,
        "单项与总分封顶：官网访问最多25分",
        "scores.lead",
        _lead(25),
        [_who(times(5, did("visit", page="官网"))), _who(times(9, did("visit", page="官网")))],
        [_who(times(4, did("visit", page="官网")))],
    ),
    Row(
        39,
        "30天半衰期：两次下载，一次在30天前",
        "scores.lead",
        _lead(45),
        [
            _who(
                did("download", ago(minutes=1), asset="白皮书"),
                did("download", ago(days=30), asset="白皮书"),
            )
        ],
        [
            _who(
                did("download", ago(minutes=1), asset="白皮书"),
                did("download", ago(days=29, hours=22), asset="白皮书"),
            )
        ],
    ),
    Row(
        40,
        "关注即时",
        "segments.followed",
        "segment('followed')",
        [_who(did("follow", ago(seconds=0)))],
        [_who(did("follow", ago(microseconds=-1)))],
    ),
    Row(
        41,
        "下载后3天内未报名：恰好满3天时",
        "segments.downloaded_not_registered",
        "segment('downloaded_not_registered')",
        [_who(did("download", ago(days=3), asset="白皮书"))],
        [
            _who(
                did(
                    "download", ago(days=2, hours=23, minutes=59, seconds=59.999999), asset="白皮书"
                )
            ),
            _who(did("download", ago(days=5), asset="白皮书"), did("register", ago(days=2))),
        ],
    ),
    Row(
        42,
        "添加企业微信超过7天未发言",
        "segments.silent_in_wecom",
        "segment('silent_in_wecom')",
        [_who(did("add_wecom", ago(days=7, microseconds=1)))],
        [
            _who(did("add_wecom", ago(days=7))),
            _who(did("add_wecom", ago(days=9)), did("chat", ago(days=8))),
        ],
    ),
    Row(
        43,
        "关注后第三天",
        "segments.third_day_after_following",
        "segment('third_day_after_following')",
        [_who(did("follow", ago(days=3)))],
        [_who(did("follow", ago(days=2))), _who(did("follow", ago(days=4)))],
    ),
    Row(
        44,
        "关注满7天无任何互动",
        "segments.silent_week_after_following",
        "segment('silent_week_after_following')",
        [_who(did("follow", ago(days=7)))],
        [
            _who(did("follow", ago(days=6, hours=23, minutes=59))),
            _who(did("follow", ago(days=8)), did("read", ago(days=2))),
        ],
    ),
    Row(
        45,
        "阶段由潜在变为意向：即时",
        "actions.became_interested",
        "tier('lifecycle') = '意向'",
        [_who(did("follow"), did("trial", ago(seconds=0)))],
        [_who(did("follow"), did("trial", ago(microseconds=-1)))],
    ),
    Row(
        46,
        "新试用线索2小时未首次联系",
        "segments.trial_without_contact",
        "segment('trial_without_contact')",
        [_who(did("trial", ago(hours=2)))],
        [
            _who(did("trial", ago(hours=1, minutes=59, seconds=59.999999))),
            _who(did("trial", ago(hours=5)), did("contact", ago(hours=4))),
        ],
    ),
    Row(
        46,
        "24小时未联系：升级",
        "segments.trial_without_contact_for_a_day",
        "segment('trial_without_contact_for_a_day')",
        [_who(did("trial", ago(hours=24)))],
        [_who(did("trial", ago(hours=23, minutes=59)))],
    ),
    Row(
        46,
        "高价值表单5分钟未回应",
        "segments.large_form_unanswered",
        "segment('large_form_unanswered')",
        [_who(did("form", ago(minutes=5), company_size=501))],
        [
            _who(did("form", ago(minutes=5), company_size=500)),
            _who(did("form", ago(minutes=4, seconds=59), company_size=501)),
        ],
    ),
    Row(
        47,
        "服务中客户近30天互动不足前30天的一半",
        "segments.at_risk",
        "segment('at_risk')",
        [_who(did("chat"), times(3, did("chat", ago(days=40))), status="服务中")],
        [
            _who(did("chat"), times(2, did("chat", ago(days=40))), status="服务中"),
            _who(did("chat"), times(3, did("chat", ago(days=40)))),
        ],
    ),
    Row(
        48,
        "长期沉默的目标行业高职位粉丝：唤醒",
        "segments.wake_up",
        "segment('wake_up')",
        [
            _who(
                did("follow", ago(days=300)),
                did("read", ago(days=180)),
                industry="高科技",
                position="CEO",
            )
        ],
        [
            _who(
                did("follow", ago(days=300)),
                did("read", ago(days=179, hours=23)),
                industry="高科技",
                position="CEO",
            ),
            _who(did("follow", ago(days=300)), industry="高科技", position="工程师"),
        ],
    ),
)
