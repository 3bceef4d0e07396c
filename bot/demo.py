"""The demo community 锦绣社区: one database full of people, groups and things going on, relative to a moment.

Built through the same actions that the chat uses, so that its books balance and `linli verify` holds.
"""

import random
import zlib
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from handlers.language.surroundings import OpenObject
from models import activities, broadcast, check_in, counters, duties, organisation, points, posts, series
from models.categories import give
from models.clock import at, day_of
from models.directory import CommunityHere, add_community, add_endpoint, add_group
from models.members import (
    LEADING,
    Role,
    Settings,
    Standing,
    add_identity,
    add_member,
    answer_statement,
    give_role,
    member_by_id,
)
from models.reach import Reach
from models.recurrence import CODES
from models.units import UnitHere, UnitKind, add_unit

CHANNEL = NAMESPACE = "simulator"
DEMO_SLUG = "jinxiu"
"""No community of an operator's own has it: theirs is the community's name."""
SEED = 20261117
GENERATED = 300
NEW_CHAT = "新建的群"
"""A chat that is bound to nothing yet, to try 绑定群 in."""


@dataclass(frozen=True, slots=True)
class Cast:
    """One of the people with a name in the stories. `home` is a door, `room` a room number."""

    name: str
    home: str
    room: str
    standing: Standing = Standing.RESIDENT
    role: Role | None = None
    scope: str = ""
    """The unit for which the role holds; empty for the whole community."""
    born: str = ""


PARTY = Standing.PARTY_MEMBER
CAST = (
    Cast("张敏", "1栋1单元", "101", PARTY, Role.SECRETARY),
    Cast("王秀英", "3栋2单元", "501"),
    Cast("老赵", "3栋1单元", "301", PARTY, Role.BUILDING_LEAD, "3栋"),
    Cast("刘洋", "9栋1单元", "102", Standing.RESIDENT, Role.PROPERTY, "锦绣物业"),
    Cast("李建国", "3栋1单元", "402", PARTY),
    Cast("孙丽", "5栋1单元", "201", PARTY, Role.STAFF),
    Cast("赵强", "2栋2单元", "602", PARTY),
    Cast("周敏", "4栋1单元", "302", PARTY, Role.BRANCH_SECRETARY, "第二党支部"),
    Cast("何叔", "6栋1单元", "103", PARTY, born="1951"),
    Cast("何婶", "6栋1单元", "103", PARTY, born="1953"),
    Cast("小吴", "7栋2单元", "401", PARTY),
    Cast("陈美玲", "3栋2单元", "202"),
    Cast("老魏", "8栋1单元", "501", born="1946-1956"),
    Cast("孙姐", "5栋2单元", "303"),
    Cast("陈阿姨", "3栋2单元", "502"),
)
"""The main cast, in the order in which the simulator offers their chairs."""

GROUPS = (
    ("3栋群", "3栋"),
    ("党员群", "锦绣社区党总支"),
    ("5栋群", "5栋"),
    ("物业群", "锦绣物业"),
    ("社区大群", ""),
)

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
GIVEN = [
    "秀兰",
    "桂英",
    "建华",
    "建军",
    "志强",
    "玉梅",
    "红梅",
    "丽华",
    "国强",
    "卫东",
    "淑珍",
    "春梅",
    "海燕",
    "晓红",
    "志明",
    "文华",
    "小平",
    "玉兰",
    "德福",
    "金凤",
    "永强",
    "凤英",
    "桂兰",
    "立新",
    "爱华",
    "永红",
    "宝珍",
    "云霞",
    "雪梅",
    "长青",
    "福生",
    "秋菊",
    "春生",
    "彩霞",
    "兰芳",
    "耀东",
    "守义",
    "家兴",
    "思远",
    "雨桐",
]


def build_demo(session: Session, now: datetime) -> CommunityHere:
    """Builds the community in an empty, migrated database, as it stands at `now`."""
    founded = now - timedelta(days=400)
    community = add_community(session, slug=DEMO_SLUG, name="锦绣社区", bot_name="小邻", now=founded)
    units = _units(session, community, founded)
    people = _people(session, community, units, founded)
    _organisation(session, community, units, people, now)
    _classes(session, community, people, founded)
    for name, unit in GROUPS:
        group_id = add_group(
            session, community_id=community.id, unit=units[unit or community.name], name=name, now=founded
        )
        add_endpoint(
            session,
            community_id=community.id,
            group_id=group_id,
            channel=CHANNEL,
            address=name,
            now=founded,
        )
    for kind, rule in (
        ("activity", points.Rule(2, 1, 0, 0, 100, 20, 6, 200)),
        ("duty", points.Rule(1, 0, 0, 0, 100, 20, 6, 200)),
    ):
        points.set_rule(session, community_id=community.id, kind=kind, rule=rule, since=founded)
    root = units[community.name]
    _past(session, community, root, people, now)
    _coming(session, community, root, people, now)
    _posts(session, community, units, people, now)
    _announced(session, community, units, people, now)
    _duties(session, community, people, now)
    return community


def _units(session: Session, community: CommunityHere, now: datetime) -> dict[str, UnitHere]:
    def add(parent: UnitHere | None, kind: UnitKind, name: str) -> UnitHere:
        return add_unit(session, community_id=community.id, parent=parent, kind=kind, name=name, now=now)

    root = add(None, UnitKind.COMMUNITY, community.name)
    units = {community.name: root}
    for number in range(1, 10):
        if number == GRID_FROM:
            units["东区网格"] = add(root, UnitKind.GRID, "东区网格")
        above = units["东区网格"] if number >= GRID_FROM else root
        building = units[f"{number}栋"] = add(above, UnitKind.BUILDING, f"{number}栋")
        for door in (1, 2):
            units[f"{number}栋{door}单元"] = add(building, UnitKind.DOOR, f"{door}单元")
    committee = units["锦绣社区党总支"] = add(root, UnitKind.PARTY_COMMITTEE, "锦绣社区党总支")
    for index, ordinal in enumerate("一二三"):
        branch = units[f"第{ordinal}党支部"] = add(committee, UnitKind.BUILDING_BRANCH, f"第{ordinal}党支部")
        for number in range(index * 3 + 1, index * 3 + 4):
            group = add(branch, UnitKind.DOOR_GROUP, f"{number}栋党小组")
            units[group.name] = group
            units[f"{number}栋中心户"] = add(group, UnitKind.HOST_HOUSEHOLD, f"{number}栋中心户")
    units["锦绣物业"] = add(root, UnitKind.PROPERTY_FIRM, "锦绣物业")
    units["邻里理事会"] = add(root, UnitKind.COUNCIL, "邻里理事会")
    units["锦绣业委会"] = add(root, UnitKind.OWNERS_COMMITTEE, "锦绣业委会")
    for team in ("红马甲服务队", "银龄巡逻队"):
        units[team] = add(root, UnitKind.SERVICE_TEAM, team)
    return units


def _organisation(
    session: Session, community: CommunityHere, units: dict[str, UnitHere], people: dict[str, int], now: datetime
) -> None:
    """Who belongs to which branch, group and team, and who leads them; nobody of the stories gets a rank by it."""
    founded = now - timedelta(days=400)

    def join(unit: str, name: str) -> None:
        member = member_by_id(session, community_id=community.id, member_id=people[name])
        organisation.join_unit(
            session, community_id=community.id, by=None, unit=units[unit], member=member, now=founded
        )

    def lead(unit: str, name: str, since: datetime = founded, until: datetime | None = None) -> None:
        role = LEADING[units[unit].kind]
        give_role(
            session, community_id=community.id, member_id=people[name], role=role, unit=units[unit], now=since, by=None,
            until=until, leads=True,
        )  # fmt: skip

    main = {one.name for one in CAST}
    for index, branch in enumerate(("第一党支部", "第二党支部", "第三党支部")):
        free: list[str] = []
        for number in range(index * 3 + 1, index * 3 + 4):
            party = [
                one.name
                for one in organisation.people_below(
                    session, community_id=community.id, unit=units[f"{number}栋"], party_only=True
                )
            ]
            for name in party:
                join(branch, name)
                join(f"{number}栋党小组", name)
            others = [name for name in party if name not in main]
            lead(f"{number}栋党小组", others[0])
            if number != LEADERLESS:
                lead(f"{number}栋中心户", "李建国" if number == 3 else others[1])
            free += others[2:]
        if branch != "第二党支部":
            changed = now - timedelta(days=200)
            lead(branch, free[0], until=changed)
            lead(branch, free[1], changed, at(day_of(now).replace(year=day_of(now).year + 2, month=1, day=1), 0))
    lead("锦绣社区党总支", "张敏")
    lead("东区网格", "孙丽")
    generated = [name for name in people if name not in main]
    beside = {
        "红马甲服务队": ["王秀英", "陈美玲", "何婶", "小吴", *generated[:12]],
        "银龄巡逻队": ["何叔", "老魏", *generated[12:20]],
        "邻里理事会": ["老魏", "孙姐", *generated[20:25]],
        "锦绣业委会": generated[25:30],
        "锦绣物业": ["刘洋"],
    }
    for unit, names in beside.items():
        for name in names:
            join(unit, name)
        if unit != "锦绣物业":
            lead(unit, names[-1])


CATEGORIES = {
    "李建国": ("双重管理", "在职党员"),
    "周敏": ("共同管理", "在职党员"),
    "赵强": ("网格管理", "固定党员"),
    "何叔": ("网格管理", "固定党员"),
    "何婶": ("网格管理", "固定党员"),
    "小吴": ("动态管理", "流动党员"),
    "陈阿姨": ("独居老人",),
    "老魏": ("独居老人",),
    "孙姐": ("低保户",),
}
"""What some of the main cast are besides."""


def _classes(session: Session, community: CommunityHere, people: dict[str, int], now: datetime) -> None:
    standing = {one.name: one.standing for one in CAST}
    for name, theirs in CATEGORIES.items():
        for category in theirs:
            give(
                session,
                community_id=community.id,
                member_id=people[name],
                name=name,
                standing=standing[name],
                category=category,
                by=None,
                now=now,
            )


GRID_FROM = 7
"""The first of the buildings that form the eastern grid."""
LEADERLESS = 9
"""The building whose host household is vacant, so that the monthly list has something to say."""


def _people(session: Session, community: CommunityHere, units: dict[str, UnitHere], now: datetime) -> dict[str, int]:
    people: dict[str, int] = {}
    for one in CAST:
        people[one.name] = _add(session, community, one.name, units[one.home], one.room, one.standing, now, one.born)
        if one.role is not None:
            give_role(
                session,
                community_id=community.id,
                member_id=people[one.name],
                role=one.role,
                unit=units[one.scope or community.name],
                now=now,
                by=None,
            )
    chance = random.Random(SEED)
    doors = [unit for unit in units.values() if unit.kind is UnitKind.DOOR]
    while len(people) < len(CAST) + GENERATED:
        name = chance.choice(SURNAMES) + chance.choice(GIVEN)
        if name in people:
            continue
        standing = PARTY if chance.random() < 0.2 else Standing.RESIDENT
        room = f"{chance.randint(1, 6)}0{chance.randint(1, 4)}"
        people[name] = _add(session, community, name, chance.choice(doors), room, standing, now, "")
    # 张三 is on the roster and has not bound an account yet: whoever sits on the stranger's chair, and knows his room
    # and the last digits of his phone, can become him.
    add_member(
        session,
        community_id=community.id,
        name="张三",
        unit=units["3栋1单元"],
        room="201",
        phone="13800001234",
        now=now,
    )
    return people


def _add(
    session: Session,
    community: CommunityHere,
    name: str,
    unit: UnitHere,
    room: str,
    standing: Standing,
    now: datetime,
    born: str,
) -> int:
    member_id = add_member(
        session,
        community_id=community.id,
        name=name,
        unit=unit,
        now=now,
        standing=standing,
        room=room,
        born=born,
        phone=f"1390000{zlib.crc32(name.encode()) % 10_000:04d}",
    )
    add_identity(
        session, community_id=community.id, member_id=member_id, namespace=NAMESPACE, external_id=name, now=now
    )
    # They have been with us for a while: nobody is asked again.
    answer_statement(
        session,
        community_id=community.id,
        member_id=member_id,
        version=Settings().consent_version,
        agreed=True,
        now=now,
    )
    return member_id


PAST = (
    ("清洁家园", "中心花园", 62, 5),
    ("义诊", "活动室", 48, 3),
    ("反诈宣传", "1栋门厅", 41, 3),
    ("楼道清理", "各单元", 33, 4),
    ("敬老午餐", "活动室", 26, 5),
    ("文明养犬宣传", "小区北门", 19, 3),
    ("清洁家园", "中心花园", 12, 5),
    ("消防演练", "地下车库", 6, 4),
)
"""Title, place, days ago, points."""


def _past(session: Session, community: CommunityHere, root: UnitHere, people: dict[str, int], now: datetime) -> None:
    chance = random.Random(SEED + 1)
    members = list(people.values())
    counters.start_after(session, community_id=community.id, kind="activity", last=3)
    for title, place, days, earned in PAST:
        starts_at = at(day_of(now - timedelta(days=days)), 9)
        activity = activities.publish_activity(
            session,
            community_id=community.id,
            unit=root,
            title=title,
            place=place,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=2),
            quota=None,
            points=earned,
            made_by=people["张敏"],
            now=starts_at - timedelta(days=7),
            check_in_opens_minutes=30,
        )
        for member_id in chance.sample(members, chance.randint(20, 45)):
            came = starts_at + timedelta(minutes=chance.randint(-20, 20))
            coming = check_in.find_coming(session, community_id=community.id, number=activity.number, now=came)
            assert coming is not None
            check_in.check_in(session, coming=coming, member_id=member_id, made_by=member_id, now=came)
            left = activity.ends_at - timedelta(minutes=chance.randint(0, 40))
            check_in.check_out(session, coming=coming, member_id=member_id, made_by=member_id, now=left)


def _monthly(day: date) -> str:
    """The same Sunday of every month: the second, the fourth; where there are five, the last."""
    place = (day.day - 1) // 7 + 1
    return f"FREQ=MONTHLY;BYDAY={place if place < 5 else -1}{CODES[day.weekday()]}"


def _coming(session: Session, community: CommunityHere, root: UnitHere, people: dict[str, int], now: datetime) -> None:
    saturday = day_of(now) + timedelta(days=(5 - day_of(now).weekday()) % 7)
    if at(saturday, 9) <= now:
        saturday += timedelta(days=7)
    sunday = saturday + timedelta(days=1)
    published = now - timedelta(days=2)
    made = [
        activities.publish_activity(
            session,
            community_id=community.id,
            unit=root,
            title=title,
            place=place,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=2),
            quota=quota,
            points=earned,
            made_by=people["张敏"],
            now=published,
            check_in_opens_minutes=30,
        )
        for title, place, starts_at, quota, earned in (
            ("清洁家园", "中心花园", at(saturday, 9), 20, 5),
            ("义诊", "活动室", at(sunday, 9), 30, 3),
            ("反诈宣传", "1栋门厅", at(sunday, 14, 30), None, 3),
        )
    ]
    # The doctors come every month.
    series.start_series(session, first=made[1], rule=_monthly(sunday), made_by=people["张敏"], now=published)
    # At the last one a photo is welcome, and a word is enough.
    either = check_in.Terms((check_in.Way.WORD, check_in.Way.PHOTO))
    check_in.set_terms(session, activity=made[-1], terms=either, by=people["张敏"], now=published)
    for name, companions in (("何叔", 1), ("小吴", 0), ("陈美玲", 2), ("赵强", 0)):
        activities.sign_up(
            session,
            activity=made[0],
            member_id=people[name],
            companions=companions,
            made_by=people[name],
            now=published + timedelta(hours=3),
            companions_max=5,
        )
    activities.decline(
        session,
        activity=made[0],
        member_id=people["周敏"],
        by=people["周敏"],
        now=published + timedelta(hours=4),
    )


POSTS: tuple[tuple[posts.Plan, str, str, tuple[str, ...]], ...] = (
    (
        posts.Plan(
            "治安巡逻岗", "巡逻", 2, place="小区各处", duty="晚上在小区里转两圈，看看门锁和灯", frequency="每周两次",
            points=2,
        ),
        "孙丽", "银龄巡逻队", ("何叔",),
    ),
    (
        posts.Plan(
            "环保护绿岗", "环保", 3, place="中心花园", duty="捡拾垃圾，给花浇水", frequency="每周一次", points=2,
            demand=posts.Demand.LIGHT,
        ),
        "", "红马甲服务队", ("小吴",),
    ),
    (
        posts.Plan(
            "门栋关照岗", "关照", 2, place="各门栋", duty="给独居的老人敲敲门、打个电话",
            frequency="每周两次", points=2,
            demand=posts.Demand.LIGHT, confirms=True,
        ),
        "老赵", "", ("陈美玲", "何婶"),
    ),
    (
        posts.Plan(
            "邻里纠纷调解岗", "调解", 2, place="活动室", duty="坐下来听两家说，帮着想办法",
            frequency="有事随叫", points=3,
            demand=posts.Demand.LIGHT, claiming=posts.Claiming.APPROVAL,
        ),
        "", "", ("老魏",),
    ),
    (
        posts.Plan(
            "下水道维修岗", "维修", 1, place="各单元", duty="疏通楼道下水，冬天看防冻", frequency="有事随叫", points=3,
            demand=posts.Demand.HEAVY, details="工具柜在1栋门厅，密码 2580",
        ),
        "", "", (),
    ),
)  # fmt: skip
"""Each post with its leader, its squad and its holders; their term ends with the year."""


def _posts(
    session: Session, community: CommunityHere, units: dict[str, UnitHere], people: dict[str, int], now: datetime
) -> None:
    counters.start_after(session, community_id=community.id, kind="post", last=2)
    published = now - timedelta(days=90)
    ends_at = at(day_of(now + timedelta(days=30)).replace(month=12, day=31) + timedelta(days=1), 0)
    for plan, leader, squad, holders in POSTS:
        post = posts.publish_post(
            session,
            community_id=community.id,
            unit=units[community.name],
            plan=replace(
                plan,
                term_ends_at=ends_at,
                leader_id=people[leader] if leader else None,
                squad_id=units[squad].id if squad else None,
            ),
            made_by=people["张敏"],
            now=published,
        )
        for name in holders:
            posts.hold(session, post=post, member_id=people[name], by=people[name], now=published + timedelta(days=70))


DUTIES = (
    (4, "小吴", 18, "浇了花，捡了两袋垃圾"),
    (6, "老魏", 17, "2栋两家为了鞋柜，说开了"),
    (6, "老魏", 6, "陪楼上楼下坐了一晚，装了地垫"),
)
"""Post, holder, days ago, what was done."""


def _duties(session: Session, community: CommunityHere, people: dict[str, int], now: datetime) -> None:
    for number, name, days, note in DUTIES:
        then = at(day_of(now - timedelta(days=days)), 18)
        duties.log_duty(
            session,
            post=posts.find_post(session, community_id=community.id, number=number),
            member_id=people[name],
            done=day_of(then),
            note=note,
            minutes=0,
            now=then,
            settings=duties.Settings(),
        )


def _announced(
    session: Session, community: CommunityHere, units: dict[str, UnitHere], people: dict[str, int], now: datetime
) -> None:
    """A water cut for 3栋, of yesterday; some have said 收到."""
    counters.start_after(session, community_id=community.id, kind="broadcast", last=6)
    settings, sent = broadcast.Settings(), now - timedelta(hours=26)
    draft = broadcast.Draft(
        parts=(broadcast.Part(units["3栋"]),), target="3栋", title="停水通知",
        body="停水通知：周四早8点到10点清洗水箱，请提前存水", wants_receipts=True,
    )  # fmt: skip
    notice = broadcast.write_broadcast(
        session, community_id=community.id, draft=draft, unit=units[community.name], made_by=people["张敏"], now=sent,
        settings=settings,
    )  # fmt: skip
    # Nothing of the past goes out when the demo begins: somebody has copied it into the group.
    reach = Reach(everything=frozenset((CHANNEL,)))
    plan = broadcast.plan(session, community_id=community.id, parts=draft.parts, target="3栋", reach=reach, now=sent)
    wording = broadcast.Wording(lambda group: "", lambda member_id: "")
    notice = broadcast.send(
        session, notice=notice, plan=plan, wording=wording, reach=reach, now=sent, settings=settings
    )
    broadcast.copied_by_hand(
        session, notice=notice, copies=broadcast.copies_of(session, notice), by=people["张敏"], now=sent,
        settings=settings,
    )  # fmt: skip
    notice = broadcast.find_broadcast(session, community_id=community.id, number=notice.number)
    for minutes, name in enumerate(("李建国", "陈美玲", "老赵"), 1):
        broadcast.acknowledge(
            session, notice=notice, member_id=people[name], way=broadcast.Way.OWN, made_by=people[name],
            now=sent + timedelta(minutes=7 * minutes),
        )  # fmt: skip


# -- what is to come ----------------------------------------

TALK = frozenset(("topic_list", "close_topic"))
PROMISED = (
    OpenObject("topic", 5, "停车怎么管", allows=TALK | {"topic_speak", "topic_like"}),
    OpenObject("topic", 6, "电动车充电桩", allows=TALK),
    OpenObject("issue", 1024, "3栋路灯"),
    OpenObject("issue", 1031, "电梯"),
    OpenObject("wish", 4, "轮椅"),
    OpenObject("wish", 9, "旧书"),
    OpenObject("survey", 2, "问卷"),
    OpenObject("poll", 3, "加装电梯", choices=("同意", "反对", "弃权")),
    OpenObject("swap", 11, "孙丽换班"),
    *(OpenObject("goods", number, name) for number, name in enumerate(("洗衣液", "抽纸", "大米", "电影票",
        "食用油"), 1)),
    *(OpenObject("venue", number, name) for number, name in enumerate(("活动室", "中心花园"), 1)),
    OpenObject("rota", 1, "服务岗"),
)  # fmt: skip
"""What the demo community will have once the features are there.

`linli understand` knows it, so that sentences can be understood before their features are there. A feature that comes
takes its lines away and builds its things in `build_demo`."""
