"""关照: whoever is old and signs up for what may be hard hears so alone, and decides; an age is nobody else's business.

何婶: 出生年份 1950
小邻: 记下了，出生年份：1950。只有您和社区工作人员看得到，活动太热太累时我单独提醒您一句。
      不想留了请发 出生年份 不填。
张敏: 发布活动 周日14点 搬旧家具 3栋门口 6人 重活
小邻: 【搬旧家具】11月22日 周日 14:00-16:00
      地点：3栋门口；名额：6人；积分：按社区规则；力气活
      发布请回复 确认，不发回复 取消。
张敏: 确认
小邻: 已发布 15号活动「搬旧家具」11月22日 周日 14:00-16:00，3栋门口。
      想参加的邻居请发 报名 15。
何婶: 报名 15
小邻: 已给 何婶 报名「搬旧家具」，还剩5个名额。
      11月22日 周日 14:00，3栋门口。
      「搬旧家具」是力气活，您量力而行，别勉强。照样去请回复 照样报名，不去了回复 算了。
何婶: 照样报名
小邻: 好的，「搬旧家具」您照样去，位置留着。累了就歇，来不了请发 取消报名 15。
"""

from handlers.chat import Answer, Button, Reply, Router, Texts, Turn
from handlers.language.births import read_birth, spoken_birth
from handlers.language.slots import Kind, Slot
from handlers.shared.care import end_care
from models import care
from models.activities import find_activity, own_signup
from models.audit import Act
from models.clock import day_of

say = Texts(
    "care",
    goes="好的，「{title}」您照样去，位置留着。累了就歇，来不了请发 取消报名 {number}。",
    goes_not="您没有报「{title}」。要去请发 报名 {number}。",
    nothing_told="您报的活动没有要叮嘱的。看看报了哪些，请发 我的报名。",
    born_kept="记下了，出生年份：{born}。只有您和社区工作人员看得到，活动太热太累时我单独提醒您一句。\n"
    "不想留了请发 出生年份 不填。",
    born_held="您的出生年份：{born}。要改请发 出生年份 加年份，不想留了请发 出生年份 不填。",
    born_none="您没有填过出生年份，不填也行。想填请发 出生年份 1950，或 年龄段 70多岁。",
    born_gone="好的，出生年份不留了。",
    born_unclear="没看懂是哪一年，请这样发：出生年份 1950，或 年龄段 70多岁。",
    undone_born="已撤销，出生年份和原来一样。",
)

router = Router("care")


@router.command(
    "go_anyway",
    *("照样报名", "照样参加", "照样去", "还是要去", "照去", "我照样去", "不怕热", "不怕累"),
    slots=(Slot("activity", Kind.OBJECT, of="activity", chosen=False),),
    writes=True,
    # Who was told tells an age: said in a group, it is answered alone.
    private=True,
    overheard=False,
    rare=True,
    fillers=("活动", "那个活动", "我", "还", "也", "吧", "的", "报名", "参加"),
    usage="照样报名",
    gist="提醒过我天热活重，我照样去",
)
def go_anyway(turn: Turn) -> Answer:
    number = turn.slots.get("activity")
    if number is None:
        number = care.last_told(turn.session, community_id=turn.community.id, member_id=turn.who.id, now=turn.now)
    if number is None:
        return say("nothing_told")
    activity = find_activity(turn.session, community_id=turn.community.id, number=number)
    fields = {"title": activity.title, "number": activity.number}
    if own_signup(turn.session, activity=activity, member_id=turn.who.id) is None:
        return Reply(say("goes_not", **fields), activity.ref, (Button("报名", f"报名 {number}"),))
    end_care(turn, activity)
    return Reply(say("goes", **fields), ref=activity.ref)


def _undo_born(turn: Turn, act: Act) -> str:
    care.tell_birth(turn.session, community_id=turn.community.id, member_id=turn.who.id, born=act.detail["before"])
    return say("undone_born")


@router.command(
    "tell_birth",
    *("出生年份", "我的出生年份", "出生年", "我的出生年", "出生年月", "我的年龄", "年龄段", "我的年龄段", "登记年龄"),
    slots=(Slot("born", Kind.TEXT),),
    direct=True,
    writes=True,
    overheard=False,
    confidential=True,
    rare=True,
    fillers=("我的", "我", "是", "改成", "改为"),
    usage="出生年份 1950",
    gist="告诉我哪年出生，活动太热太累时单独提醒；可以不填",
    undo={"tell_birth": _undo_born},
)
def tell_birth(turn: Turn) -> Answer:
    member = {"community_id": turn.community.id, "member_id": turn.who.id}
    typed = turn.slots.get("born", "").strip(" :,!.")
    if not typed:
        held = care.born_in(turn.session, **member)
        return say("born_held", born=spoken_birth(held)) if held else say("born_none")
    born = read_birth(typed, day_of(turn.now).year)
    if born is None:
        return say("born_unclear")
    before = care.tell_birth(turn.session, **member, born=born)
    if born != before:
        turn.wrote("tell_birth", turn.who.id, before=before)
    return say("born_kept", born=spoken_birth(born)) if born else say("born_gone")
