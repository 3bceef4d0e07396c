"""我的资料, 注销 and what is kept no longer: a person is shown what is held, and forgotten wherever they stand."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from bot.books import Books
from bot.script import Push
from models import audit, forgetting, inbox, ledger, outbox, privacy
from models.base import Base
from models.directory import Identity
from models.forgetting import KEYS, LEFT_ALONE, Erasure, Words, fields_of_words
from models.inbox import Inbox, Trouble
from models.ledger import Balance, Currency, Transfer
from models.members import Member, Registration, Role, add_identity, add_member
from models.members.detaching import Detachment
from models.members.family import FamilyTie
from models.members.people import FORGOTTEN
from models.outbox import Attempt, AttemptItem, Outbox
from models.privacy import Private, Settings, let_go, let_go_of_traces, looked
from models.schedule import JobSlot
from models.units import UnitKind, add_unit, find_unit
from models.verify import violations
from tests.dialogue import ON_SQLITE, direct, incoming, november, talk
from tests.fakes.street import Street
from tests.ground import add_person, agree, give, lay
from tests.moments import TUESDAY_EVENING
from tests.traces import found_in

NOW = TUESDAY_EVENING
NAME, PHONE, ROOM, ACCOUNT, BORN = "钱多多", "13912345678", "1717", "qianduoduo", "1941-1949"
TRACES = (NAME, "钱*多", "钱夺夺", PHONE, ACCOUNT, "oldphone", "裁缝铺", BORN)
STRANGER = "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"
SEPARATE = "这件事请私聊我说：打开和我的单聊，发 {}。"


# -- forgotten everywhere ----------------------------------------


def settle(session: Session) -> None:
    """钱多多 moves in: on the roster with all that a roster can say, with an account, and a unit named after her."""
    community_id = 1
    door = find_unit(session, community_id=community_id, name="3栋2单元")
    group = find_unit(session, community_id=community_id, name="3栋党小组")
    add_unit(
        session, community_id=community_id, parent=group, kind=UnitKind.HOST_HOUSEHOLD, name=f"{NAME}中心户", now=NOW
    )
    for name, account in ((NAME, ACCOUNT), ("钱夺夺", "oldphone")):
        member_id = add_member(
            session,
            community_id=community_id,
            name=name,
            unit=door,
            room=ROOM,
            phone=PHONE,
            employer=f"{NAME}裁缝铺",
            basis=f"走访{NAME}家登记",
            born=BORN,
            now=NOW,
        )
        add_identity(
            session,
            community_id=community_id,
            member_id=member_id,
            namespace="simulator",
            external_id=account,
            now=NOW,
        )
        session.execute(
            insert(Registration),
            {
                "community_id": community_id,
                "number": 900 + member_id,
                "namespace": "simulator",
                "external_id": account,
                "name": name,
                "unit_id": door.id,
                "room": ROOM,
                "state": "approved",
                "member_id": member_id,
                "at": NOW,
                "decided_at": NOW,
            },
        )
        agree(session, community_id, member_id)
    # An impostor has claimed to be her and was turned down.
    session.execute(
        insert(Registration),
        {
            "community_id": community_id,
            "number": 890,
            "namespace": "simulator",
            "external_id": "impostor",
            "name": NAME,
            "unit_id": door.id,
            "room": ROOM,
            "state": "rejected",
            "at": NOW,
            "decided_at": NOW,
            "reason": f"{NAME}说不是她，住3栋2单元{ROOM}",
        },
    )


def leave_traces(session: Session) -> None:
    """What no command of today leaves behind, and some day something will: in bugs, in failed sendings, in errors."""
    member_id = session.scalars(select(Member.id).where(Member.name == NAME)).one()
    for sender, said in ((ACCOUNT, "签到"), ("王秀英", f"请问{NAME}住{ROOM}吗，电话{PHONE}")):
        inbox.keep_trouble(
            session,
            channel="simulator",
            message_id=f"trouble-{sender}",
            incoming={"sender": sender, "text": said, "quote": {"text": f"{NAME}：好"}, "at": None},
            error=f"KeyError: {NAME} {PHONE}",
            at=NOW,
        )
    outbox.put(
        session,
        community_id=1,
        key="to-all",
        message=f"感谢{NAME}（3栋2单元{ROOM}，{PHONE}）",
        now=NOW,
        expires_at=NOW + timedelta(days=1),
        group_id=1,
    )
    session.execute(
        update(Outbox)
        .where(Outbox.key == "to-all")
        .values(state="failed", dead_reason=f"user {ACCOUNT} not in chat", finished_at=NOW)
    )
    session.execute(
        insert(JobSlot),
        {
            "job": "a.job",
            "slot": NOW,
            "state": "failed",
            "began_at": NOW,
            "ended_at": NOW,
            "detail": f"IntegrityError: Key (name)=({NAME}) phone {PHONE}",
        },
    )
    audit.record(
        session,
        community_id=1,
        at=NOW,
        member_id=None,
        action="import",
        object_ref="1",
        group_id=None,
        channel="",
        message_id="",
        detail={"before": {"name": NAME, "phone": int(PHONE), "rooms": [ROOM], "born": BORN}, NAME: member_id},
    )


WORD = re.compile("|".join(map(re.escape, TRACES)))
ROOM_NUMBER = re.compile(rf"(?<![0-9]){ROOM}(?![0-9])")


async def test_who_is_forgotten_stands_nowhere_any_more(street: Street) -> None:
    """钱多多 does everything that can be done, is spoken of wherever one can be, and says 注销."""
    house = street.house
    await house.books.write(settle)
    await house.books.write(leave_traces)
    ids = await house.books.read(lambda s: list(s.scalars(select(Member.id).where(Member.phone == PHONE))))

    async def say(who: str, *said: str, where: str = direct) -> str:
        for text in said:
            answer = await street.say(who, text, where=where)
        return answer

    published = await say("张敏", f"发布活动 周六15点 到{NAME}家包饺子 活动室 2人 4分", "确认")
    number = int(re.findall(r"(\d+)号活动", published)[0])
    await say(ACCOUNT, "报名 13 3人", "报名 14", "撤销", f"报名 {number}", "取消报名 14", where="3栋群")
    await say("何叔", f"报名 {number}")
    await say("孙姐", f"报名 {number}")
    await say("oldphone", "报名 13")
    await say("孙丽", f"合并 {NAME} 钱夺夺", "确认")
    await say("孙丽", f"加分 {NAME} 5 帮{NAME}家（{ROOM}室）修灯，电话{PHONE}")
    await say("孙丽", f"扣分 {NAME} 1 {NAME}占道", "确认")
    statement = await say(ACCOUNT, "积分明细")
    entry = int(statement.split(".")[0])
    await say(ACCOUNT, f"申诉 {entry} {NAME}没有占道，住{ROOM}", "我的资料", "谁看过我", "不上榜", "帮助")
    await say("张敏", "审核", where="3栋群")
    await say(ACCOUNT, "@小邻 我的资料", "@小邻 积分明细", where="3栋群")
    await say(ACCOUNT, "家人 王秀英")
    await say("王秀英", "愿意")
    await say("李建国", f"家人 {NAME}")
    await say("李建国", f"家人 {NAME}")
    # Questions stand open: her own, and one about her.
    await say(ACCOUNT, "取消报名")
    await say("孙丽", f"扣分 {NAME} 1 {NAME}又占道")
    await say("oldphone", "解绑", "确认")
    await say("oldphone", "撤销", "解绑", "确认")
    await street.until(november(21, 14, 40))
    await say("oldphone", f"签到 {number}", "导出我的资料")
    for trace in (*TRACES[:1], "钱夺夺", PHONE, "裁缝铺", "oldphone"):
        assert await house.books.read(lambda s, trace=trace: found_in(s, re.compile(trace)))
    assert len(await house.books.read(lambda s: found_in(s, ROOM_NUMBER))) > 9
    money = await house.books.read(
        lambda s: s.scalar(select(func.sum(Balance.amount)).where(Balance.member_id.in_(ids)))
    )

    await say("oldphone", "注销")
    assert await say("oldphone", "确认") == "已经注销，您的姓名、手机和房号都删掉了。\n谢谢您为邻里做过的事，多保重！"
    assert await say("oldphone", "积分") == STRANGER
    await street.until(november(21, 14, 43))

    def left(session: Session) -> None:
        assert found_in(session, WORD) == []
        # Ids may be 1717 as well; in words it is nowhere.
        assert [
            one for one in found_in(session, ROOM_NUMBER) if not re.search(r"[._]id:|_by:|number:|\.last", one)
        ] == []
        assert session.scalars(select(Erasure.words)).all() == [{}]
        gone = session.execute(select(Member.name, Member.unit_id).where(Member.id.in_(ids))).all()
        assert [tuple(row) for row in gone] == [(FORGOTTEN, 1)] * 2
        # The books go on: the balance stands under the number, and what she gave is where it was.
        balance = select(func.sum(Balance.amount)).where(Balance.member_id.in_(ids))
        assert session.scalar(balance) == money
        for table in (Identity, Detachment):
            assert session.scalars(select(table.id).where(table.member_id.in_(ids))).all() == []
        assert session.scalars(select(FamilyTie.id).where(FamilyTie.ended_at.is_(None))).all() == []
        assert violations(session) == []

    await house.books.read(left)
    # Whoever waited has her place.
    assert (
        Push(
            "孙姐",
            "好消息：「到钱多多家包饺子」空出了位置，您已从候补转为正式报名。\n"
            f"11月21日 周六 15:00，活动室。来不了请发 取消报名 {number}。",
        )
        in street.pushes
    )
    assert "钱" not in await say("王秀英", "排行榜 全部")
    # The account that she had is a stranger's, and may be anybody's.
    assert await say(ACCOUNT, "活动") == STRANGER


async def test_a_namesake_keeps_what_is_theirs(street: Street) -> None:
    """Two are called 陈美玲; one is forgotten, and the other one's rows are as they were."""
    books = street.house.books

    def other(session: Session) -> int:
        door = find_unit(session, community_id=1, name="5栋1单元")
        return add_person(session, 1, "陈美玲", door, known=False, room="202")

    other_id = await books.write(other)

    def bind(session: Session) -> None:
        add_identity(session, community_id=1, member_id=other_id, namespace="simulator", external_id="meiling", now=NOW)
        agree(session, 1, other_id)

    await books.write(bind)
    signed_up = await street.say("meiling", "报名 13")

    def theirs(session: Session) -> list[Any]:
        rows: list[Any] = [
            tuple(row) for row in session.execute(select(Member.name, Member.room).where(Member.id == other_id))
        ]
        rows += session.scalars(select(Inbox.reply).where(Inbox.member_id == other_id)).all()
        return rows

    await street.say("陈美玲", "报名 14")
    before = await books.read(theirs)
    await street.say("陈美玲", "注销")
    await street.say("陈美玲", "确认")
    await street.until(NOW + timedelta(minutes=3))
    assert await books.read(theirs) == before == [("陈美玲", "202"), signed_up]
    assert "陈美玲" in signed_up
    assert await books.read(lambda s: s.scalars(select(Inbox.reply).where(Inbox.reply.like("%陈美玲%"))).all()) == [
        signed_up
    ]


def test_no_table_with_words_is_left_out() -> None:
    """A new table is swept without being named; one without a single number for its rows would be forgotten."""
    swept = {one.table.name for one in fields_of_words()}
    wordy = {
        table.name
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if column.type.python_type in (str, dict, list) and column.name not in KEYS
    }
    # Runs of jobs are swept by themselves.
    assert wordy - swept == {*LEFT_ALONE} & wordy | {"job_slots", "counters"} & wordy
    assert {"inbox", "outbox", "audit", "troubles", "pending", "registrations", "transfer_notes"} <= swept


WORDS = Words(
    names=("王英", "欧阳春花"),
    phones=("13800138000",),
    accounts=("wangying", "12"),
    rooms=("501",),
    addresses=("3栋2单元501", "3栋501"),
    others=("王英杰",),
)


@pytest.mark.parametrize(
    ("said", "meant", "left"),
    [
        ("王英，您现有5分", False, "已注销居民，您现有5分"),
        ("欧阳春花和欧**花", False, "已注销居民和已注销居民"),
        ("王英杰和王英", False, "王英杰和已注销居民"),
        ("请王英杰来", True, "请王英杰来"),
        ("打138-0013 8000", False, "打***"),
        ("12", False, "***"),
        ("报名 12", True, "报名 12"),
        ("打13800138000找王英", False, "打***找已注销居民"),
        ("编号2138001380001", False, "编号2138001380001"),
        ("user wangying left", False, "user *** left"),
        ("wangyingxin", False, "wangyingxin"),
        ("住3栋2单元501", False, "住***"),
        # Many flats are 501: only where she is meant.
        ("501室漏水", False, "501室漏水"),
        ("501室漏水", True, "***室漏水"),
        ("1501室", True, "1501室"),
        ({"name": "王英", "phone": 13800138000, "n": [501, "501"]}, True, None),
    ],
)
def test_words_are_blacked(said: Any, meant: bool, left: Any) -> None:
    if left is None:
        left = {"name": FORGOTTEN, "phone": "***", "n": [501, "***"]}
    assert WORDS.blacked(said, meant=meant) == left


@ON_SQLITE
async def test_the_only_secretary_hands_over_first(street: Street) -> None:
    refused = "社区只有您一位书记，请先把书记的职务交给别的同志，再来注销。"
    await talk(
        street,
        [
            ("张敏", direct, "注销", refused),
            ("张敏", "3栋群", "@小邻 注销", SEPARATE.format("注销")),
            ("王秀英", "3栋群", "注销", ""),
        ],
    )

    def another(session: Session) -> None:
        root = find_unit(session, community_id=1, name="全社区")
        successor = session.scalars(select(Member.id).where(Member.name == "孙丽")).one()
        give(session, 1, successor, Role.SECRETARY, root)

    await street.house.books.write(another)
    assert (await street.say("张敏", "注销")).startswith(
        "注销以后，您的姓名、手机、房号、照片、账号（1个）和职务（2个）都删掉"
    )
    await talk(
        street,
        [
            ("张敏", direct, "取消", "好的，不办了。"),
            ("张敏", direct, "注销", await street.say("张敏", "注销")),
            (
                "张敏",
                direct,
                "确认",
                "已经注销，您的姓名、手机和房号都删掉了。\n谢谢您为邻里做过的事，多保重！",
            ),
            # What she published goes on without her.
            ("王秀英", direct, "报名 13", "已给 王秀英 报名「义诊」，还剩29个名额。\n11月22日 周日 9:00，活动室。"),
        ],
    )


async def test_an_interrupted_sweep_is_taken_up_where_it_was(books: Books) -> None:
    """Units of three rows, and a stop after each: in the end nothing is left."""

    def lived(session: Session) -> int:
        ground = lay(session)
        member_id = ground.people["王秀英"]
        for number in range(10):
            audit.record(
                session,
                community_id=ground.community.id,
                at=NOW,
                member_id=ground.people["张敏"],
                action="a",
                object_ref=str(number),
                group_id=None,
                channel="",
                message_id="",
                detail={"name": "王秀英", "n": number},
            )
        forgetting.forget(session, community_id=ground.community.id, member_id=member_id, by=member_id, now=NOW)
        return ground.community.id

    community_id = await books.write(lived)
    units = 1
    while await books.write(lambda s: forgetting.sweep(s, community_id=community_id, now=NOW, rows=3)):
        units += 1
        assert units < 100
    assert await books.read(lambda s: found_in(s, re.compile("王秀英"))) == []
    details = await books.read(lambda s: s.scalars(select(audit.Audit.detail).order_by(audit.Audit.id)).all())
    assert details == [{"name": FORGOTTEN, "n": number} for number in range(10)]


@ON_SQLITE
async def test_what_a_failed_sweep_left_over_is_swept_at_night(street: Street) -> None:
    """Its own minute is over and nobody comes back to it: 何叔 is swept all the same."""

    def missed(session: Session) -> None:
        member_id = session.scalars(select(Member.id).where(Member.name == "何叔")).one()
        before = NOW - timedelta(days=2)
        forgetting.forget(session, community_id=1, member_id=member_id, by=member_id, now=before)

    await street.say("孙丽", "加分 何叔 2 修灯")
    await street.house.books.write(missed)
    await street.until(november(17, 23))
    assert await street.house.books.read(lambda s: found_in(s, re.compile("何叔"))) != []
    await street.until(november(18, 5))
    assert await street.house.books.read(lambda s: found_in(s, re.compile("何叔"))) == []


# -- who looked ----------------------------------------


@ON_SQLITE
async def test_everybody_can_ask_who_looked(street: Street) -> None:
    def look(session: Session) -> None:
        ids = {row.name: row.id for row in session.execute(select(Member.name, Member.id))}
        building = find_unit(session, community_id=1, name="3栋")
        seen = {"community_id": 1, "now": NOW}
        looked(session, viewer_id=ids["孙丽"], what=[Private.PHONE, Private.ROOM], members=[ids["王秀英"]], **seen)
        looked(session, viewer_id=ids["老赵"], what=[Private.ROOM], unit_id=building.id, **seen)
        looked(session, viewer_id=None, what=[Private.RECORDS], members=[ids["王秀英"], ids["孙姐"]], **seen)
        # Nobody is written down for looking at their own.
        looked(session, viewer_id=ids["王秀英"], what=[Private.STATEMENT], members=[ids["王秀英"]], **seen)

    await street.house.books.write(look)
    at = "11月17日 周二 19:30"
    await talk(
        street,
        [
            (
                "王秀英",
                direct,
                "谁看过我",
                f"{at} 管理员（在服务器上） 看过您的全部资料\n{at} 老赵 看过一份名单，里面有您的房号\n"
                f"{at} 孙丽 看过您的手机、房号",
            ),
            ("孙姐", direct, "谁看过我", f"{at} 管理员（在服务器上） 看过您的全部资料"),
            # He lives there too, and looked himself.
            ("老赵", direct, "谁看过我", "没有人看过您的手机、房号或积分明细。"),
            ("孙丽", direct, "谁看过我", "没有人看过您的手机、房号或积分明细。"),
            # A look is no act: there is nothing to take back.
            ("孙丽", direct, "撤销", "最近10分钟里没有可以撤销的事。时间久了请找楼长或社区帮忙改。"),
            ("王秀英", "3栋群", "@小邻 谁看过我", "已私信您。"),
        ],
    )
    assert "别人看过您的资料3次" in await street.say("王秀英", "我的资料")


# -- what has had its time ----------------------------------------


async def test_everything_is_let_go_of_in_its_time(books: Books) -> None:
    """Each kind of row a day before and a day after its time; units of two rows."""
    settings = Settings()
    days = {
        "replies": settings.replies_days,
        "pushes": settings.pushes_days,
        "ids": settings.message_ids_days,
        "audit": settings.audit_days,
        "rejections": settings.rejections_days,
        "push_rows": settings.push_rows_days,
        "attempt_rows": settings.push_rows_days + privacy.ATTEMPTS_STAY_DAYS,
    }

    def lived(session: Session) -> int:
        ground = lay(session)
        community_id, member_id = ground.community.id, ground.people["王秀英"]
        ages = sorted({age + off for age in days.values() for off in (1, -1)}, reverse=True)
        for age in ages:
            then = NOW - timedelta(days=age)
            for kind in ("act", "idle"):
                inbox.record(
                    session,
                    channel="c",
                    message_id=f"{kind}-{age}",
                    community_id=community_id,
                    member_id=member_id,
                    outcome="act" if kind == "act" else "refused",
                    reply="您好",
                    ref="",
                    at=then,
                )
            audit.record(
                session,
                community_id=community_id,
                at=then,
                member_id=member_id,
                action="a",
                object_ref="1",
                group_id=None,
                channel="c",
                message_id=f"act-{age}",
                detail={"say": "您好"},
            )
            outbox.put(
                session,
                community_id=community_id,
                key=f"sent-{age}",
                message="您好",
                now=then,
                expires_at=then,
                member_id=member_id,
            )
            made = session.execute(
                update(Outbox)
                .where(Outbox.key == f"sent-{age}")
                .values(state="sent", finished_at=then)
                .returning(Outbox.id)
            ).scalar_one()
            attempt = session.execute(
                insert(Attempt).returning(Attempt.id),
                {
                    "community_id": community_id,
                    "channel": "c",
                    "address": "wang",
                    "began_at": then,
                    "ended_at": then,
                    "outcome": "sent",
                    "detail": "ok",
                },
            ).scalar_one()
            session.execute(insert(AttemptItem), {"attempt_id": attempt, "outbox_id": made})
            session.execute(
                insert(Registration),
                {
                    "community_id": community_id,
                    "number": age,
                    "namespace": "n",
                    "external_id": "x",
                    "name": "李四",
                    "unit_id": ground.root.id,
                    "room": "501",
                    "state": "rejected",
                    "at": then,
                    "decided_at": then,
                    "reason": "不是",
                },
            )
            inbox.keep_trouble(session, channel="c", message_id=f"{age}", incoming={}, error="KeyError", at=then)
            session.execute(
                insert(JobSlot), {"job": "j", "slot": then, "state": "done", "began_at": then, "ended_at": then}
            )
        ledger.transfer(
            session,
            community_id=community_id,
            key="old",
            currency=Currency.POINTS,
            debit=-1,
            credit=member_id,
            amount=1,
            reason="award",
            ref="award:1",
            note="修灯",
            made_by=None,
            at=NOW - timedelta(days=5000),
        )
        return community_id

    community_id = await books.write(lived)
    units = 0
    while await books.write(lambda s: let_go(s, community_id=community_id, settings=settings, now=NOW, rows=2)):
        units += 1
        assert units < 50
    while await books.write(lambda s: let_go_of_traces(s, settings=settings, now=NOW, rows=2)):
        units += 1
        assert units < 50

    def youngest(session: Session, query: Any) -> int:
        """The age in days of the youngest of these rows."""
        return (NOW - max(session.scalars(query).all())).days

    def left(session: Session) -> None:
        ages = {
            "replies": select(Inbox.at).where(Inbox.reply == ""),
            "pushes": select(Outbox.created_at).where(Outbox.text == ""),
            "audit": select(audit.Audit.at).where(
                func.length(audit.Audit.action) == 1, audit.Audit.id.in_(_empty(session))
            ),
            "rejections": select(Registration.decided_at).where(Registration.name == ""),
        }
        assert {kind: youngest(session, query) for kind, query in ages.items()} == {
            kind: days[kind] + 1 for kind in ages
        }
        oldest_idle = session.scalars(select(func.min(Inbox.at)).where(Inbox.message_id.like("idle%"))).one()
        assert (NOW - oldest_idle).days == settings.message_ids_days - 1
        # An act's message keeps its id as long as the act is written down: delivered again, it still does nothing.
        oldest = session.scalars(select(func.min(Inbox.at)).where(Inbox.message_id.like("act%"))).one()
        assert (NOW - oldest).days == settings.audit_days + 1
        assert session.scalars(select(Attempt.address).where(Attempt.began_at < NOW - timedelta(days=91))).all() == [
            ""
        ] * len(session.scalars(select(Attempt.id).where(Attempt.began_at < NOW - timedelta(days=91))).all())
        # In the end nothing stays of a push; its attempts go a little later, when no row speaks of them any more.
        assert (NOW - session.scalars(select(func.min(Outbox.created_at))).one()).days == settings.push_rows_days - 1
        assert (NOW - session.scalars(select(func.min(Attempt.began_at))).one()).days == settings.push_rows_days + 29
        assert session.scalars(select(func.count()).select_from(AttemptItem)).one() == len(
            session.scalars(select(Outbox.id)).all()
        )
        assert session.scalars(select(Trouble.at).where(Trouble.at < NOW - timedelta(days=30))).all() == []
        assert session.scalars(select(JobSlot.slot).where(JobSlot.slot < NOW - timedelta(days=90))).all() == []
        assert len(session.scalars(select(JobSlot.slot)).all()) == 3
        # The ledger, and the words beside it, are nobody's to tidy.
        assert session.scalars(select(Transfer.key)).all() == ["old"]
        assert session.scalars(select(ledger.TransferNote.note)).all() == ["修灯"]
        assert violations(session) == []

    await books.read(left)
    # There is nothing to do a second time.
    assert not await books.write(lambda s: let_go(s, community_id=community_id, settings=settings, now=NOW, rows=2))


def _empty(session: Session) -> list[int]:
    return [row.id for row in session.execute(select(audit.Audit.id, audit.Audit.detail)) if row.detail == {}]


@ON_SQLITE
async def test_a_message_that_comes_again_after_its_answer_is_gone_does_nothing(street: Street) -> None:
    """The answer is let go of after a month; the message is still known, and does not sign anybody up again."""
    message = incoming(street, "王秀英", "报名 14")
    dispatcher = street.house.dispatcher
    first = await dispatcher.answer(message)
    assert first.outcome == "act"
    await street.say("王秀英", "取消报名 14")
    await street.until(NOW + timedelta(days=32))
    again = await dispatcher.answer(message)
    assert (again.outcome, again.reply.text) == ("repeated", "")
    assert privacy.RULES[0].what == "replies"


@ON_SQLITE
async def test_what_is_held_is_said_in_private(street: Street) -> None:
    mine = (
        "王秀英，3栋2单元501，手机13900005849；账号1个，职务：居民。\n"
        "报名0次，签到3次，岗位0个，积分16分；同意书：第2版已同意。\n"
        "别人看过您的资料0次，是谁请发 谁看过我。\n"
        "要一份完整的请发 导出我的资料，不想留了请发 注销。"
    )
    pushes = await talk(
        street,
        [
            ("王秀英", direct, "我的资料", mine),
            ("王秀英", "3栋群", "@小邻 我的资料", "已私信您。"),
            ("王秀英", "3栋群", "我的资料", ""),
            ("陌生人", "3栋群", "@小邻 我的资料", STRANGER),
            ("王秀英", "3栋群", "@小邻 导出我的资料", SEPARATE.format("导出我的资料")),
            (
                "王秀英",
                direct,
                "导出我的资料",
                "您的资料要到社区来取：请带上证件找社区工作人员，他们能当场给您一份。",
            ),
        ],
    )
    assert pushes == [Push("王秀英", mine)]
