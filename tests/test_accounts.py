"""One person, many accounts: merging and splitting again, lost phones, and residents who are forgotten by others."""

import random
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot.books import Books
from bot.script import Push
from handlers import consent
from models import accounts, check_in, ledger
from models.accounts import Candidate, MergesOneself, candidates
from models.activities import Signup, cancel_signup, sign_up
from models.base import Refusal
from models.check_in import CheckIn
from models.directory import Identity
from models.ledger import Balance, Currency, MonthlyTotal
from models.members import BeyondReach, Member, MemberRole, Neighbour, NoSuchMember, Role, add_identity
from models.members.roles import AboveOneself
from models.points import appeal as appeal_against
from models.points import award_points, board, decide_appeal, months_of, undo_award
from models.units import unit_by_id
from models.verify import violations
from tests.dialogue import ON_SQLITE, direct, talk
from tests.fakes.street import Street
from tests.ground import Ground, add_person, give, lay, person, publish
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING
STATEMENT = consent.say.sentences["statement"]
STRANGER = "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"
UNKNOWN = "没有找到 {}。请写全名，或写编号，例如 17号。"


def one(session: Session, ground: Ground, name: str) -> Candidate:
    (found,) = candidates(session, community_id=ground.community.id, number=ground.people[name])
    return found


def merged(session: Session, ground: Ground, keeper: str, other: str, by: str = "张敏") -> accounts.Merged:
    return accounts.merge(
        session,
        keeper=one(session, ground, keeper),
        other=one(session, ground, other),
        by=person(session, by),
        now=NOW,
    )


def apart(session: Session, number: int, by: str = "张敏") -> accounts.Merged:
    return accounts.split(session, number=number, by=person(session, by), now=NOW, companions_max=5)


def picture(session: Session) -> dict[str, Any]:
    """Everything that a split must give back."""
    live_roles = MemberRole.until.is_(None)
    return {
        "balances": sorted(
            tuple(row)
            for row in session.execute(
                select(Balance.member_id, Balance.currency, Balance.amount).where(Balance.amount != 0)
            )
        ),
        "months": sorted(
            tuple(row)
            for row in session.execute(
                select(MonthlyTotal.member_id, MonthlyTotal.currency, MonthlyTotal.month, MonthlyTotal.amount).where(
                    MonthlyTotal.amount != 0
                )
            )
        ),
        "identities": sorted(tuple(row) for row in session.execute(select(Identity.external_id, Identity.member_id))),
        "roles": sorted(
            tuple(row) for row in session.execute(select(MemberRole.id, MemberRole.member_id).where(live_roles))
        ),
        "places": sorted(
            tuple(row)
            for row in session.execute(
                select(Signup.activity_id, Signup.member_id, Signup.companions, Signup.state).where(
                    Signup.undone_at.is_(None)
                )
            )
        ),
        "stays": sorted(
            tuple(row)
            for row in session.execute(
                select(CheckIn.activity_id, CheckIn.member_id, CheckIn.at).where(CheckIn.undone_at.is_(None))
            )
        ),
        "merged": session.scalars(select(Member.id).where(Member.merged_into.is_not(None))).all(),
    }


def live_through(session: Session, ground: Ground, names: list[str], chance: random.Random) -> None:
    """Months in the lives of these people: activities, awards, deductions, places for what lies ahead."""
    for back in range(4):
        starts_at = NOW - timedelta(days=30 * back + 3)
        past = publish(session, ground, starts_at=starts_at, points=chance.randint(1, 9))
        for name in names:
            if chance.random() < 0.3:
                continue
            came = starts_at + timedelta(minutes=chance.randint(-20, 30))
            found = check_in.find_coming(session, community_id=ground.community.id, number=past.number, now=came)
            assert found is not None
            member = {"member_id": ground.people[name], "made_by": ground.people[name]}
            check_in.check_in(session, coming=found, **member, now=came)
            if chance.random() < 0.7:
                check_in.check_out(session, coming=found, **member, now=came + timedelta(minutes=chance.randint(1, 90)))
    for name in names:
        for _ in range(chance.randint(0, 3)):
            member = one(session, ground, name)
            amount = chance.randint(1, 7) if chance.random() < 0.7 else -1
            balance = ledger.balance_of(
                session, community_id=ground.community.id, member_id=member.id, currency=Currency.POINTS
            )
            if balance + amount >= 0:
                award_points(
                    session,
                    giver=person(session, "孙丽"),
                    member=neighbour(member),
                    points=amount,
                    reason="修灯",
                    now=NOW - timedelta(days=chance.randint(0, 70)),
                    most=100,
                )
    ahead = publish(session, ground, quota=chance.choice([1, 2, 50]))
    for name in [*names, "陈美玲"]:
        if chance.random() < 0.8:
            sign_up(
                session,
                activity=ahead,
                member_id=ground.people[name],
                companions=0,
                made_by=ground.people[name],
                now=NOW,
                companions_max=5,
            )


def neighbour(member: Candidate) -> Neighbour:
    return Neighbour(member.id, member.name, member.unit_id, member.unit_path, False)


async def test_a_hidden_name_and_a_birth_are_the_one_persons(books: Books) -> None:
    """孙姐 hides her name and has told her year: both hold where she is merged into somebody, and not after a split."""

    def unit(session: Session) -> None:
        ground = lay(session)
        keeper, other = ground.people["何叔"], ground.people["孙姐"]
        session.execute(update(Member).where(Member.id == other).values(hides_name=True, born="1950"))

        def told() -> list[Any]:
            rows = session.execute(select(Member.hides_name, Member.born).where(Member.id == keeper))
            return list(rows.one())

        number = merged(session, ground, "何叔", "孙姐").number
        assert told() == [True, "1950"]
        apart(session, number)
        assert told() == [False, ""]
        assert violations(session) == []

    await books.write(unit)


@pytest.mark.parametrize("seed", range(6))
async def test_who_is_merged_and_split_again_is_as_before(books: Books, seed: int) -> None:
    """Whatever two lives were: merged they are the sum, month by month; split again nothing is different."""
    chance = random.Random(seed)

    def unit(session: Session) -> None:
        ground = lay(session)
        names = ["王秀英", "何叔"]
        give(session, ground.community.id, ground.people["何叔"], Role.MEMBER, ground.units["5栋"])
        live_through(session, ground, names, chance)
        keeper, other = ground.people["王秀英"], ground.people["何叔"]
        before = picture(session)
        twice = Counter(row[0] for row in before["stays"] if row[1] in (keeper, other))
        done = merged(session, ground, "王秀英", "何叔")
        assert violations(session) == []
        assert done.doubled == sum(count > 1 for count in twice.values())
        together = picture(session)
        assert {row[0] for row in together["months"] + together["balances"]}.isdisjoint({other})
        assert other not in {row[1] for row in together["identities"] + together["roles"]}
        assert [row for row in together["places"] if row[1] == other] == []
        if not done.doubled:
            for currency in Currency:
                sums = {
                    (row[1], row[2]): row[3] for row in together["months"] if row[0] == keeper and row[1] == currency
                }
                parts: Counter[tuple[str, int]] = Counter()
                for row in before["months"]:
                    if row[0] in (keeper, other) and row[1] == currency:
                        parts[row[1], row[2]] += row[3]
                assert sums == {key: amount for key, amount in parts.items() if amount}
        apart(session, done.number)
        assert violations(session) == []
        after = picture(session)
        # Who gave a place up for the other may stand behind those who got it: that alone is not undone.
        for kind in ("balances", "months", "identities", "roles", "stays", "merged"):
            assert after[kind] == before[kind], kind
        assert {row[:2] for row in after["places"]} == {row[:2] for row in before["places"]}

    await books.write(unit)


async def test_what_is_corrected_after_a_merge_goes_where_the_balance_is(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        community_id = ground.community.id
        zhang, sun = person(session, "张敏"), person(session, "孙丽")
        given = award_points(
            session, giver=sun, member=neighbour(one(session, ground, "何叔")), points=5, reason="修灯", now=NOW, most=9
        )
        taken = award_points(
            session,
            giver=sun,
            member=neighbour(one(session, ground, "何叔")),
            points=-2,
            reason="占道",
            now=NOW,
            most=9,
        )
        before = picture(session)
        done = merged(session, ground, "王秀英", "何叔")
        assert done.balance == 3
        # 王秀英 speaks for both now: she sees the line of the deduction, and appeals against it.
        wang = person(session, "王秀英")
        lines = ledger.statement(
            session,
            community_id=community_id,
            member_id=wang.id,
            currency=Currency.POINTS,
            limit=9,
            also=[ground.people["何叔"]],
        )
        assert [(line.change, line.reason, line.note) for line in lines] == [
            (-2, "deduct", "占道"),
            (5, "award", "修灯"),
        ]
        made = appeal_against(session, member=wang, transfer_id=lines[0].id, reason="没有", now=NOW)
        assert made.entry.change == -2
        decided = decide_appeal(
            session,
            reviewer=zhang,
            role=Role.STAFF,
            number=made.number,
            uphold=True,
            points=None,
            answer="查过了",
            now=NOW,
        )
        assert (decided.member_id, decided.balance) == (wang.id, 5)
        undo_award(session, community_id=community_id, award_id=given.id, by=sun.id, now=NOW)
        assert violations(session) == []
        apart(session, done.number)
        assert violations(session) == []
        assert taken.id != given.id
        # The books of each are as if they had never been one: +5 -5 and -2 +2.
        assert [row for row in picture(session)["balances"] if row[0] in (wang.id, ground.people["何叔"])] == []
        assert picture(session)["identities"] == before["identities"]

    await books.write(unit)


async def test_boards_show_one_person(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        for name, amount in (("王秀英", 3), ("何叔", 4), ("孙姐", 5)):
            award_points(
                session,
                giver=person(session, "孙丽"),
                member=neighbour(one(session, ground, name)),
                points=amount,
                reason="修灯",
                now=NOW,
                most=9,
            )
        merged(session, ground, "王秀英", "何叔")
        for months in (None, months_of("本月", NOW)):
            found = board(
                session, community_id=ground.community.id, months=months, path=None, asker=person(session, "王秀英")
            )
            assert [(line.name, line.amount) for line in found.first] == [("王秀英", 7), ("孙姐", 5)]
        with pytest.raises(NoSuchMember):
            candidates(session, community_id=ground.community.id, name="何叔")

    await books.write(unit)


REFUSED: list[tuple[str, str, str, type[Refusal]]] = [
    ("孙丽", "王秀英", "张敏", AboveOneself),  # a secretary's account is not handed over by staff
    ("孙丽", "张敏", "王秀英", AboveOneself),
    ("孙丽", "孙丽", "王秀英", MergesOneself),  # nor does anybody merge somebody's points into their own
    ("老赵", "王秀英", "何叔", BeyondReach),  # 5栋 is not the building lead's of 3栋, and they are no staff
]


@pytest.mark.parametrize(("by", "keeper", "other", "refusal"), REFUSED)
async def test_nobody_merges_beyond_their_reach(
    books: Books, by: str, keeper: str, other: str, refusal: type[Refusal]
) -> None:
    ground = await books.write(lay)
    with pytest.raises(refusal):
        await books.write(lambda session: merged(session, ground, keeper, other, by))


async def test_a_place_given_up_for_a_merge_goes_to_who_waits(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        activity = publish(session, ground, quota=2)
        for name in ("王秀英", "何叔", "陈美玲"):
            sign_up(
                session,
                activity=activity,
                member_id=ground.people[name],
                companions=0,
                made_by=ground.people[name],
                now=NOW,
                companions_max=5,
            )
        done = merged(session, ground, "王秀英", "何叔")
        assert [moved.member_id for _, moved in done.promoted] == [ground.people["陈美玲"]]
        apart(session, done.number)
        # The place is 陈美玲's now: 何叔 waits.
        assert {(row[1], row[3]) for row in picture(session)["places"]} == {
            (ground.people["王秀英"], "confirmed"),
            (ground.people["陈美玲"], "confirmed"),
            (ground.people["何叔"], "waiting"),
        }
        cancel_signup(
            session, activity=activity, member_id=ground.people["陈美玲"], by=ground.people["陈美玲"], now=NOW
        )
        assert violations(session) == []

    await books.write(unit)


async def test_merges_of_merges_are_split_from_the_last(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        before = picture(session)
        first = merged(session, ground, "王秀英", "何叔")
        second = merged(session, ground, "陈美玲", "王秀英")
        assert violations(session) == []
        with pytest.raises(accounts.MergedFurther):
            apart(session, first.number)
        assert person(session, "何叔").id == ground.people["陈美玲"]
        apart(session, second.number)
        apart(session, first.number)
        with pytest.raises(accounts.NoSuchMerge):
            apart(session, first.number)
        assert picture(session) == before
        assert violations(session) == []

    await books.write(unit)


async def test_a_stay_under_a_number_that_was_merged_before_counts_once(books: Books) -> None:
    """何叔 came, and was 王秀英; she turns out to be 陈美玲, who came as well."""

    def unit(session: Session) -> None:
        ground = lay(session)
        past = publish(session, ground, starts_at=NOW - timedelta(days=3), points=5)
        for name, minutes in (("何叔", 20), ("陈美玲", 60)):
            came = past.starts_at
            found = check_in.find_coming(session, community_id=ground.community.id, number=past.number, now=came)
            assert found is not None
            member = {"member_id": ground.people[name], "made_by": ground.people[name]}
            check_in.check_in(session, coming=found, **member, now=came)
            check_in.check_out(session, coming=found, **member, now=came + timedelta(minutes=minutes))
        start = picture(session)
        first = merged(session, ground, "王秀英", "何叔")
        before = picture(session)
        second = merged(session, ground, "陈美玲", "王秀英")
        assert (second.doubled, second.balance) == (1, 5)
        assert violations(session) == []
        apart(session, second.number)
        assert violations(session) == []
        assert picture(session) == before
        apart(session, first.number)
        assert violations(session) == []
        assert picture(session) == start

    await books.write(unit)


# -- in the chat ----------------------------------------


def number_of(name: str, nth: int = 0) -> Any:
    return lambda session: session.scalars(select(Member.id).where(Member.name == name).order_by(Member.id)).all()[nth]


async def test_staff_merges_two_and_takes_it_back(street: Street) -> None:
    preview = (
        "李建国（3栋1单元402，4分，1次）和何叔（6栋1单元103，4分，2次）合成一个人，留下 李建国。\n"
        "账号、职务、积分、报名都转过去，同一次活动的签到只算一次。\n确定请回复 确认，不合回复 取消。"
    )
    done = "已合并（1号），李建国 现有4分，重复的签到退了1次。\n弄错了请发 拆分 1，会照原样分开。"
    points = "{}，您现有{}分，本月+{}分{}。\n为什么有这些分，请发 积分明细。"
    before = await street.house.books.read(picture)
    pushes = await talk(
        street,
        [
            ("王秀英", direct, "合并 李建国 何叔", "这件事要社区工作人员来办。您能办的事请发 帮助。"),
            ("老赵", direct, "合并 李建国 何叔", "这件事要社区工作人员来办。您能办的事请发 帮助。"),
            # Rooms are named in the preview: not in a group.
            ("孙丽", "5栋群", "@小邻 合并 李建国 何叔", "这件事请私聊我说：打开和我的单聊，发 合并 张三 李四。"),
            (
                "孙丽",
                direct,
                "合并 李建国",
                "叫 李建国 的只有一位。两个人请都写上，例如 合并 张三 李四，留下前面那个。",
            ),
            ("孙丽", direct, "合并 李建国 何叔", preview),
            ("孙丽", direct, "取消", "好的，不办了。"),
            ("孙丽", direct, "合并 李建国、何叔", preview),
            ("孙丽", direct, "确认", done),
            # Both accounts are one person now.
            ("何叔", direct, "积分", points.format("李建国", 4, 0, "，服务时长1小时45分")),
            ("孙丽", direct, "加分 何叔 5 修灯", "没有找到 何叔。请写全名，或请楼长帮忙看看名册。"),
            ("孙丽", direct, "撤销", "已拆开1号：李建国 现有4分，何叔 又是另外一个人了。"),
            ("何叔", direct, "积分", points.format("何叔", 4, 0, "，服务时长1小时43分")),
            ("孙丽", direct, "拆分 1", "没有找到1号合并。编号在合并时的答复里。"),
        ],
    )
    assert pushes == [
        Push("李建国", "社区把您名下的两份登记合成了一份，积分也并在一起了，您现有4分。\n不对的话请告诉社区。")
    ]
    assert await street.house.books.read(picture) == before


@ON_SQLITE
async def test_namesakes_are_told_apart_by_number(street: Street) -> None:
    def another(session: Session) -> int:
        home = session.execute(select(Member.unit_id, Member.community_id).where(Member.name == "孙姐")).one()
        unit = unit_by_id(session, community_id=home.community_id, unit_id=home.unit_id)
        return add_person(session, home.community_id, "王秀英", unit, known=False, room="404")

    first = await street.house.books.read(number_of("王秀英"))
    second = await street.house.books.write(another)
    third = await street.house.books.write(another)
    answer = await street.say("孙丽", "合并 王秀英 何叔")
    assert answer.startswith("叫 王秀英 的有3位：\n")
    for said in (
        f"{first}号 3栋2单元501（账号1个）",
        f"{second}号 5栋2单元404（账号0个）",
        f"例如 合并 {first} {third}",
    ):
        assert said in answer
    assert answer.count("\n") < 4
    await talk(
        street,
        [
            ("孙丽", direct, f"合并 {second} {third}", await street.say("孙丽", f"合并 {second} {third}")),
            ("孙丽", direct, "确认", "已合并（1号），王秀英 现有0分。\n弄错了请发 拆分 1，会照原样分开。"),
            # Whose room was shown can ask who saw it.
            ("王秀英", direct, "谁看过我", "11月17日 周二 19:30 孙丽 看过您的房号"),
        ],
    )


async def test_a_lost_phone_is_a_strangers_at_once(street: Street) -> None:
    detached = "已解绑 王秀英 的1个账号，那部手机再发消息就是陌生人了。\n换了手机请重新发 绑定。弄错了请发 撤销。"
    beyond = "这件事不在您负责的范围里。您能办的事请发 帮助。"
    await talk(
        street,
        [
            ("李建国", direct, "解绑 王秀英", beyond),
            ("老赵", direct, "解绑 孙姐", beyond),
            ("老赵", direct, "解绑 张敏", beyond),
            ("王秀英", direct, "解绑", "王秀英 没有别的账号，不用解绑。"),
            # A question stands open on the phone that is lost.
            ("王秀英", direct, "注销", await street.say("王秀英", "注销")),
            ("老赵", direct, "解绑 王秀英", detached),
            ("王秀英", direct, "确认", "现在没有等您回复的事。看看我会什么，请发 帮助。"),
            ("王秀英", direct, "积分", STRANGER),
            ("王秀英", "3栋群", "@小邻 积分", STRANGER),
            ("老赵", direct, "撤销", "已撤销，王秀英 的账号恢复了。"),
            ("王秀英", direct, "确认", "现在没有等您回复的事。看看我会什么，请发 帮助。"),
            (
                "王秀英",
                direct,
                "积分",
                "王秀英，您现有16分，本月+0分，服务时长5小时9分。\n为什么有这些分，请发 积分明细。",
            ),
        ],
    )


@ON_SQLITE
async def test_ones_own_other_account_is_detached_and_cannot_come_back_once_it_is_anothers(street: Street) -> None:
    def second_phone(session: Session) -> None:
        member = session.execute(select(Member.id, Member.community_id).where(Member.name == "王秀英")).one()
        add_identity(
            session,
            community_id=member.community_id,
            member_id=member.id,
            namespace="simulator",
            external_id="旧手机",
            now=NOW,
        )

    await street.house.books.write(second_phone)
    await talk(
        street,
        [
            ("旧手机", direct, "报名 13", "已给 王秀英 报名「义诊」，还剩29个名额。\n11月22日 周日 9:00，活动室。"),
            ("王秀英", direct, "解绑", "除了现在这个，您还有1个账号。都解绑吗？回复 确认 就解绑，不解绑回复 取消。"),
            (
                "王秀英",
                direct,
                "确认",
                "已解绑 王秀英 的1个账号，那部手机再发消息就是陌生人了。\n换了手机请重新发 绑定。弄错了请发 撤销。",
            ),
            ("旧手机", direct, "活动", STRANGER),
            ("旧手机", direct, "绑定 张三 3栋201 1234", f"张三，绑定好了，您是3栋的居民。\n{STATEMENT}"),
            ("旧手机", direct, "同意", "好的，记下了，谢谢！\n想看看我会什么，请发 帮助。"),
            ("王秀英", direct, "撤销", "这个账号已经重新绑定了，不能恢复。"),
            ("旧手机", direct, "积分", "张三，您现有0分，本月+0分。\n为什么有这些分，请发 积分明细。"),
        ],
    )


async def test_a_secretary_forgets_somebody_who_moved_away_or_died(street: Street) -> None:
    number = await street.house.books.read(number_of("张三"))
    ask = (
        "要注销 张三（3栋1单元201）吗？理由：去世。\n"
        "姓名、手机、房号都删掉，积分流水只留编号，删了找不回来。\n确定请回复 确认，不办回复 取消。"
    )
    await talk(
        street,
        [
            ("孙丽", direct, "注销居民 张三 去世", "这件事要社区书记来办。您能办的事请发 帮助。"),
            ("张敏", direct, "注销居民 张三", "请写上理由，例如 注销居民 张三 搬走了"),
            ("张敏", direct, "注销居民 查无人 去世", UNKNOWN.format("查无人")),
            ("张敏", direct, "注销居民 王秀英 搬走了", "王秀英 自己有账号，请本人私聊我发 注销。"),
            ("张敏", direct, "注销居民 3栋张三 去世", ask),
            ("张敏", direct, "确认", f"已注销{number}号居民。谁办的、什么理由都记下来了。"),
            ("张敏", direct, "注销居民 张三 去世", UNKNOWN.format("张三")),
            ("张敏", direct, "撤销", "上一件事不能撤销，请找楼长或社区帮忙改。"),
        ],
    )
    assert (
        await street.house.books.read(
            lambda s: s.scalar(select(func.count()).where(Member.name == "张三", Member.forgotten_at.is_(None)))
        )
        == 0
    )
