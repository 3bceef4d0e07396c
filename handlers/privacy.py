"""我的资料 and 注销: what is held about me, who has looked at it, and how to be forgotten.

王秀英（3栋群）: @小邻 我的资料
小邻: 已私信您。
小邻 → 王秀英: 王秀英，3栋2单元501，手机13900005849；账号1个，职务：居民。
      报名0次，签到3次，岗位0个，积分16分；同意书：第2版已同意。
      别人看过您的资料0次，是谁请发 谁看过我。
      要一份完整的请发 导出我的资料，不想留了请发 注销。
陈美玲: 注销
小邻: 注销以后，您的姓名、手机、房号、照片、账号（1个）和职务（0个）都删掉，报好名的1次让给别人，岗位1个空出来。
      积分流水只留编号，剩下的15分不能再用。删了找不回来。
      想先留一份请发 导出我的资料。确定注销请回复 确认。
陈美玲: 确认
小邻: 已经注销，您的姓名、手机和房号都删掉了。
      谢谢您为邻里做过的事，多保重！
小邻 → 老赵: 一位邻居 退出了 5号「门栋关照岗」，现在缺1人。
"""

from handlers.chat import Answer, Ask, Router, Texts, Turn
from handlers.language.births import spoken_birth
from handlers.shared.places import tell_promoted
from handlers.shared.posts import tell_post_left
from models import files, forgetting, records
from models.absences import absences_of
from models.clock import spoken
from models.forgetting import OnlySecretary
from models.ledger import Currency, balance_of
from models.members import Role, masked
from models.privacy import Look, Private, looks_at

say = Texts(
    "privacy",
    mine="{name}，{lives}，{phone}{born}{shown}；账号{accounts}个，职务：{roles}{categories}。\n"
    "报名{signups}次，签到{check_ins}次{away}，岗位{posts}个，积分{balance}分；同意书：{consent}。\n"
    "别人看过您的资料{looks}次，是谁请发 谁看过我。\n"
    "要一份完整的请发 导出我的资料，不想留了请发 注销。",
    categories="，类别：{names}",
    away="，最近报了名没来{count}次",
    phone="手机{phone}",
    no_phone="没有登记手机",
    born="，出生年份{born}",
    shown="，群里只显示 {name}",
    consent_given="第{version}版已同意",
    consent_none="没有记录",
    link="这是您的全部资料：\n{url}\n一小时内有效，只能取一次。里面有您的手机和房号，请不要转给别人。",
    no_link="您的资料要到社区来取：请带上证件找社区工作人员，他们能当场给您一份。",
    looks_none="没有人看过您的手机、房号或积分明细。",
    look="{when} {viewer} 看过您的{what}",
    look_list="{when} {viewer} 看过一份名单，里面有您的{what}",
    looks_more="一共{count}次，全部的在 导出我的资料 里。",
    operator="管理员（在服务器上）",
    what_phone="手机",
    what_room="房号",
    what_standing="政治面貌",
    what_category="类别",
    what_statement="积分明细",
    what_details="岗位内部说明",
    what_records="全部资料",
    ask="注销以后，您的姓名、手机、房号、照片、账号（{accounts}个）和职务（{roles}个）都删掉，"
    "报好名的{places}次让给别人{posts}{family}。\n"
    "积分流水只留编号，剩下的{balance}分不能再用。删了找不回来。\n"
    "想先留一份请发 导出我的资料。确定注销请回复 确认。",
    ask_posts="，岗位{count}个空出来",
    ask_family="，家人{count}位的代办解除",
    forgotten="已经注销，您的姓名、手机和房号都删掉了。\n谢谢您为邻里做过的事，多保重！",
    role_resident="居民",
    role_member="党员",
    role_property="物业",
    role_owners_committee="业委会",
    role_building_lead="楼长",
    role_group_leader="党小组长",
    role_branch_secretary="支部书记",
    role_staff="社工",
    role_secretary="社区书记",
    role_admin="管理员",
)

router = Router(
    "privacy",
    {OnlySecretary: "社区只有您一位书记，请先把书记的职务交给别的同志，再来注销。"},
)

SHOWN = 3
"""Looks in one answer; a fourth line says how many there were."""

RECORDS = "my_records"
"""The kind of file that 导出我的资料 orders."""


def role_name(role: str) -> str:
    """What people call a role."""
    return say(f"role_{Role(role)}")


def private_name(what: str) -> str:
    """What people call a kind of private data."""
    return say(f"what_{Private(what)}")


@router.command(
    "my_records",
    "我的资料",
    "我的个人信息",
    "我的档案",
    private=True,
    overheard=False,
    needs_consent=False,
    usage="我的资料",
    gist="看看登记了我的什么",
)
def my_records(turn: Turn) -> Answer:
    held = records.summary_of(turn.session, community_id=turn.community.id, member_id=turn.who.id, now=turn.now)
    return say(
        "mine",
        name=turn.who.name,
        lives=f"{held.unit}{held.room}",
        phone=say("phone", phone=held.phone) if held.phone else say("no_phone"),
        born=say("born", born=spoken_birth(held.born)) if held.born else "",
        shown=say("shown", name=masked(turn.who.name)) if turn.who.hides_name else "",
        accounts=held.accounts,
        roles="、".join(map(role_name, held.roles or (Role.RESIDENT,))),
        categories=say("categories", names="、".join(held.categories)) if held.categories else "",
        signups=held.signups,
        check_ins=held.check_ins,
        posts=held.posts,
        away=_away(turn),
        balance=held.balance,
        consent=say("consent_given", version=held.consent) if held.consent else say("consent_none"),
        looks=held.looks,
    )


def _away(turn: Turn) -> str:
    """What makes the next sign-up wait for a word: nobody shall be surprised by it."""
    away = absences_of(
        turn.session,
        community_id=turn.community.id,
        member_id=turn.who.id,
        now=turn.now,
        days=turn.rules["activities"].absences_days,
    )
    return say("away", count=len(away)) if away else ""


@router.command(
    "export_records",
    "导出我的资料",
    "下载我的资料",
    direct=True,
    writes=True,
    overheard=False,
    needs_consent=False,
    usage="导出我的资料",
    gist="把登记的我的资料取一份走",
)
def export_records(turn: Turn) -> Answer:
    url = files.link(
        turn.session,
        public_url=turn.rules["http"].public_url,
        community_id=turn.community.id,
        member_id=turn.who.id,
        kind=RECORDS,
        now=turn.now,
    )
    if not url:
        return say("no_link")
    turn.wrote("export_records", turn.who.id)
    return say("link", url=url)


@router.command(
    "who_looked",
    "谁看过我",
    "谁看过我的资料",
    "谁查过我",
    private=True,
    overheard=False,
    needs_consent=False,
    usage="谁看过我",
    gist="谁看过我的手机和房号",
)
def who_looked(turn: Turn) -> Answer:
    looks = looks_at(turn.session, community_id=turn.community.id, member_id=turn.who.id)
    if not looks:
        return say("looks_none")
    lines = [_look(look) for look in looks[:SHOWN]]
    if len(looks) > SHOWN:
        lines.append(say("looks_more", count=len(looks)))
    return "\n".join(lines)


def _look(look: Look) -> str:
    what = "、".join(map(private_name, look.what))
    return say(
        "look_list" if look.whole_unit else "look",
        when=spoken(look.at),
        viewer=look.viewer or say("operator"),
        what=what,
    )


@router.command(
    "forget",
    "注销",
    "注销账号",
    "删除我的资料",
    direct=True,
    writes=True,
    overheard=False,
    needs_consent=False,
    usage="注销",
    gist="把登记的我的资料删掉",
)
def forget(turn: Turn) -> Answer:
    fields = {"community_id": turn.community.id, "member_id": turn.who.id}
    if not turn.confirmed:
        stake = forgetting.at_stake(turn.session, **fields, now=turn.now)
        balance = balance_of(turn.session, **fields, currency=Currency.POINTS)
        return Ask(_at_stake(stake, balance), minutes=30)
    gone = forgetting.forget(turn.session, **fields, by=turn.who.id, now=turn.now)
    turn.wrote("forget", turn.who.id)
    _tell_moved_up(turn, gone)
    return say("forgotten")


def _at_stake(stake: forgetting.Stake, balance: int) -> str:
    return say(
        "ask",
        accounts=stake.accounts,
        roles=stake.roles,
        places=stake.places,
        posts=say("ask_posts", count=stake.posts) if stake.posts else "",
        family=say("ask_family", count=stake.family) if stake.family else "",
        balance=balance,
    )


def _tell_moved_up(turn: Turn, gone: forgetting.Forgotten) -> None:
    """Tells those who got a place because somebody left everything."""
    for activity, moved in gone.promoted:
        tell_promoted(turn, activity, moved)
    tell_post_left(turn, gone.posts)
