"""What happens because time passed: reminders, forgotten check-outs, the nightly proof, questions that are over."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from bot.script import Push
from jobs.tick import ROWS
from models import check_in
from models.check_in import CheckIn, CheckOut
from models.ledger import Transfer
from models.members import Member, add_member
from models.outbox import Outbox
from models.pending import Pending
from models.schedule import JobSlot
from models.units import find_unit
from tests.dialogue import ON_SQLITE, direct, november, talk
from tests.fakes.street import Street

CLEAN_UP = "提醒：今天9:00「清洁家园」，中心花园。已报7人，到了请发 签到 12。"
EVERYWHERE = ("3栋群", "5栋群", "社区大群")


async def publish(street: Street, said: str, where: str = direct) -> None:
    """Lets the secretary announce something and confirm it."""
    await street.say("张敏", f"@小邻 发布活动 {said}", where=where)
    assert (await street.say("张敏", "确认", where=where)).startswith("已发布")


def slots(session: Session) -> list[tuple[str, datetime, str]]:
    return [
        tuple(row) for row in session.execute(select(JobSlot.job, JobSlot.slot, JobSlot.state).order_by(JobSlot.slot))
    ]


# -- reminders ----------------------------------------


async def test_two_hours_before_every_group_it_is_for_is_reminded_once(street: Street) -> None:
    await publish(street, "周六9点 包饺子 活动室", where="3栋群")
    # Those who come have been reminded a day before, alone; the groups have not.
    assert {push.to for push in await street.until(november(21, 6, 59))} == {"何叔", "小吴", "陈美玲", "赵强"}
    before = len(street.script.sent)
    merged = f"{CLEAN_UP}\n提醒：今天9:00「包饺子」，活动室。到了请发 签到 15。"
    assert await street.until(november(21, 7)) == [
        Push("3栋群", merged),
        *[Push(group, CLEAN_UP) for group in EVERYWHERE[1:]],
    ]
    assert await street.until(november(21, 8, 30)) == []
    assert sorted(street.script.sent[before:]) == sorted(
        [("3栋群", merged), *[(group, CLEAN_UP) for group in EVERYWHERE[1:]]]
    )

    def outbox(session: Session) -> list[Any]:
        rows = session.execute(
            select(Outbox.state, Outbox.ref, Outbox.expires_at).where(Outbox.group_id.is_not(None)).order_by(Outbox.id)
        )
        return [tuple(row) for row in rows]

    # A reminder that shows one activity can be quoted for it; one that shows two cannot.
    assert await street.house.books.read(outbox) == [
        ("sent", "", november(21, 9)),
        *[("sent", "activity:12", november(21, 9))] * (len(EVERYWHERE) - 1),
    ]


@ON_SQLITE
async def test_a_reminder_names_three_and_counts_the_rest(street: Street) -> None:
    for title in ("包饺子", "下象棋", "剪窗花", "写春联"):
        await publish(street, f"周六9点 {title} 活动室", where="5栋群")
    pushes = await street.until(november(21, 7))
    assert [push.text for push in pushes if push.to == "5栋群"] == [
        f"{CLEAN_UP}\n提醒：今天9:00「包饺子」，活动室。到了请发 签到 15。\n"
        "提醒：今天9:00「下象棋」，活动室。到了请发 签到 16。\n这时候还有2个活动，看活动请发 活动。"
    ]


@ON_SQLITE
async def test_what_begins_at_another_minute_has_a_reminder_of_its_own(street: Street) -> None:
    await publish(street, "周六9点半 包饺子 活动室")
    assert [push.text for push in await street.until(november(21, 8)) if push.to == "3栋群"] == [
        CLEAN_UP,
        "提醒：今天9:30「包饺子」，活动室。到了请发 签到 15。",
    ]


@ON_SQLITE
async def test_what_begins_after_midnight_is_announced_as_tomorrow(street: Street) -> None:
    await publish(street, "11月19日0点30分 看流星雨 中心花园")
    pushes = await street.until(november(18, 22, 30))
    assert {push.text for push in pushes} == {"提醒：明天0:30「看流星雨」，中心花园。到了请发 签到 15。"}


@ON_SQLITE
async def test_what_was_published_late_or_called_off_is_not_announced(street: Street) -> None:
    await street.until(november(21, 6, 30))
    await publish(street, "今天8点 晨练 中心花园")
    await talk(
        street,
        [
            (
                "张敏",
                direct,
                "取消活动 12",
                "要取消 12号活动「清洁家园」（11月21日 周六 9:00-11:00）吗？已有7人报名，我会逐个通知。\n"
                "确定请回复 确认。",
            ),
            ("张敏", direct, "确认", "已取消 12号活动「清洁家园」，正在通知4位邻居。"),
        ],
    )
    assert await street.until(november(21, 12)) == []


@ON_SQLITE
async def test_a_quoted_reminder_checks_in(street: Street) -> None:
    from handlers.chat import Quote

    await publish(street, "周六9点 包饺子 活动室", where="3栋群")
    await street.until(november(21, 8, 40))
    reply = await street.say("孙姐", "签到", where="5栋群", quote=Quote("bot", CLEAN_UP, "activity:12"))
    assert reply == "孙姐，「清洁家园」签到成功 8:40，积分+5（现有15分）。\n走的时候发一声 签退。"


# -- forgotten check-outs ----------------------------------------


@ON_SQLITE
async def test_more_forgotten_check_outs_than_one_unit_works_through_are_all_closed(street: Street) -> None:
    crowd = ROWS + 20

    def come(session: Session) -> None:
        unit = find_unit(session, community_id=1, name="5栋2单元")
        coming = check_in.find_coming(session, community_id=1, number=12, now=november(21, 9))
        assert coming is not None
        for number in range(crowd):
            member = add_member(session, community_id=1, name=f"志愿者{number}", unit=unit, now=november(1, 0))
            check_in.check_in(session, coming=coming, member_id=member, made_by=member, now=november(21, 9))

    await street.house.books.write(come)
    await street.until(november(21, 11))

    def closed(session: Session) -> Any:
        minutes = select(func.count(), func.min(CheckOut.minutes), func.max(CheckOut.minutes))
        return tuple(session.execute(minutes.where(CheckOut.at == november(21, 11))).one())

    assert await street.house.books.read(closed) == (crowd, 120, 120)
    told = await street.house.books.read(
        lambda s: s.scalar(select(func.count()).where(Outbox.key.like("closed:%"))).__int__()
    )
    assert told == crowd


@ON_SQLITE
async def test_who_checked_out_or_took_it_back_is_left_alone(street: Street) -> None:
    await street.until(november(21, 9))
    for name in ("王秀英", "李建国", "陈阿姨"):
        await street.say(name, "签到", where="3栋群")
    await street.say("李建国", "撤销")
    await street.until(november(21, 10, 55))
    await street.say("王秀英", "签退", where="3栋群")
    pushes = await street.until(november(21, 11, 59))
    assert [push.to for push in pushes] == ["陈阿姨"]
    assert (
        await street.house.books.read(
            lambda s: s.scalar(
                select(func.count())
                .select_from(CheckIn)
                .outerjoin(CheckOut, CheckOut.check_in_id == CheckIn.id)
                .where(CheckIn.undone_at.is_(None), CheckOut.id.is_(None))
            )
        )
        == 0
    )


@ON_SQLITE
async def test_a_check_out_that_was_taken_back_in_the_moment_of_the_end_is_closed_with_the_next_tick(
    street: Street,
) -> None:
    await street.until(november(21, 9))
    await street.say("王秀英", "签到", where="3栋群")
    await street.until(november(21, 10, 58))
    await street.say("王秀英", "签退", where="3栋群")
    await street.until(november(21, 11, 1))

    def stay(session: Session) -> None:
        out = session.execute(select(CheckOut.id).where(CheckOut.at == november(21, 10, 58))).scalar_one()
        check_in.undo_check_out(session, community_id=1, check_out_id=out, by=1, now=november(21, 10, 59))

    await street.house.books.write(stay)
    pushes = await street.until(november(21, 11, 2))
    assert [push.to for push in pushes] == ["王秀英"]

    def closed(session: Session) -> list[Any]:
        rows = session.execute(select(Transfer.amount, Transfer.at).where(Transfer.key.like("check-out:%")))
        return [tuple(row) for row in rows if row.at > november(21, 9)]

    # It counts for the moment in which the activity ended.
    assert await street.house.books.read(closed) == [(118, november(21, 10, 58)), (120, november(21, 11))]


# -- at night ----------------------------------------


async def test_the_nightly_proof_fails_loudly_on_a_wrong_balance(street: Street) -> None:
    async def change(by: int) -> None:
        await street.house.books.write(
            lambda s: s.execute(
                text(
                    "UPDATE balances SET amount = amount + :by WHERE currency = 'points'"
                    " AND member_id = (SELECT id FROM members WHERE name = '王秀英')"
                ),
                {"by": by},
            )
        )

    await change(7)
    await street.until(november(18, 4))
    await change(-7)
    await street.until(november(19, 4))

    def proofs(session: Session) -> list[Any]:
        query = select(JobSlot.slot, JobSlot.state, JobSlot.detail).where(JobSlot.job == "housekeeping.prove")
        return [tuple(row) for row in session.execute(query.order_by(JobSlot.slot))]

    member = await street.house.books.read(lambda s: s.scalar(select(Member.id).where(Member.name == "王秀英")))
    assert await street.house.books.read(proofs) == [
        (november(18, 3, 20), "failed", f"BooksWrong: balances.sum: ({member},)"),
        (november(19, 3, 20), "done", ""),
    ]


@ON_SQLITE
async def test_questions_that_are_over_are_dropped_at_night(street: Street) -> None:
    def waiting(session: Session) -> list[str]:
        return list(session.scalars(select(Pending.intent).order_by(Pending.intent)))

    await street.say("王秀英", "报名")
    await street.say("张敏", "发布活动 周六9点 包饺子 活动室")
    assert await street.house.books.read(waiting) == ["create_activity", "signup"]
    await street.until(november(18, 3, 30))
    await street.say("李建国", "报名")
    assert await street.house.books.read(waiting) == ["create_activity", "signup", "signup"]
    await street.house.books.write(
        lambda s: s.execute(
            Pending.__table__.update()  # type: ignore[attr-defined]
            .where(Pending.expires_at > november(18, 3))
            .values(expires_at=november(18, 3, 30) + timedelta(hours=1))
        )
    )
    await street.until(november(18, 4))
    assert await street.house.books.read(waiting) == ["signup"]
    assert [(job, state) for job, _, state in await street.house.books.read(slots)] == [
        ("broadcast.silent", "done"),
        ("housekeeping.prove", "done"),
        ("housekeeping.forget", "done"),
        ("membership.forget", "done"),
    ]
