"""帮助 says what this person can do here; and whatever the bot says fits into four lines."""

import string
from typing import Any

import pytest

import bot.dispatch
from handlers import FEATURES, UNDERSTOOD
from handlers.chat import COMMON_REFUSALS, LINES, Texts
from models.members import Role
from tests.dialogue import ON_SQLITE, direct, talk
from tests.fakes.street import Street

HEAD = "我能帮您：活动、报名、取消报名、签到、签退、积分、积分明细、排行榜。"
MORE = "想知道怎么用，请发 帮助 加名字，比如 帮助 积分。"
ALSO = "还有：岗位、履职、接龙、家人、我的资料、组织、服务时长、撤销。"
RESIDENT = f"{HEAD}\n{ALSO}\n例如 报名 12 2人（参加活动，可以带同伴）。\n{MORE}"
STRANGER = "我是小邻，锦绣社区的帮手。\n让我认识您，请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"


@ON_SQLITE
async def test_help_names_what_this_person_may_do(street: Street) -> None:
    await talk(
        street,
        [
            ("王秀英", "3栋群", "@小邻 帮助", RESIDENT),
            ("王秀英", direct, "帮助", RESIDENT),
            ("王秀英", direct, "你会什么", RESIDENT),
            ("刘洋", direct, "帮助", f"{HEAD}\n{ALSO}\n您还能：广播。\n{MORE}"),
            (
                "老赵",
                direct,
                "帮助",
                f"{HEAD}\n{ALSO}\n您还能：加分、发布岗位、广播、任命、签到方式、审核、名单打印、补录。\n{MORE}",
            ),
            (
                "孙丽",
                direct,
                "帮助",
                f"{HEAD}\n{ALSO}\n您还能：发布活动、加分、名单、发布岗位、广播、任命、签到方式、审核、登记居民、改活动、名单打印、补录。\n{MORE}",
            ),
            (
                "张敏",
                "3栋群",
                "@小邻 帮助",
                f"{HEAD}\n{ALSO}\n您还能：发布活动、加分、名单、发布岗位、广播、任命、签到方式、审核、登记居民、改活动、名单打印、补录。\n{MORE}",
            ),
            ("陌生人", direct, "帮助", STRANGER),
            ("陌生人", "3栋群", "@小邻 帮助", STRANGER),
        ],
    )


@ON_SQLITE
async def test_help_with_one_thing_says_how_it_is_typed(street: Street) -> None:
    unknown = "我还不会「{}」。我会的有：活动、报名、我的报名、取消报名、签到、签退、积分、积分明细。"
    await talk(
        street,
        [
            (
                "王秀英",
                direct,
                "帮助 签到",
                "签到 12\n到了现场记一笔。\n还可以说：打卡、签一下、签个到、报到。\n同一类的还有：签退。",
            ),
            (
                "王秀英",
                direct,
                "帮助 打卡",
                "签到 12\n到了现场记一笔。\n还可以说：打卡、签一下、签个到、报到。\n同一类的还有：签退。",
            ),
            (
                "王秀英",
                direct,
                "帮助 申诉",
                "申诉 88 少记了\n对一笔积分有意见。\n同一类的还有：积分、积分明细、排行榜、不上榜、我要上榜、积分规则。",
            ),
            ("王秀英", direct, "帮助 值班", unknown.format("值班")),
            ("王秀英", direct, "帮助 发布活动", "「发布活动」要社区工作人员来办。您能办的事请发 帮助。"),
            ("王秀英", direct, "帮助 加分", "「加分」要楼长或社区来办。您能办的事请发 帮助。"),
            ("老赵", direct, "帮助 绑定群", "「绑定群」要社区书记来办。您能办的事请发 帮助。"),
            (
                "张敏",
                direct,
                "帮助 发布活动",
                "发布活动 周六9点 清洁家园 中心花园 20人 5分\n发布一次活动，先预览再确认。\n"
                "还可以说：发起活动、新建活动、组织活动、发活动。\n同一类的还有：活动、再办一次、取消活动。",
            ),
        ],
    )


@ON_SQLITE
@pytest.mark.parametrize("name", ["王秀英", "老赵", "张敏"])
async def test_help_exists_for_everything_that_a_person_may_do_and_fits(street: Street, name: str) -> None:
    """Every command that has a line in the help can be asked about, and the answer is not `unknown`."""
    may = {
        "王秀英": {None, Role.RESIDENT},
        "老赵": {None, Role.RESIDENT, Role.BUILDING_LEAD},
        "张敏": {None, *Role},
    }[name]
    for router in FEATURES:
        for command in router:
            if command.usage and command.role in may:
                answer = await street.say(name, f"帮助 {command.verbs[0]}")
                assert answer.startswith(f"{command.usage}\n{command.gist}。"), command.intent
                assert answer.count("\n") < LINES


def test_every_command_has_its_line_in_the_help() -> None:
    assert [command.intent for router in FEATURES for command in router if not (command.usage and command.gist)] == []


# -- four lines ----------------------------------------

LONG_NAME = "欧阳娜娜·阿卜杜拉"
LONG_TITLE = "第十二届邻里节暨中秋敬老爱老志愿服务活动"
THREE = "\n".join(f"{index} {index}号 {LONG_TITLE}" for index in (1, 2, 3))
VALUES: dict[str, Any] = {
    "example": "发名单 12 到党员群",
    "answer": "照样去请回复 照样报名，不去了回复 算了。",
    "born": "1946-1956",
    "shown": f"，群里只显示 {LONG_NAME}",
    "family": "，家人5位的代办解除",
    "body": "；户外；活不轻不重",
    "heat": "天热，带水、防晒。",
    "heading": "紧急·锦绣社区通知 1234567",
    "ask": "收到请回复 收到 1234567，或点 https://bot.example.com/r/" + "x" * 40,
    "categories": "，类别：双重管理、流动党员、独居老人",
    "begins": "22:00",
    "ends": "8:00",
    "own": "（自己定的）",
    "every": "双重管理12人、网格管理34人",
    "waits": f"\n请{LONG_NAME}确认后算数（1234567号），有结果我会告诉您。",
    "photos": "，照片12张",
    "earned": f"\n请{LONG_NAME}确认后算数（1234567号），有结果我会告诉您。",
    "who": LONG_NAME,
    "review": 1_234_567,
    "entries": 1_000,
    "year": 1_000,
    "taker": LONG_NAME,
    "one": "1 或 ",
    "two": "2 或 ",
    "hours": 24,
    "case": 1_234_567,
    "category": "其他",
    "demand": "体力活",
    "details": "\n内部说明：" + "工具柜在1栋门厅，密码 2580" * 5,
    "duty": "要做的：" + "疏通楼道下水，冬天看防冻" * 8 + "。",
    "held": 50,
    "holders": "；在岗：" + "、".join([LONG_NAME] * 4),
    "no": "不同意认领",
    "partner": LONG_NAME,
    "posts": "、".join([f"1234567号 {LONG_TITLE}（缺50人）"] * 6),
    "rest": LONG_TITLE,
    "state": "空位留到12月31日 周四 19:30，等您答复",
    "value": LONG_TITLE,
    "yes": "同意认领",
    "whom": f"（{LONG_NAME}替签）",
    "away": "，最近报了名没来10次",
    "activity": 128,
    "which": f"10月31日 {LONG_TITLE}、11月1日 {LONG_TITLE}、11月2日 {LONG_TITLE}",
    "span": "11月21日 周六 19:00 到 11月22日 周日 19:00",
    "queue": 128,
    "whose": f" {LONG_NAME} ",
    "audience": "年轻人",
    "parties": 128,
    "silent": 90_000,
    "opens": "11月21日 周六 19:00",
    "closes": "11月21日 周六 19:00",
    "opens_at": "11月21日 周六 19:00",
    "closes_at": "11月21日 周六 19:00",
    "again": "，以后每月最后一个周五都办",
    "command": "linli roll 1234567",
    "goes": "您不答复的话，12月31日 周四 19:30 我自己发到群里。",
    "head": f"「{LONG_TITLE}」12月31日 办好了，来了1000位邻居，服务 1000小时59分，另记荣誉时 1000小时59分",
    "last": "2027年12月",
    "numbers": "、".join(["1234567号"] * 5),
    "besides": "\n没来："
    + "、".join([LONG_NAME] * 12)
    + "。\n没找到："
    + "、".join([LONG_NAME] * 12)
    + "，请核对姓名再补。",
    "rule": "每月最后一个周五",
    "served": "，服务 1000小时59分，另记荣誉时 1000小时59分",
    "signed": "，已报 " + "、".join(["1234567号"] * 5),
    "thanks": "谢谢 " + "、".join([LONG_NAME] * 10) + "和各位邻居！",
    "vouched": "1000小时59分",
    "days": "12月31日、12月24日",
    "after": "第123栋第12单元12345",
    "back": 1_234_567,
    "accounts": 12,
    "then": "有没有空位，请发 活动 1000 看。",
    "version": "12",
    "acts": 1_234,
    "above_post": "锦绣江南国际花园第一社区书记",
    "before": LONG_NAME,
    "by": LONG_NAME,
    "code": "ACDE-FGHJ",
    "check_in": "；签到要现场照片",
    "way": "现场照片",
    "absent": "，报了名没到的1000位",
    "any": "（其中一样就行）",
    "came": "，23:59到的",
    "far": "12345.6公里",
    "kilometres": 12345.6,
    "metres": 999,
    "notes": "+50（欧阳娜娜·阿卜杜拉替签）",
    "proxy": LONG_NAME,
    "radius": 5000,
    "recorded": "，签到签退已经记了23小时59分",
    "ways": "一句话、签到码、照片、到场（5000米内）",
    "counts": "6个总支，21个支部，87个小组，227户，12个网格，99栋楼，300个单元，12支服务队",
    "fitting": "业委会主任",
    "joined": 1_000,
    "kind": "服务队",
    "leader": LONG_NAME,
    "new": "任期到2027年12月31日",
    "old": "，任期到2027年12月31日",
    "parent": "锦绣江南国际花园第一社区居民委员会",
    "people": "里面的1000位成员会退出，100个职务会结束。",
    "post": "锦绣江南国际花园第一社区书记",
    "residents": 1_000,
    "roles": "、".join(["第二党支部书记，任期到2027年12月31日"] * 6),
    "since": "2026年11月",
    "term": "，任期到2027年12月31日",
    "terms": "、".join(["第二党支部书记 欧阳娜娜（2027年12月31日）"] * 6),
    "units": 1_000,
    "until": "2027年12月",
    "again_at": "12月31日 周四 19:30",
    "all": 1_000,
    "broadcast": 1_234_567,
    "corrects": 1_234_567,
    "done": 1_000,
    "due_at": "12月31日 周四 19:30",
    "failed": 1_000,
    "group": "锦绣江南国际花园第一社区居民群",
    "homes": 1_000,
    "marks": "（每月最后一个周五18点，12月31日 周四 19:30，紧急，要回执，没回的自动催，要第二个人点头）",
    "said": "每月最后一个周五18点",
    "target": "、".join(["第二党支部党员"] * 6),
    "address": "wrOgQhDgAAMYQiS5ol9G7gK9JVAAAA",
    "amount": 1_234_567,
    "appeals": 12,
    "balance": 1_234_567,
    "base": 1000,
    "bot": "邻里小助手",
    "building": "第123栋",
    "caps": "；一天最多10000分；一月最多100000分",
    "change": -1_234_567,
    "check_ins": 1_000,
    "choices": THREE,
    "coming": "已有1000人报名，我会逐个通知",
    "community": "锦绣江南国际花园第一社区居民委员会",
    "consent": "没有记录",
    "count": 1_000,
    "day": "12月31日",
    "doubled": "，重复的签到退了12次",
    "end": 23,
    "entry": 1_234_567,
    "festival": "；节日当天按500%",
    "first": "锦绣江南国际花园第一社区居民委员会",
    "gist": "参加活动，可以带同伴",
    "giver": LONG_NAME,
    "here": "\n您的签到还算数，走的时候发一声 签退。",
    "home": "\n您签过到，我已帮您签退，记服务时长 23小时59分，积分+1000。",
    "index": 3,
    "keeper": f"{LONG_NAME}（12栋2单元1501，1234567分，1234次）",
    "left": 1_000,
    "lives": "第二党支部12栋2单元1501",
    "line": LONG_TITLE,
    "lines": "17号 3栋1单元201（账号1个）\n230号 5栋1单元201（账号1个）",
    "looks": 1_000,
    "member": LONG_NAME,
    "message_id": "abcdefghijkl",
    "mine": " ✓已报名",
    "minutes": "23小时59分",
    "more": "更早的请发 积分明细 1234567。",
    "month": -1_234_567,
    "most": 10_000,
    "name": LONG_NAME,
    "named": "、".join([f"1234567号 {LONG_TITLE}"] * 3),
    "names": "、".join(["锦绣江南国际花园第一社区居民委员会"] * 3),
    "next": "您在候补第1000位（共51人），有空位我会告诉您。",
    "night": "；晚上20点到6点按500%",
    "note": LONG_TITLE,
    "number": 1_234_567,
    "oldest": 1_234_567,
    "other": f"{LONG_NAME}（12栋2单元1501，1234567分，1234次）",
    "others": "、".join(["积分排行榜"] * 4),
    "party": "（共51人）",
    "per_hour": "，满一小时再加1000分",
    "percent": 500,
    "period": "本季",
    "phone": "手机13800138000",
    "place": "中心花园东门健身广场旁社区文化活动中心二楼",
    "places": 12,
    "points": 1_234_567,
    "quota": "1000人",
    "reason": "帮助独居老人修理路灯并清理楼道杂物" * 3,
    "role": "社区工作人员",
    "room": "1203",
    "scope": " 第二党支部",
    "seats": "（还剩1000个名额）",
    "signups": 1_000,
    "spoken": "1000小时59分",
    "start": 20,
    "taken": 1_000,
    "text": LONG_TITLE,
    "time": "23:59",
    "title": LONG_TITLE,
    "told": f"姓名 {LONG_NAME}，住址 第123栋第12单元12345，手机 13800001234，党员",
    "topic": "一个很长很长的没人听说过的题目名",
    "instead": "请看社区门口的值班表，或问楼长",
    "unit": "第二党支部",
    "url": "https://bot.example.com/files/" + "x" * 32,
    "usage": "发布活动 周六9点 清洁家园 中心花园 20人 5分",
    "verb": "积分明细",
    "verbs": "、".join(["积分明细"] * 12),
    "viewer": LONG_NAME,
    "waiting": 1_000,
    "what": "加分（" + "帮助独居老人修理路灯并清理楼道杂物" * 3 + "）",
    "when": "12月31日 周四 19:30 至 1月1日 周五 19:30",
    "word": "一个没人听说过的签到方式",
    "where": "地点：中心花园东门健身广场旁社区文化活动中心二楼；",
    "why": "，原因：" + "大风蓝色预警" * 10,
}
"""For each field of a sentence the longest that is plausible; only `choices` has lines of its own."""


def test_the_texts_of_the_features_and_of_the_dispatcher_are_all_known() -> None:
    features = {name.partition(".")[0] for name in Texts.every}
    assert features == {router.feature for router in UNDERSTOOD} | {bot.dispatch.say.feature}


@pytest.mark.parametrize("name", sorted(Texts.every))
def test_every_sentence_fits_into_four_lines_with_long_values(name: str) -> None:
    sentence = Texts.every[name]
    fields = [field for _, field, _, _ in string.Formatter().parse(sentence) if field]
    # Three choices in lines of their own, beneath a question.
    text = sentence.format(**{field: VALUES[field] for field in fields})
    assert text.count("\n") < LINES, text


@pytest.mark.parametrize(
    "refusals",
    [COMMON_REFUSALS, *(router.refusals for router in FEATURES)],
    ids=["common", *(router.feature for router in FEATURES)],
)
def test_every_refusal_fits_into_four_lines_with_long_values(refusals: Any) -> None:
    for sentence in refusals.values():
        fields = [field for _, field, _, _ in string.Formatter().parse(sentence) if field]
        values = VALUES | {"at": VALUES["when"], "opens_at": VALUES["when"], "starts_at": VALUES["when"]}
        values["ends_at"] = VALUES["when"]
        text = sentence.format(**{field: values[field] for field in fields})
        assert text.count("\n") < LINES, text


def test_every_refusal_of_the_models_has_a_sentence() -> None:
    """A refusal without words would be an apology for a bug."""
    import models.activities
    import models.check_in
    import models.directory
    import models.ledger
    import models.members
    import models.organisation
    import models.points
    import models.posts
    import models.reports
    import models.roll
    import models.roster
    import models.series
    import models.tree
    import models.units
    from models.base import Refusal

    spoken = {*COMMON_REFUSALS, *(kind for router in FEATURES for kind in router.refusals)}
    never_said = {
        models.ledger.AlreadyCorrected,  # what is corrected twice is left as it is
        models.members.AboveOneself,
    }
    known = {
        kind
        for module in (
            models.activities,
            models.check_in,
            models.directory,
            models.ledger,
            models.members,
            models.organisation,
            models.points,
            models.posts,
            models.reports,
            models.roll,
            models.series,
            models.tree,
            models.roster,
            models.units,
        )
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Refusal) and kind is not Refusal
    }
    assert {kind.__name__ for kind in known - spoken - never_said} == set()
