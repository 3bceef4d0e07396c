"""现场: how strong a check-in is, the code of the day, photos and places, 替签, 补签, 时长, the poster."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import poster
from bot.books import Books
from models import check_in, ledger, photos, points
from models.activities import ActivityCancelled, cancel_activity, sign_up
from models.audit import Audit
from models.check_in import CheckIn, Shown, Terms, TooLateToMakeUp, TooManyCodes, Way
from models.check_in.ways import DayCode, WrongCode
from models.ledger import Currency
from models.members import Member, Role
from models.places import Location
from models.points import Rule, set_rule
from models.verify import violations
from tests.dialogue import ON_SQLITE, direct, november, silence, talk
from tests.fakes.pictures import PHOTO
from tests.fakes.street import Street
from tests.ground import Ground, lay, person, publish
from tests.moments import SATURDAY

GARDEN = Location(31.230400, 121.473700, "中心花园")
NEAR = Location(31.231100, 121.474600)
FAR = Location(31.257600, 121.473700)
DAY_BEFORE = november(20, 18)
OPEN = november(21, 8, 55)
OVER = november(21, 12)


def held(name: str, currency: Currency) -> Callable[[Session], int]:
    def unit(session: Session) -> int:
        member_id = session.scalars(select(Member.id).where(Member.name == name)).one()
        return ledger.balance_of(session, community_id=1, member_id=member_id, currency=currency)

    return unit


async def code_of(street: Street) -> int:
    return await street.house.books.read(lambda session: session.scalars(select(DayCode.code)).one())


# -- how strong ----------------------------------------


@ON_SQLITE
async def test_the_code_of_the_day_lets_in_whoever_has_read_it(street: Street) -> None:
    await talk(
        street,
        [
            DAY_BEFORE,
            ("王秀英", direct, "签到方式 12 签到码", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
            ("老赵", direct, "签到方式 12 签到码", "这件事不在您负责的范围里。您能办的事请发 帮助。"),
            (
                "张敏",
                direct,
                "签到方式 12",
                "「清洁家园」的签到方式：一句话。\n要改请发，例如 签到方式 12 签到码 照片。",
            ),
            (
                "张敏",
                direct,
                "签到方式 12 照片和喇叭",
                "没有「喇叭」这种签到方式，没有改。\n可以用：一句话、签到码、照片、到场。例如 签到方式 12 签到码 照片。",
            ),
            (
                "张敏",
                direct,
                "签到方式 12 签到码",
                "「清洁家园」的签到方式：签到码。\n签到码每天换一个，当天发 签到码 12 就能看到。",
            ),
            ("张敏", direct, "签到码 12", "「清洁家园」11月21日 周六 9:00 才用签到码，当天再发 签到码 12 看。"),
            OPEN,
            ("王秀英", direct, "签到码 12", "这件事不在您负责的范围里。您能办的事请发 帮助。"),
        ],
    )
    shown = await street.say("张敏", "签到码 12")
    code = await code_of(street)
    assert shown == (f"「清洁家园」今天的签到码：{code}\n请写在现场，不要发在群里。到的人发 签到 {code}。")
    wrong = code % 9000 + 1001 if code != 1000 else 2000
    await talk(
        street,
        [
            (
                "李建国",
                "3栋群",
                "签到 12",
                "「清洁家园」要现场的签到码。请看现场写着的四位数字，发 签到 加数字，例如 签到 1234。",
            ),
            (
                "王秀英",
                direct,
                "签到",
                "「清洁家园」要现场的签到码。请看现场写着的四位数字，回复这四个数字。",
            ),
            ("王秀英", direct, str(wrong), "签到码不对，请看清现场写的四位数字再发一次（还可以试4次）。"),
            (
                "王秀英",
                direct,
                f"签到 {code}",
                "王秀英，「清洁家园」签到成功 8:55，积分+5（现有21分）。\n走的时候发一声 签退。",
            ),
            ("王秀英", direct, f"签到 {code}", "您在「清洁家园」已经签过到了（11月21日 周六 8:55），不用再签。"),
            ("李建国", direct, f"签到码 {code}", f"到了现场请发 签到 {code}。"),
            ("李建国", direct, "签到 12", "「清洁家园」要现场的签到码。请看现场写着的四位数字，回复这四个数字。"),
            (
                "李建国",
                direct,
                str(code),
                "李建国，「清洁家园」签到成功 8:55，积分+5（现有9分）。\n走的时候发一声 签退。",
            ),
        ],
    )

    def ways(session: Session) -> list[str]:
        query = select(CheckIn.way).where(CheckIn.at >= november(21, 0)).order_by(CheckIn.id)
        return list(session.scalars(query))

    assert await street.house.books.read(ways) == ["code", "code"]


@ON_SQLITE
async def test_whoever_guesses_codes_has_to_wait(street: Street) -> None:
    await street.until(OPEN)
    await street.say("张敏", "签到方式 12 签到码")
    await street.say("张敏", "签到码 12")
    code = await code_of(street)
    wrong = [f"签到 {one}" for one in range(2000, 2010) if one != code][:5]
    sentence = "签到码不对，请看清现场写的四位数字再发一次（还可以试{}次）。"
    stop = "签到码错了5次，请一小时后再试，或者请现场的组织者给您补签。"
    await talk(
        street,
        [
            *(("王秀英", direct, said, sentence.format(4 - place)) for place, said in enumerate(wrong[:4])),
            ("王秀英", direct, wrong[4], "签到码不对，请一小时后再试，或者请现场的组织者给您补签。"),
            ("王秀英", direct, f"签到 {code}", stop),
            # Nobody else waits for it.
            (
                "李建国",
                direct,
                f"签到 {code}",
                "李建国，「清洁家园」签到成功 8:55，积分+5（现有9分）。\n走的时候发一声 签退。",
            ),
            november(21, 9, 56),
            (
                "王秀英",
                direct,
                f"签到 {code}",
                "王秀英，「清洁家园」签到成功 9:56，积分+5（现有21分）。\n走的时候发一声 签退。",
            ),
        ],
    )
    assert len(await street.house.books.read(lambda s: s.scalars(select(WrongCode.id)).all())) == 5


@ON_SQLITE
async def test_a_photo_or_a_place_is_as_good_as_the_organiser_says(street: Street) -> None:
    await talk(
        street,
        [
            DAY_BEFORE,
            ("张敏", direct, "签到方式 12 照片 签到码", "「清洁家园」的签到方式：签到码、照片（其中一样就行）。"
             "\n签到码每天换一个，当天发 签到码 12 就能看到。"),
            (
                "张敏",
                direct,
                "签到方式 13 到场",
                "请在活动的地方把位置发给我（点加号，选 位置），到场签到就照这个位置算。",
            ),
        ],
    )  # fmt: skip
    assert await street.say("张敏", "", location=GARDEN) == "「义诊」的签到方式：到场（200米内）。"
    await street.until(OPEN)
    ask = "「清洁家园」签到要一张现场照片，请接着发一张；看到签到码的，发 签到 加数字也行。"
    assert await street.say("王秀英", "签到 12") == ask
    done = "王秀英，「清洁家园」签到成功 8:55，积分+5（现有21分）。\n走的时候发一声 签退。"
    assert await street.say("王秀英", "", photos=(PHOTO,)) == done
    # One without words is a check-in by itself, for whoever is not there yet; then it is one more for the album.
    done = "李建国，「清洁家园」签到成功 8:55，积分+5（现有9分）。\n走的时候发一声 签退。"
    assert await street.say("李建国", "", photos=(PHOTO,)) == done
    kept = "照片收到，放进「清洁家园」的活动照片里了，谢谢！"
    for _ in range(4):
        assert await street.say("李建国", "", photos=(PHOTO,)) == kept
    assert await street.say("李建国", "", photos=(PHOTO,)) == "「清洁家园」的照片您已经发了5张，够了，谢谢！"
    assert await street.say("李建国", "撤销") == "已撤回刚才的照片。"
    assert await street.say("陈美玲", "", location=GARDEN) == (
        "收到了，可是现在没有要它的事。看看有什么活动，请发 活动。"
    )

    def album(session: Session) -> int:
        return len(photos.of(session, community_id=1, ref="activity:12"))

    assert await street.house.books.read(album) == 5
    assert await street.say("王秀英", "撤销") == "已撤销「清洁家园」的签到，积分一并退回。"
    assert await street.house.books.read(album) == 4
    await street.until(november(22, 8, 40))
    assert await street.say("王秀英", "签到 13") == "「义诊」要到了现场才能签。请接着发您的位置（点加号，选 位置）。"
    assert await street.say("王秀英", "", location=FAR) == (
        "您离「义诊」的地点还有约3.0公里，到了再发一次位置。\n人就在现场的话，请发 补签 13 加一句情况。"
    )
    assert (await street.say("王秀英", "", location=NEAR)).startswith("王秀英，「义诊」签到成功 8:40")


@ON_SQLITE
async def test_a_picture_out_of_the_blue_is_no_check_in_where_a_word_is_enough(street: Street) -> None:
    await street.until(november(22, 14, 20))
    asked = "照片是来签到的吗？是就回复序号：\n1 14号 反诈宣传"
    assert await street.say("王秀英", "", photos=(PHOTO,)) == asked
    assert (await street.say("王秀英", "1")).startswith("王秀英，「反诈宣传」签到成功 14:20")
    # What was just said of a post is what the picture shows.
    await street.say("小吴", "履职 4 浇了花")
    assert await street.say("小吴", "", photos=(PHOTO,)) == "照片收到，放进「环保护绿岗」的履职记录里了，谢谢！"


@ON_SQLITE
async def test_how_strong_it_is_can_be_said_at_publishing(street: Street) -> None:
    await talk(
        street,
        [
            (
                "张敏",
                direct,
                "发布活动 周六9点 护河 小河边 20人 3分 要签到码",
                "【护河】11月21日 周六 9:00-11:00\n地点：小河边；名额：20人；积分：3分；签到要签到码"
                "\n发布请回复 确认，不发回复 取消。",
            ),
            (
                "张敏",
                direct,
                "确认",
                "已发布 15号活动「护河」11月21日 周六 9:00-11:00，小河边。\n想参加的邻居请发 报名 15。",
            ),
            OPEN,
            ("何叔", direct, "签到 15", "「护河」要现场的签到码。请看现场写着的四位数字，回复这四个数字。"),
        ],
    )


@ON_SQLITE
async def test_what_was_asked_for_before_comes_back(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", direct, "签到方式 12 照片", "「清洁家园」的签到方式：照片。"),
            ("张敏", direct, "签到方式 12 一句话", "「清洁家园」的签到方式：一句话。"),
            ("张敏", direct, "撤销", "已改回「清洁家园」的签到方式：照片。"),
            # Nobody is asked for a photo before the doors open.
            ("王秀英", direct, "签到 12", "「清洁家园」还没到签到时间，11月21日 周六 8:30 开始签到。"),
            ("王秀英", direct, "签到 99", "没有找到 99号活动。看看有哪些活动，请发 活动。"),
        ],
    )


# -- for somebody else ----------------------------------------


async def test_a_neighbour_is_checked_in_by_another_and_can_say_no(street: Street) -> None:
    heard = await talk(
        street,
        [
            OPEN,
            (
                "李建国",
                "3栋群",
                "替 王秀英 签到",
                "王秀英（李建国替签），「清洁家园」签到成功 8:55，积分+5（现有21分）。\n走的时候发一声 签退。",
            ),
            (
                "张敏",
                direct,
                "签到情况 12",
                "「清洁家园」到了1人，报了名没到的4位。\n王秀英（李建国替签）",
            ),
            ("陈美玲", direct, "我没去 12", "没有人替您在这个活动签到。您自己签错了，十分钟内发 撤销。"),
            (
                "王秀英",
                direct,
                "我没去 12",
                "已撤销「清洁家园」替您的签到，积分一并退回。不是您的意思的话，也请告诉楼长。",
            ),
            ("王秀英", direct, "我没去 12", "没有人替您在这个活动签到。您自己签错了，十分钟内发 撤销。"),
            (
                "李建国",
                direct,
                "替 陈美玲 签到 12 2人",
                "陈美玲（李建国替签），「清洁家园」签到成功 8:55（共2人），积分+5（现有20分）。\n走的时候发一声 签退。",
            ),
            ("李建国", direct, "撤销", "已撤销「清洁家园」的签到，积分一并退回。"),
            (
                "李建国",
                direct,
                "替 陈美玲 签到 12",
                "陈美玲（李建国替签），「清洁家园」签到成功 8:55（共3人），积分+5（现有20分）。\n走的时候发一声 签退。",
            ),
            november(21, 10, 30),
            (
                "李建国",
                direct,
                "替 陈美玲 签退",
                "陈美玲（李建国替签），「清洁家园」签退成功，记服务时长 1小时30分，积分+1（现有21分），辛苦了！",
            ),
            ("李建国", direct, "替 何叔 签退", "何叔 现在没有签到中的活动，不用签退。"),
            (
                "李建国",
                direct,
                "替 孙姐 签到 12",
                "孙姐（李建国替签），「清洁家园」签到成功 10:30，积分+5（现有15分）。\n走的时候发一声 签退。",
            ),
            ("李建国", direct, "替 孙姐 签到 12", "孙姐 在「清洁家园」已经签过到了，不用再签。"),
            ("李建国", direct, "签到 王秀英 孙姐", "请一次替一位签，例如 替 王秀英 签到 12。"),
        ],
    )
    assert [(push.to, push.text.split("\n")[0]) for push in heard if push.to in ("王秀英", "陈美玲", "李建国")] == [
        ("陈美玲", "提醒您：明天9:00「清洁家园」，中心花园（共3人）。"),
        ("王秀英", "李建国 替您在「清洁家园」签到了（8:55）。"),
        ("李建国", "王秀英 说自己没去「清洁家园」，您替签的已经撤销了。"),
        ("陈美玲", "李建国 替您在「清洁家园」签到了（8:55）。"),
        ("陈美玲", "李建国 撤销了替您在「清洁家园」的签到。"),
        ("陈美玲", "李建国 替您在「清洁家园」签到了（8:55）。"),
        ("陈美玲", "李建国 替您在「清洁家园」签退了（10:30），记服务时长 1小时30分。"),
    ]


# -- 补签 ----------------------------------------


@ON_SQLITE
async def test_whoever_forgot_asks_and_the_organiser_decides(street: Street) -> None:
    heard = await talk(
        street,
        [
            OPEN,
            ("何叔", "5栋群", "今天去剪头发", silence),
            OVER,
            (
                "何叔",
                direct,
                "签到 12",
                "「清洁家园」已经结束了（11月21日 周六 11:00）。您来过的话，请发 补签 12 加一句情况，组织者会看。",
            ),
            (
                "何叔",
                direct,
                "补签 12 我忘签了",
                "已收到「清洁家园」的补签申请（1号），请组织者看一下。\n有结果我会告诉您。",
            ),
            ("何叔", direct, "补签 12 我忘签了", "「清洁家园」的补签申请（1号）已经在等组织者看了，不用再发。"),
            ("张敏", direct, "审核", "等您看的有1件：\n1号 补签 何叔「清洁家园」：我忘签了"
             "\n同意请回复 通过 1，不同意请回复 驳回 1 理由。"),
            ("张敏", direct, "通过 1", "已通过 1号：给 何叔 补签了「清洁家园」，记服务时长 2小时（组织者证明）。"),
            ("张敏", direct, "撤销", "已撤销 1号的决定：何叔 的「清洁家园」补签重新等人看。"),
            ("张敏", direct, "驳回 1 没看见人", "已驳回 1号：何叔 的「清洁家园」不补签（没看见人）。"),
            ("张敏", direct, "撤销", "已撤销 1号的决定：何叔 的「清洁家园」补签重新等人看。"),
            ("张敏", direct, "通过 1", "已通过 1号：给 何叔 补签了「清洁家园」，记服务时长 2小时（组织者证明）。"),
            ("何叔", direct, "补签 12", "您在「清洁家园」已经签过到了（11月21日 周六 9:00），不用再签。"),
            (
                "何叔",
                direct,
                "服务时长",
                "何叔，您的服务时长：签到签退记的 1小时43分，组织者证明的 2小时。"
                "\n两样分开记。哪次少了，请在活动结束7天内找组织者补。",
            ),
            november(28, 11),
            ("王秀英", direct, "补签 12 忘了", "「清洁家园」结束超过7天，补不了了。有疑问请找社区当面说。"),
        ],
    )  # fmt: skip
    told = [(push.to, push.text.split("\n")[0]) for push in heard if "补签" in push.text or "没签上" in push.text]
    assert told == [
        ("张敏", "何叔 说在「清洁家园」没签上到：我忘签了（1号）。"),
        ("何叔", "您的补签（1号）通过了：「清洁家园」，记服务时长 2小时（组织者证明），积分+7。"),
        ("何叔", "您在「清洁家园」的补签（1号）要重新看，请稍等，有结果我会告诉您。"),
        ("何叔", "您在「清洁家园」的补签（1号）没有通过：没看见人。"),
        ("何叔", "您在「清洁家园」的补签（1号）要重新看，请稍等，有结果我会告诉您。"),
        ("何叔", "您的补签（1号）通过了：「清洁家园」，记服务时长 2小时（组织者证明），积分+7。"),
    ]
    assert await street.house.books.read(held("何叔", Currency.VOUCHED_MINUTES)) == 120


@ON_SQLITE
async def test_the_organiser_makes_up_for_several_at_once_and_takes_it_back(street: Street) -> None:
    await talk(
        street,
        [
            OPEN,
            (
                "王秀英",
                "3栋群",
                "签到 12",
                "王秀英，「清洁家园」签到成功 8:55，积分+5（现有21分）。\n走的时候发一声 签退。",
            ),
            ("李建国", direct, "补签 12 何叔", "替别人补签要组织者来办，请本人发 补签 12 加一句情况。"),
            # Who came without a phone is let in while it goes on, and the organiser stands for the hours.
            ("张敏", direct, "补签 12 孙姐", "已给 孙姐 补签「清洁家园」。"),
            OVER,
            (
                "张敏",
                direct,
                "补签 12 王秀英 李建国 老魏",
                "已给 李建国、老魏 补签「清洁家园」，每人记服务时长 2小时（组织者证明）。\n王秀英 本来就签过到，没有动。",
            ),
            ("张敏", direct, "补签 12 王秀英", "王秀英 都签过「清洁家园」的到了，不用补。"),
            ("张敏", direct, "撤销", "已撤销「清洁家园」的补签。\n已撤销「清洁家园」的补签。"),
        ],
    )
    vouched = [await street.house.books.read(held(name, Currency.VOUCHED_MINUTES)) for name in ("孙姐", "李建国")]
    assert vouched == [120, 0]
    assert ("孙姐", True) in [
        (push.to, "记服务时长 2小时（组织者证明）" in push.text) for push in street.pushes if "没有签退" in push.text
    ]


async def test_a_wrong_make_up_is_struck_long_after_and_the_person_hears_why(street: Street) -> None:
    before = await street.house.books.read(held("孙姐", Currency.POINTS))
    gone = "，荣誉时 2小时，积分 7 一并退回"
    preview = f"孙姐 在「清洁家园」的补签会撤掉（写错了人）{gone}。\n请回复 确认，不撤回复 取消。"
    struck = f"已撤掉 孙姐 在「清洁家园」的补签{gone}。\n撤错了请发 撤销。"
    heard = await talk(
        street,
        [
            OPEN,
            (
                "王秀英",
                "3栋群",
                "签到 12",
                "王秀英，「清洁家园」签到成功 8:55，积分+5（现有21分）。\n走的时候发一声 签退。",
            ),
            OVER,
            ("张敏", direct, "补签 12 孙姐", "已给 孙姐 补签「清洁家园」，记服务时长 2小时（组织者证明）。"),
            november(23, 12),
            ("李建国", direct, "撤签 12 孙姐 写错了人", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
            ("张敏", direct, "撤签 12 王秀英 写错了人", "王秀英 在「清洁家园」的签到不是补的，这里不撤。有疑问请和社区说一声。"),
            ("张敏", direct, "撤签 12 何叔 写错了人", "何叔 在「清洁家园」没有补签，不用撤。"),
            ("张敏", direct, "撤签 12 孙姐 写错了人", preview),
            ("张敏", direct, "取消", "好的，不办了。"),
            ("张敏", direct, "撤签 12 孙姐 写错了人", preview),
            ("张敏", direct, "确认", struck),
            ("张敏", direct, "撤销", "孙姐 在「清洁家园」的补签恢复了。"),
            ("张敏", direct, "撤签 12 孙姐 写错了人", preview),
            ("张敏", direct, "确认", struck),
            ("张敏", direct, "撤签 12 孙姐 写错了人", "孙姐 在「清洁家园」没有补签，不用撤。"),
        ],
    )  # fmt: skip
    told = f"张敏 撤掉了您在「清洁家园」的补签（写错了人）{gone}。\n不对请和社区说一声。"
    assert [push.text for push in heard if push.to == "孙姐" and re.search("撤掉|恢复", push.text)] == [
        told,
        "张敏 恢复了您在「清洁家园」的补签，荣誉时 2小时，积分 7。",
        told,
    ]
    assert await street.house.books.read(held("孙姐", Currency.VOUCHED_MINUTES)) == 0
    assert await street.house.books.read(held("孙姐", Currency.POINTS)) == before
    assert await street.violations() == []


@ON_SQLITE
async def test_a_stay_of_a_member_merged_since_is_struck_and_written_but_once(street: Street) -> None:
    """孙姐 turns out to be 老魏: what was made up for her is his, is struck as his, and is not made up again."""
    await street.until(OVER)
    await street.say("张敏", "补签 12 孙姐")
    await street.say("张敏", "合并 老魏 孙姐")
    assert (await street.say("张敏", "确认")).startswith("已合并（")
    points = await street.house.books.read(held("老魏", Currency.POINTS))
    gone = "，荣誉时 2小时，积分 7 一并退回"
    await talk(
        street,
        [
            ("张敏", direct, "补签 12 老魏", "老魏 都签过「清洁家园」的到了，不用补。"),
            ("张敏", direct, "撤签 12 老魏 没来", f"老魏 在「清洁家园」的补签会撤掉（没来）{gone}。\n请回复 确认，不撤回复 取消。"),
            ("张敏", direct, "确认", f"已撤掉 老魏 在「清洁家园」的补签{gone}。\n撤错了请发 撤销。"),
            ("张敏", direct, "撤签 12 老魏 没来", "老魏 在「清洁家园」没有补签，不用撤。"),
            ("张敏", direct, "补签 12 老魏", "已给 老魏 补签「清洁家园」，记服务时长 2小时（组织者证明）。"),
        ],
    )  # fmt: skip
    assert await street.house.books.read(held("老魏", Currency.POINTS)) == points
    assert await street.house.books.read(held("老魏", Currency.VOUCHED_MINUTES)) == 120


@ON_SQLITE
async def test_what_was_entered_from_paper_or_while_it_goes_on_is_struck_and_restored(street: Street) -> None:
    struck = "已撤掉 {} 在「清洁家园」的补签，{}积分 {} 一并退回。\n撤错了请发 撤销。"
    await talk(street, [november(21, 9, 30), ("张敏", direct, "补签 12 孙姐", "已给 孙姐 补签「清洁家园」。")])
    await street.say("张敏", "撤签 12 孙姐 写错了人")
    assert await street.say("张敏", "确认") == struck.format("孙姐", "", 5)
    # Who is let in again is there since half past nine as before, and is checked out at the end.
    assert await street.say("张敏", "撤销") == "孙姐 在「清洁家园」的补签恢复了。"
    await street.until(OVER)
    await street.say("张敏", "补录 12 王秀英1小时")
    await street.say("张敏", "确认")
    await street.until(november(22, 12))
    await street.say("张敏", "撤签 12 王秀英 没来")
    assert await street.say("张敏", "确认") == struck.format("王秀英", "荣誉时 1小时，", 6)
    assert await street.say("张敏", "撤销") == "王秀英 在「清洁家园」的补签恢复了。"
    minutes = [await street.house.books.read(held(name, Currency.VOUCHED_MINUTES)) for name in ("孙姐", "王秀英")]
    assert minutes == [90, 60]
    assert await street.violations() == []


@ON_SQLITE
async def test_hours_are_vouched_for_apart_from_what_was_recorded(street: Street) -> None:
    heard = await talk(
        street,
        [
            OPEN,
            (
                "王秀英",
                "3栋群",
                "签到 12",
                "王秀英，「清洁家园」签到成功 8:55，积分+5（现有21分）。\n走的时候发一声 签退。",
            ),
            november(21, 9, 30),
            (
                "王秀英",
                "3栋群",
                "签退",
                "王秀英，「清洁家园」签退成功，记服务时长 30分钟，辛苦了！",
            ),
            ("张敏", direct, "时长 12 王秀英 2小时", "「清洁家园」还没结束，结束以后再记时长。"),
            OVER,
            ("王秀英", direct, "时长 12 王秀英 2小时", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
            (
                "张敏",
                direct,
                "时长 12 孙姐 2小时",
                "孙姐 没有在「清洁家园」签到。人来了的话，请先发 补签 12 孙姐。",
            ),
            ("张敏", direct, "时长 12 2小时", "给谁记？请写姓名，或写 全部，例如 时长 12 王秀英 2小时。"),
            ("张敏", direct, "时长 12 王秀英 30分钟", "王秀英 的签到签退已经记了30分钟，不用再记。"),
            # The machine has recorded half an hour; the rest is vouched for, and never more than the activity is long.
            (
                "张敏",
                direct,
                "时长 12 王秀英 5小时",
                "已给 王秀英 记「清洁家园」服务时长 1小时30分（组织者证明），签到签退已经记了30分钟，积分+2。",
            ),
            ("张敏", direct, "时长 12 全部 2小时", "「清洁家园」签退的人都已经记满2小时了，不用再记。"),
            ("张敏", direct, "时长 12 王秀英 1小时", "已给 王秀英 记「清洁家园」服务时长 30分钟（组织者证明），"
             "签到签退已经记了30分钟，积分+1。"),
            ("王秀英", direct, "服务时长", "王秀英，您的服务时长：签到签退记的 5小时39分，组织者证明的 30分钟。"
             "\n两样分开记。哪次少了，请在活动结束7天内找组织者补。"),
            # What had been vouched for before stands again.
            ("张敏", direct, "撤销", "已撤销 王秀英 的「清洁家园」时长。"),
            ("张敏", direct, "时长 12 全部 2小时", "「清洁家园」签退的人都已经记满2小时了，不用再记。"),
        ],
    )  # fmt: skip
    assert await street.house.books.read(held("王秀英", Currency.VOUCHED_MINUTES)) == 90
    assert [push.text for push in heard if "证明" in push.text][:1] == [
        "张敏 给您记了「清洁家园」服务时长 1小时30分（组织者证明），积分+2。"
    ]


# -- the poster ----------------------------------------


@pytest.mark.parametrize(
    ("number", "code", "public_url", "content"),
    [
        (12, None, "", "签到 12"),
        (12, 4821, "", "签到 4821"),
        (12, None, "https://bot.example.com", "https://bot.example.com/here/12"),
        (12, 4821, "https://bot.example.com", "https://bot.example.com/here/12-4821"),
    ],
)
def test_a_qr_code_holds_what_to_send_or_where_it_is_shown(
    number: int, code: int | None, public_url: str, content: str
) -> None:
    assert poster.content_of(number, code, public_url) == content
    assert poster.qr_png(content).startswith(b"\x89PNG")


async def test_the_page_behind_the_code_says_what_to_send_and_nothing_else() -> None:
    app = web.Application()
    app.add_routes(poster.routes())
    async with TestClient(TestServer(app)) as client:
        for path, words in (("12", "签到 12"), ("12-4821", "签到 4821"), ("0-1000", "签到 1000")):
            response = await client.get(f"/here/{path}")
            assert f"<b>{words}</b>" in await response.text()
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        for path in ("", "12-482", "12-48211", "<b>", "12%0A", "转账100元", "1234567"):
            assert (await client.get(f"/here/{path}")).status == 404


@ON_SQLITE
async def test_the_poster_comes_over_a_link_and_carries_the_code_on_the_day(street: Street) -> None:
    told = "这里还发不了海报的链接，请管理员在电脑上用 linli poster 12 做出来打印。"
    assert await street.say("张敏", "海报 12") == told
    http = street.house.config.http.model_copy(update={"public_url": "https://bot.example.com"})
    street.house.rules["http"] = http
    assert "不在您负责的范围" in await street.say("老赵", "海报 12")
    await street.say("张敏", "签到方式 12 签到码")
    text = await street.say("张敏", "海报 12")
    assert re.fullmatch(
        r"「清洁家园」的海报，一小时内点开，只能取一次，可以存图或打印：\nhttps://bot.example.com/files/\S{32}", text
    )

    def page(session: Session) -> str:
        return poster.poster_page(
            session, community_id=1, number=12, now=street.house.clock.now(), public_url="https://bot.example.com"
        ).decode()

    before = await street.house.books.read(page)
    assert "&emsp;" in before
    assert "签到 加签到码" in before
    await street.until(OPEN)
    await street.say("张敏", "海报 12")
    code = await code_of(street)
    today = await street.house.books.read(page)
    assert f">{code}</p>" in today
    assert f"签到 {code}" in today


# -- rules ----------------------------------------


@pytest.mark.parametrize(
    ("ways", "shown", "way", "metres"),
    [
        ((Way.WORD,), Shown(), Way.WORD, None),
        ((Way.WORD,), Shown(code=True, photo=True, location=FAR), Way.WORD, None),
        ((Way.CODE,), Shown(), None, None),
        ((Way.CODE,), Shown(photo=True), None, None),
        ((Way.CODE,), Shown(code=True), Way.CODE, None),
        ((Way.CODE, Way.PHOTO), Shown(photo=True), Way.PHOTO, None),
        ((Way.WORD, Way.PHOTO), Shown(photo=True), Way.PHOTO, None),
        ((Way.PLACE,), Shown(location=GARDEN), Way.PLACE, None),
        ((Way.PLACE,), Shown(location=NEAR), Way.PLACE, None),
        ((Way.PLACE,), Shown(location=FAR), None, 3025),
        ((Way.PLACE, Way.CODE), Shown(code=True, location=FAR), Way.CODE, None),
    ],
)
def test_one_of_the_ways_is_enough(ways: tuple[Way, ...], shown: Shown, way: Way | None, metres: int | None) -> None:
    proof = check_in.prove(Terms(ways, GARDEN, 200), shown)
    assert proof.way is way
    if way is None:
        assert proof.metres == (None if metres is None else pytest.approx(metres, abs=2))


def _came(session: Session, ground: Ground, number: int, name: str, at: Any, **how: Any) -> check_in.CheckedIn:
    coming = check_in.find_coming(session, community_id=ground.community.id, number=number, now=at)
    assert coming is not None
    return check_in.check_in(
        session, coming=coming, member_id=ground.people[name], made_by=ground.people[name], now=at, **how
    )


async def test_codes_differ_by_activity_and_day_and_are_no_numbers(books: Books) -> None:
    def tried(session: Session) -> None:
        ground = lay(session)
        first = publish(session, ground)
        second = publish(session, ground)
        long = publish(session, ground, minutes=60 * 30)

        def code(activity: Any, draws: list[int], now: Any = SATURDAY) -> int:
            return check_in.code_of_the_day(session, activity=activity, draws=draws, now=now)

        assert code(first, [1234]) == 1234
        assert code(first, [5678]) == 1234
        assert code(second, [1234, 1234, 4321]) == 4321
        assert code(long, [1111, 2222]) == 1111
        assert code(long, [1111, 2222], SATURDAY + timedelta(days=1)) == 1111
        with pytest.raises(check_in.NotToday):
            code(first, [1], SATURDAY + timedelta(days=1))
        here = {"community_id": ground.community.id, "now": SATURDAY}
        assert check_in.activity_with_code(session, code=4321, **here) == second.number
        assert check_in.activity_with_code(session, code=9999, **here) is None
        # 王五 belongs to another community, where no code of ours is known.
        assert check_in.activity_with_code(session, community_id=ground.elsewhere.id, code=4321, now=SATURDAY) is None
        for _ in range(check_in.ways.TRIES):
            check_in.wrong_code(session, member_id=ground.people["何叔"], **here)
        with pytest.raises(TooManyCodes):
            check_in.refuse_guessing(session, member_id=ground.people["何叔"], **here)
        later = {**here, "now": SATURDAY + timedelta(hours=1)}
        check_in.refuse_guessing(session, member_id=ground.people["何叔"], **later)
        assert violations(session) == []

    await books.write(tried)


HOURLY = Rule(2, 1, 0, 0, 100, 20, 6, 100)


async def test_a_stay_by_word_is_capped_and_its_points_are_of_its_day(books: Books) -> None:
    def tried(session: Session) -> None:
        ground = lay(session)
        set_rule(session, community_id=ground.community.id, kind="activity", rule=HOURLY, since=SATURDAY - timedelta(1))
        activity = publish(session, ground, minutes=150)
        # What is given for hours later does not change what was served before.
        set_rule(
            session, community_id=ground.community.id, kind="activity", rule=points.NO_RULE,
            since=activity.ends_at + timedelta(hours=1),
        )  # fmt: skip
        by = ground.people["张敏"]

        def stayed(name: str, **how: Any) -> tuple[int, int]:
            done = check_in.vouch_stay(session, activity=activity, member_id=ground.people[name], by=by, **how)
            return done.minutes, done.points

        assert stayed("王秀英") == (150, 4)
        assert stayed("李建国", minutes=600) == (150, 4)
        assert stayed("陈美玲", minutes=60) == (60, 3)
        assert stayed("孙姐", minutes=0) == (0, 2)
        assert stayed("何叔", came=activity.ends_at - timedelta(minutes=61)) == (61, 3)
        assert stayed("老赵", came=activity.ends_at + timedelta(hours=5)) == (1, 2)
        with pytest.raises(check_in.AlreadyCheckedIn):
            stayed("王秀英")
        came = check_in.who_came(session, community_id=ground.community.id, activity_id=activity.id)
        assert {(one.name, one.minutes, one.vouched) for one in came} >= {("王秀英", 0, 150), ("孙姐", 0, 0)}
        (wang,) = session.scalars(select(CheckIn.id).where(CheckIn.member_id == ground.people["王秀英"])).all()
        check_in.undo_check_in(session, community_id=ground.community.id, check_in_id=wang, by=by, now=activity.ends_at)
        for currency in Currency:
            assert not ledger.balance_of(
                session, community_id=ground.community.id, member_id=ground.people["王秀英"], currency=currency
            )
        cancelled = publish(session, ground)
        cancel_activity(session, activity=cancelled, reason="", by=by, now=SATURDAY - timedelta(hours=1))
        with pytest.raises(ActivityCancelled):
            check_in.vouch_stay(session, activity=cancelled, member_id=ground.people["何叔"], by=by)
        assert violations(session) == []

    await books.write(tried)


async def test_who_did_not_come_has_a_place_and_no_check_in_and_waits_for_nothing(books: Books) -> None:
    def tried(session: Session) -> None:
        ground = lay(session)
        activity = publish(session, ground, quota=4)
        here = {"community_id": ground.community.id, "activity_id": activity.id}
        for name in ("王秀英", "李建国", "陈美玲", "何叔", "孙姐"):
            sign_up(
                session, activity=activity, member_id=ground.people[name], companions=0,
                made_by=ground.people[name], now=SATURDAY - timedelta(days=1), companions_max=5,
            )  # fmt: skip
        _came(session, ground, activity.number, "王秀英", SATURDAY)
        after = activity.ends_at + timedelta(hours=1)
        asked = check_in.ask_make_up(
            session,
            activity=activity,
            member_id=ground.people["李建国"],
            reason="忘了",
            came_at=None,
            now=after,
            days=7,
        )
        # 孙姐 only waited for a place.
        assert check_in.who_did_not_come(session, **here) == [ground.people["陈美玲"], ground.people["何叔"]]
        check_in.decide_make_up(
            session, reviewer=person(session, "张敏"), role=Role.BUILDING_LEAD, number=asked.number, approve=False,
            answer="没来", now=after,
        )  # fmt: skip
        assert len(check_in.who_did_not_come(session, **here)) == 3
        assert check_in.missed_lately(
            session, community_id=ground.community.id, member_id=ground.people["何叔"], now=after, days=7
        ) == [activity.number]
        for reviewer, number in ((person(session, "老魏"), asked.number), (person(session, "张敏"), 99)):
            with pytest.raises(check_in.NoSuchMakeUp):
                check_in.decide_make_up(
                    session,
                    reviewer=reviewer,
                    role=Role.BUILDING_LEAD,
                    number=number,
                    approve=True,
                    answer="",
                    now=after,
                )
        with pytest.raises(TooLateToMakeUp):
            check_in.ask_make_up(
                session, activity=activity, member_id=ground.people["何叔"], reason="", came_at=None,
                now=activity.ends_at + timedelta(days=7), days=7,
            )  # fmt: skip
        assert violations(session) == []

    await books.write(tried)


@ON_SQLITE
async def test_what_was_done_for_whom_stands_in_the_audit(street: Street) -> None:
    await street.until(OPEN)
    await street.say("李建国", "替 王秀英 签到 12")

    def detail(session: Session) -> dict[str, Any]:
        return session.scalars(select(Audit.detail).where(Audit.action == "check_in")).one()

    found = await street.house.books.read(detail)
    assert (found["activity"], found["points"]) == (12, 5)
    assert isinstance(found["member"], int)
