"""服务队: holders belong to the squad of their post, and its leader can say a word to all of them."""

from sqlalchemy import select

from bot.script import Push
from models.directory import add_endpoint, add_group
from models.organisation import UnitMember
from models.units import find_unit
from tests.dialogue import ON_SQLITE, direct, talk
from tests.fakes.street import Street

SEVERAL = (
    "服务队有2支：红马甲服务队（{}人）、银龄巡逻队（10人）。\n看一支请发 服务队 加名字，例如 服务队 红马甲服务队。"
)


@ON_SQLITE
async def test_squads_are_listed_with_their_posts(street: Street) -> None:
    one = await street.say("王秀英", "服务队 红马甲服务队")
    leader = one.partition("队长 ")[2].partition("。")[0]
    await talk(
        street,
        [
            ("王秀英", "3栋群", "@小邻 服务队", SEVERAL.format(16)),
            (
                "王秀英", direct, "服务队 红马甲服务队",
                f"红马甲服务队：16人，队长 {leader}。\n岗位：4号 环保护绿岗（缺2人）。\n想加入请认领一个岗位，例如 认领 4。",
            ),
            (
                "王秀英", "3栋群", "@小邻 红马甲服务队有谁",
                f"红马甲服务队：16人，队长 {leader}。\n岗位：4号 环保护绿岗（缺2人）。\n想加入请认领一个岗位，例如 认领 4。",
            ),
            ("王秀英", direct, "服务队 春风队", "「春风队」不是服务队。看看有哪些，请发 服务队。"),
        ],
    )  # fmt: skip


async def test_who_holds_a_post_of_a_squad_belongs_to_it_for_as_long(street: Street) -> None:
    async def members() -> int:
        return int((await street.say("王秀英", "服务队")).partition("（")[2].partition("人")[0])

    assert await members() == 16
    await street.say("李建国", "认领 4")
    assert await members() == 17
    # A second post of the squad keeps what the first one began.
    await street.say("张敏", "改岗位 7 服务队 红马甲服务队")
    await street.say("李建国", "认领 7")
    await street.say("李建国", "退岗 4")
    assert await members() == 17
    await street.say("李建国", "退岗 7")
    assert await members() == 16
    await street.say("李建国", "撤销")
    assert await members() == 17
    # Who was there before holding a post stays.
    await street.say("小吴", "退岗 4")
    assert await members() == 17
    # A post that goes to another squad takes its holders along.
    await street.say("张敏", "改岗位 7 服务队 银龄巡逻队")
    assert await members() == 16
    rows = await street.house.books.read(
        lambda session: session.scalars(select(UnitMember.id).where(UnitMember.until.is_(None))).all()
    )
    assert len(rows) == len(set(rows))


async def test_a_word_goes_to_the_squads_group_or_else_to_each_of_its_people(street: Street) -> None:
    said = "【银龄巡逻队】周六八点集合\n——张敏"
    pushes = await talk(
        street,
        [
            (
                "张敏", direct, "队里通知 银龄巡逻队 周六八点集合",
                "要发给银龄巡逻队的10位队员吗？\n周六八点集合\n发请回复 确认，不发回复 取消。",
            ),
            ("张敏", direct, "确认", "已发给银龄巡逻队的10位队员。"),
            ("王秀英", direct, "队里通知 银龄巡逻队 周六八点集合", "这件事不在您负责的范围里。您能办的事请发 帮助。"),
            ("张敏", direct, "队里通知 3栋 周六八点集合", "「3栋」不是服务队。看看有哪些，请发 服务队。"),
        ],
    )  # fmt: skip
    assert {push.text for push in pushes} == {said}
    assert len({push.to for push in pushes}) == len(pushes) == 10

    def bind(session):  # type: ignore[no-untyped-def]
        squad = find_unit(session, community_id=1, name="银龄巡逻队")
        group = add_group(session, community_id=1, unit=squad, name="银龄群", now=street.house.clock.now())
        add_endpoint(
            session, community_id=1, group_id=group, channel="simulator", address="银龄群",
            now=street.house.clock.now(),
        )  # fmt: skip

    await street.house.books.write(bind)
    pushes = await talk(
        street,
        [
            (
                "张敏", direct, "队里通知 银龄巡逻队 周六八点集合",
                "要发给银龄巡逻队的群吗？\n周六八点集合\n发请回复 确认，不发回复 取消。",
            ),
            ("张敏", direct, "确认", "已发给银龄巡逻队的群。"),
        ],
    )  # fmt: skip
    assert pushes == [Push("银龄群", said)]
