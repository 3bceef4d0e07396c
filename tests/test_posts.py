"""岗位, 认领 and 退岗 as neighbours say them: who does what, who waits, who is told, and what nobody else may read."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from bot.script import Push
from models.audit import LOOK, Audit
from models.directory import Identity
from models.members import Member
from models.outbox import Outbox
from tests.dialogue import ON_SQLITE, direct, november, silence, talk, to_groups
from tests.fakes.street import Street, deaf_to, muted, reserved

DUTY_3 = "要做的：晚上在小区里转两圈，看看门锁和灯；每周两次；小区各处。"
DUTY_4 = "要做的：捡拾垃圾，给花浇水；每周一次；中心花园。"
DUTY_5 = "要做的：给独居的老人敲敲门、打个电话；每周两次；各门栋。"
DUTY_7 = "要做的：疏通楼道下水，冬天看防冻；有事随叫；各单元。"
TERM = "任期到2026年12月31日"
DOOR_CODE = "工具柜在1栋门厅，密码 2580"
DETAILS = f"7号「下水道维修岗」内部说明（只给在岗的人看）：\n{DOOR_CODE}"
ASKED = "{} 想和您一起认领 {}号「{}」。\n愿意请发 认领 {}，不愿意请发 退岗 {}。"
STRANGER = "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"


@ON_SQLITE
async def test_the_list_shows_what_wants_people_first_and_for_whom_it_is(street: Street) -> None:
    await talk(
        street,
        [
            (
                "王秀英", "3栋群", "@小邻 岗位",
                "3号 治安巡逻岗（缺1人）\n4号 环保护绿岗（缺2人）轻活\n6号 邻里纠纷调解岗（缺1人，要审批）轻活\n"
                "还有7号 下水道维修岗、5号 门栋关照岗，看哪个请发 岗位 加编号，例如 岗位 7。",
            ),
            (
                "王秀英", direct, "没人认领的岗位",
                "3号 治安巡逻岗（缺1人）\n4号 环保护绿岗（缺2人）轻活\n6号 邻里纠纷调解岗（缺1人，要审批）轻活\n"
                "还有7号 下水道维修岗，看哪个请发 岗位 加编号，例如 岗位 7。",
            ),
            (
                "王秀英", "3栋群", "@小邻 腿脚不好的能干啥",
                "4号 环保护绿岗（缺2人）轻活\n6号 邻里纠纷调解岗（缺1人，要审批）轻活\n5号 门栋关照岗（已满）轻活\n"
                "看看做什么请发 岗位 4，认领请发 认领 4。",
            ),
            (
                "陈美玲", direct, "岗位 环保",
                f"4号「环保护绿岗」环保类，3个名额，缺2人；在岗：小吴\n{DUTY_4}\n"
                f"负责人：胡云霞，{TERM}，履职一次2分，轻活\n认领请发 认领 4；两个人一起请发 认领 4 和 姓名 一起。",
            ),
            ("陈美玲", direct, "岗位 图书管理岗", "没有找到这样的岗位。全部的请发 岗位。"),
            ("陈美玲", "3栋群", "岗位 大家坚守好", silence),
            ("陈美玲", "3栋群", "能干啥", silence),
        ],
    )  # fmt: skip


@ON_SQLITE
async def test_posts_are_spoken_of_in_the_words_of_neighbours(street: Street) -> None:
    light = "4号 环保护绿岗（缺2人）轻活\n6号 邻里纠纷调解岗（缺1人，要审批）轻活"
    full = (
        f"5号「门栋关照岗」关照类，2个名额，已满；在岗：陈美玲、何婶\n{DUTY_5}\n"
        f"负责人：老赵，{TERM}，履职一次2分，轻活\n现在满员。想候补请发 认领 5，空出来先问您。"
    )
    pushes = await talk(
        street,
        [
            (
                "王秀英", direct, "有没有轻松点的岗",
                f"{light}\n5号 门栋关照岗（已满）轻活\n看看做什么请发 岗位 4，认领请发 认领 4。",
            ),
            ("王秀英", direct, "门栋关照还缺几个", full),
            ("王秀英", direct, "有啥活能在家干的", "没有写明在家就能做的岗位。不费力的请发 轻活岗位。"),
            (
                "王秀英", direct, "门栋关照岗有人没 没有我顶上",
                "「门栋关照岗」已经有人做了，没有替您认领。想候补请发 认领 5。",
            ),
            (
                "王秀英", direct, "那个修下水道的岗有人没 没有我顶上",
                f"7号「下水道维修岗」归 王秀英 了，{TERM}，谢谢您！\n{DUTY_7}\n内部说明：{DOOR_CODE}",
            ),
            (
                "王秀英", direct, "我想换个岗",
                f"3号 治安巡逻岗（缺1人）\n{light}\n看好了先发 认领 3，接下来了再发 退岗 7。",
            ),
            ("王秀英", "3栋群", "4号我要了", silence),
            (
                "王秀英", "3栋群", "绿化那个活儿我接了",
                f"4号「环保护绿岗」归 王秀英 了，{TERM}，谢谢您！\n{DUTY_4}",
            ),
            # A sigh among neighbours gives nothing up, and of whoever has no such post nobody hears.
            (
                "王秀英", "社区大群", "护绿岗我不想干了 太累人了",
                "王秀英，要退出 4号「环保护绿岗」吗？退就回复 是，接着做回复 不是。",
            ),
            ("王秀英", "社区大群", "不是", "好的，不办了。"),
            ("孙姐", "社区大群", "护绿岗我不想干了 太累人了", silence),
            ("王秀英", direct, "护绿岗太晒，干不动了", "王秀英 已退出「环保护绿岗」，谢谢您这段时间的付出！"),
            (
                "何叔", direct, "巡逻岗让给孙姐做",
                "已问 孙姐，同意了我就告诉您。没答复前，3号「治安巡逻岗」还是您的。",
            ),
        ],
    )  # fmt: skip
    assert [push.to for push in pushes][:1] == ["胡云霞"]
    assert "原因：太晒" in pushes[0].text


@ON_SQLITE
async def test_one_post_is_shown_with_its_holders_and_what_can_be_done(street: Street) -> None:
    await talk(
        street,
        [
            (
                "王秀英", "3栋群", "@小邻 岗位 3",
                f"3号「治安巡逻岗」巡逻类，2个名额，缺1人；在岗：何叔\n{DUTY_3}\n"
                f"负责人：孙丽，{TERM}，履职一次2分\n认领请发 认领 3；两个人一起请发 认领 3 和 姓名 一起。",
            ),
            (
                "王秀英", direct, "5号岗位",
                f"5号「门栋关照岗」关照类，2个名额，已满；在岗：陈美玲、何婶\n{DUTY_5}\n"
                f"负责人：老赵，{TERM}，履职一次2分，轻活\n现在满员。想候补请发 认领 5，空出来先问您。",
            ),
            (
                "陈美玲", direct, "岗位 5",
                f"5号「门栋关照岗」关照类，2个名额，已满；在岗：陈美玲、何婶\n{DUTY_5}\n"
                f"负责人：老赵，{TERM}，履职一次2分，轻活\n您在岗，{TERM}。不能做了请发 退岗 5。",
            ),
            ("王秀英", direct, "岗位 99", "没有找到 99号岗位。看看有哪些岗位，请发 岗位。"),
            ("陌生人", "3栋群", "@小邻 岗位 5", STRANGER),
            ("陌生人", direct, "认领 5", STRANGER),
            ("陈美玲", direct, "我的岗位", f"5号 门栋关照岗 在岗，{TERM}\n看要做什么请发 岗位 5，不能做了请发 退岗 5。"),
            ("王秀英", direct, "我的岗位", "您现在没有岗位。看看有哪些，请发 岗位。"),
        ],
    )  # fmt: skip


async def test_a_claim_is_held_with_its_door_code_in_private_and_taken_back(street: Street) -> None:
    pushes = await talk(
        street,
        [
            (
                "何叔", "3栋群", "認領7 吧",
                "7號「下水道維修崗」歸 何叔 了，任期到2026年12月31日，謝謝您！\n"
                "要做的：疏通樓道下水，冬天看防凍；有事隨叫；各單元。\n內部說明已私信您。",
            ),
            ("何叔", direct, "认领 7", f"何叔 已经在「下水道维修岗」了，{TERM}，不用再认领。"),
            ("何叔", direct, "岗位细节 7", DETAILS),
            ("王秀英", direct, "岗位细节 7", "「下水道维修岗」的内部说明只给在岗的人和负责人看。"),
            ("张敏", direct, "门禁码 7", DETAILS),
            ("何叔", "3栋群", "@小邻 岗位细节 7", "这件事请私聊我说：打开和我的单聊，发 岗位细节 7。"),
            ("何叔", direct, "退岗 7", "何叔 已退出「下水道维修岗」，谢谢您这段时间的付出！"),
            ("何叔", direct, "岗位细节 7", "「下水道维修岗」的内部说明只给在岗的人和负责人看。"),
            ("何叔", direct, "撤销", "已恢复：何叔 还在「下水道维修岗」。"),
            (
                "李建国", direct, "认领 4",
                f"4号「环保护绿岗」归 李建国 了，{TERM}，谢谢您！\n{DUTY_4}",
            ),
            ("李建国", direct, "撤销", "已撤销「环保护绿岗」的认领。"),
            ("李建国", direct, "撤销", "最近10分钟里没有可以撤销的事。时间久了请找楼长或社区帮忙改。"),
        ],
    )  # fmt: skip
    assert pushes == [
        Push("何叔", DETAILS),
        Push("张敏", "何叔 退出了 7号「下水道维修岗」，现在缺1人。"),
        Push("张敏", "何叔 还在 7号「下水道维修岗」，刚才说的退岗不算。"),
    ]


async def test_who_waits_is_asked_in_order_when_a_slot_is_free(street: Street) -> None:
    offered = "好消息：5号「门栋关照岗」空出来了，先问您。\n愿意请在11月20日 周五 19:30前发 认领 5，不愿意请发 退岗 5。"
    left = "何婶 退出了 5号「门栋关照岗」，原因：要去带孙子，已经去问候补的邻居。"
    pushes = await talk(
        street,
        [
            ("赵强", direct, "认领 5", "「门栋关照岗」满员了，赵强 排在候补第1位。\n空出来我先问您。"),
            ("王秀英", direct, "认领 5", "「门栋关照岗」满员了，王秀英 排在候补第2位。\n空出来我先问您。"),
            ("王秀英", direct, "认领 5", "王秀英 已经在「门栋关照岗」候补第2位了。"),
            ("何婶", direct, "退岗 5 要去带孙子", "何婶 已退出「门栋关照岗」，谢谢您这段时间的付出！"),
            ("何婶", direct, "撤销", "已恢复：何婶 还在「门栋关照岗」。"),
            ("何婶", direct, "退岗 5 要去带孙子", "何婶 已退出「门栋关照岗」，谢谢您这段时间的付出！"),
            ("赵强", direct, "退岗 5", "好的，不再给您留「门栋关照岗」了。"),
            (
                "王秀英", direct, "认领 5",
                f"5号「门栋关照岗」归 王秀英 了，{TERM}，谢谢您！\n{DUTY_5}",
            ),
            ("何婶", direct, "撤销", "「门栋关照岗」已经有别人接上了，改不回去。想做请再发 认领 5。"),
        ],
    )  # fmt: skip
    assert pushes == [
        Push("赵强", offered),
        Push("老赵", left),
        Push("赵强", "5号「门栋关照岗」又不空了，您还排在候补里。给您添麻烦了。"),
        Push("老赵", "何婶 还在 5号「门栋关照岗」，刚才说的退岗不算。"),
        Push("赵强", offered),
        Push("老赵", left),
        Push("王秀英", offered),
        Push("老赵", "王秀英 认领了 5号「门栋关照岗」，名额满了。"),
    ]


async def test_an_offer_that_nobody_answers_goes_to_the_next(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("赵强", direct, "认领 5", "「门栋关照岗」满员了，赵强 排在候补第1位。\n空出来我先问您。"),
            ("王秀英", direct, "认领 5", "「门栋关照岗」满员了，王秀英 排在候补第2位。\n空出来我先问您。"),
            ("何婶", direct, "退岗 5", "何婶 已退出「门栋关照岗」，谢谢您这段时间的付出！"),
            november(20, 19, 31),
            ("赵强", direct, "退岗 5", "您没有认领「门栋关照岗」，不用退。"),
            ("王秀英", direct, "我的岗位", "5号 门栋关照岗 空位留到11月23日 周一 19:30，等您答复\n"
             "看要做什么请发 岗位 5，不能做了请发 退岗 5。"),
        ],
    )  # fmt: skip
    assert to_groups(pushes)[2:] == [
        Push("赵强", "5号「门栋关照岗」给您留的时间过了，已经问下一位。还想做请再发 认领 5。"),
        Push(
            "王秀英",
            "好消息：5号「门栋关照岗」空出来了，先问您。\n愿意请在11月23日 周一 19:30前发 认领 5，不愿意请发 退岗 5。",
        ),
    ]


@ON_SQLITE
async def test_whom_an_offer_does_not_reach_has_not_been_silent(street: Street) -> None:
    deaf = deaf_to(street, "赵强")
    pushes = await talk(
        deaf,
        [
            ("赵强", direct, "认领 5", "「门栋关照岗」满员了，赵强 排在候补第1位。\n空出来我先问您。"),
            ("何婶", direct, "退岗 5", "何婶 已退出「门栋关照岗」，谢谢您这段时间的付出！"),
            november(20, 19, 31),
            ("赵强", direct, "我的岗位", "5号 门栋关照岗 在岗，任期到2026年12月31日\n看要做什么请发 岗位 5，不能做了请发 退岗 5。"),
        ],
    )  # fmt: skip
    given = "5号「门栋关照岗」空出来了，候补的 赵强 我联系不上，先归 TA 了，请转告一声。\nTA 不做了请发 请退 5 赵强。"
    assert to_groups(pushes)[-1] == Push("老赵", given)


async def test_two_hold_a_post_together_or_neither_does(street: Street) -> None:
    asked = ASKED.format("王秀英", 4, "环保护绿岗", 4, 4)
    pushes = await talk(
        street,
        [
            (
                "王秀英", "3栋群", "认领 3 和 李建国 一起",
                "「治安巡逻岗」两个人一起要2个名额，现在空1个，没有认领。一个人做请发 认领 3。",
            ),
            ("王秀英", "3栋群", "认领 4 和 李建国 一起", "已去问 李建国，答应了「环保护绿岗」就归你们俩。"),
            ("王秀英", direct, "认领 4", "正等 李建国 答应「环保护绿岗」。想一个人认领，请先发 退岗 4。"),
            ("李建国", direct, "我的岗位", "4号 环保护绿岗 王秀英 请您一起\n看要做什么请发 岗位 4，不能做了请发 退岗 4。"),
            ("李建国", direct, "退岗 4", "好的，已经告诉 王秀英。"),
            ("李建国", direct, "撤销", "已恢复：和 王秀英 一起认领「环保护绿岗」还等着答应。"),
            (
                "李建国", direct, "认领 4",
                f"4号「环保护绿岗」归 李建国 和 王秀英 了，{TERM}，谢谢两位！\n{DUTY_4}",
            ),
            ("赵强", direct, "认领 4", "「环保护绿岗」满员了，赵强 排在候补第1位。\n空出来我先问您。"),
            ("李建国", direct, "退岗 4", "李建国 已退出「环保护绿岗」，谢谢您这段时间的付出！"),
        ],
    )  # fmt: skip
    assert pushes[:5] == [
        Push("李建国", asked),
        Push("王秀英", "李建国 这次不能和您一起做「环保护绿岗」。一个人做请发 认领 4。"),
        Push("王秀英", "李建国 再想想要不要和您一起做 4号「环保护绿岗」，刚才说的不算。"),
        Push("王秀英", f"李建国 答应了，4号「环保护绿岗」归你们俩了，{TERM}。"),
        Push(
            "赵强",
            "好消息：4号「环保护绿岗」空出来了，先问您。\n愿意请在11月20日 周五 19:30前发 认领 4，不愿意请发 退岗 4。",
        ),
    ]
    # The squad's leader hears of it too, whoever of the generated people that is.
    assert [push.text for push in pushes[5:]] == [
        "李建国 退出了 4号「环保护绿岗」，已经去问候补的邻居。",
        "李建国 退出了 4号「环保护绿岗」，您还在岗。不能一个人做请发 退岗 4。",
    ]


@ON_SQLITE
async def test_what_was_claimed_together_by_one_word_is_taken_back_by_one(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("王秀英", direct, "认领 4 和 李建国 一起", "已去问 李建国，答应了「环保护绿岗」就归你们俩。"),
            (
                "李建国", direct, "认领 4",
                f"4号「环保护绿岗」归 李建国 和 王秀英 了，{TERM}，谢谢两位！\n{DUTY_4}",
            ),
            ("李建国", direct, "撤销", "已撤销「环保护绿岗」的认领。"),
            ("王秀英", direct, "我的岗位", "您现在没有岗位。看看有哪些，请发 岗位。"),
            ("王秀英", direct, "认领 4 和 李建国 一起", "已去问 李建国，答应了「环保护绿岗」就归你们俩。"),
            ("王秀英", direct, "退岗 4", "好的，不再给您留「环保护绿岗」了。"),
            ("王秀英", direct, "两口子一起认领 4", "和谁一起？请写上名字，例如 认领 4 和 王秀英 一起。"),
            ("王秀英", direct, "认领 4 和 王秀英 一起", "一起认领要写另一位邻居的名字，例如 认领 3 和 王秀英 一起。"),
            ("王秀英", direct, "认领 4 和 何五 一起", "没有找到 何五，请核对姓名。"),
            ("王秀英", direct, "认领 4 和 小吴 一起", "小吴 已经报过「环保护绿岗」了，您一个人做请发 认领 4。"),
            (
                "王秀英", direct, "认领 4 和 张三 一起",
                "张三 还没有绑定我，没法答应。请 TA 先绑定，或者先把 TA 登记成家人。",
            ),
        ],
    )  # fmt: skip
    asked = ASKED.format("王秀英", 4, "环保护绿岗", 4, 4)
    assert pushes == [
        Push("李建国", asked),
        Push("王秀英", f"李建国 答应了，4号「环保护绿岗」归你们俩了，{TERM}。"),
        Push("王秀英", "李建国 撤销了 4号「环保护绿岗」的认领。一个人做请发 认领 4。"),
        Push("李建国", asked),
        Push("李建国", "王秀英 不等了，4号「环保护绿岗」不用再答复。一个人做请发 认领 4。"),
    ]


@ON_SQLITE
async def test_a_question_to_claim_together_lapses(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("王秀英", direct, "认领 4 和 李建国 一起", "已去问 李建国，答应了「环保护绿岗」就归你们俩。"),
            november(20, 19, 31),
            ("王秀英", direct, "我的岗位", "您现在没有岗位。看看有哪些，请发 岗位。"),
        ],
    )  # fmt: skip
    assert pushes[-1] == Push(
        "王秀英", "李建国 没有答复，「环保护绿岗」没有认领成。一个人做请发 认领 4。"
    )  # fmt: skip
    deaf = deaf_to(street, "李建国")
    await deaf.say("王秀英", "认领 4 和 李建国 一起")
    assert [push for push in await deaf.until(november(23, 19, 32)) if push.to == "王秀英"][-1].text == (
        "李建国 那里我没有发到，「环保护绿岗」没有认领成。\n见到了请让 TA 加我；一个人做请发 认领 4。"
    )


async def test_those_in_charge_decide_about_a_post_with_approval(street: Street) -> None:
    given = f"6号「邻里纠纷调解岗」归您了，{TERM}，谢谢您！\n要做什么请发 岗位 6。"
    again = "6号「邻里纠纷调解岗」的决定撤回了，要重新商量，有结果我会告诉您。"
    refused = "6号「邻里纠纷调解岗」这次没有定您：先等等。\n看看别的岗位，请发 岗位。"
    pushes = await talk(
        street,
        [
            (
                "孙姐", direct, "认领 6，我以前就是干调解的",
                "孙姐 想做「邻里纠纷调解岗」，已经报给负责人了（1号）。\n有结果我会告诉您。",
            ),
            ("孙姐", direct, "认领 6", "孙姐 已经报过「邻里纠纷调解岗」了，在等负责人答复。"),
            (
                "张敏", direct, "审核",
                "等您看的有1件：\n1号 岗位 孙姐 想做 6号「邻里纠纷调解岗」，说「我以前就是干调解的」\n"
                "同意请回复 通过 1，不同意请回复 驳回 1 理由。",
            ),
            ("老赵", direct, "通过 1", "没有等您看的1号。看看有哪些，请发 审核。"),
            ("王秀英", direct, "同意认领 1", "没有等您看的1号。看看有哪些，请发 审核。"),
            ("张敏", direct, "驳回 1", "请写上理由，例如 驳回 1 楼栋写错了。"),
            ("张敏", direct, "驳回 1 先等等", "已驳回 1号：孙姐 不做 6号「邻里纠纷调解岗」了（先等等）。"),
            ("张敏", direct, "撤销", "已撤销 1号的决定，6号「邻里纠纷调解岗」重新等人点头。"),
            ("张敏", direct, "通过 1", "已通过 1号：孙姐 在岗了，6号「邻里纠纷调解岗」。"),
            ("张敏", direct, "撤销", "已撤销 1号的决定，6号「邻里纠纷调解岗」重新等人点头。"),
            ("张敏", direct, "通过 1", "已通过 1号：孙姐 在岗了，6号「邻里纠纷调解岗」。"),
            ("张敏", direct, "通过 1", "没有等您看的1号。看看有哪些，请发 审核。"),
            (
                "赵强", direct, "认领 6",
                "赵强 想做「邻里纠纷调解岗」，已经报给负责人了（2号）。\n有结果我会告诉您。",
            ),
            ("张敏", direct, "通过 2", "「邻里纠纷调解岗」满员了，要有人退岗才能通过。"),
        ],
    )  # fmt: skip
    wish = (
        "{} 想做 6号「邻里纠纷调解岗」（{}）{}。\n同意请回复 通过 {case}，不同意请回复 驳回 {case} 理由。"
    )  # fmt: skip
    assert pushes == [
        Push("张敏", wish.format("孙姐", "缺1人，要审批", "，说「我以前就是干调解的」", case=1)),
        *(Push("孙姐", text) for text in (refused, again, given, again, given)),
        Push("张敏", wish.format("赵强", "已满", "", case=2)),
    ]


@ON_SQLITE
async def test_whoever_decides_and_cannot_be_written_to_is_told_by_the_building_lead(street: Street) -> None:
    def deafen(session: Session) -> None:
        zhang = select(Member.id).where(Member.name == "张敏").scalar_subquery()
        session.execute(delete(Identity).where(Identity.member_id == zhang))

    await street.house.books.write(deafen)
    await street.say("孙姐", "认领 6")
    told = select(Outbox.otherwise).where(Outbox.key == "post-applied:1")
    assert await street.house.books.read(lambda session: session.scalar(told)) == (
        "有人申请6号岗位，等张敏点头，我发不到张敏。请转告：同意就私聊我发 通过 1。"
    )


@ON_SQLITE
async def test_leaving_without_a_number_asks_which_of_ones_own(street: Street) -> None:
    await talk(
        street,
        [
            ("王秀英", direct, "退岗", "您现在没有认领岗位，不用退。"),
            ("何婶", direct, "认领 7", f"7号「下水道维修岗」归 何婶 了，{TERM}，谢谢您！\n{DUTY_7}\n内部说明：{DOOR_CODE}"),
            ("何婶", direct, "退岗", "您有好几个岗位，要退哪一个？请回复序号：\n1 5号 门栋关照岗\n2 7号 下水道维修岗"),
            ("何婶", direct, "2", "何婶 已退出「下水道维修岗」，谢谢您这段时间的付出！"),
            ("何婶", direct, "退岗", "何婶 已退出「门栋关照岗」，谢谢您这段时间的付出！"),
        ],
    )  # fmt: skip


async def test_on_monday_the_residents_groups_hear_once_which_posts_want_people(street: Street) -> None:
    text = (
        "这周还有岗位等人来做：\n3号 治安巡逻岗（缺1人）\n4号 环保护绿岗（缺2人）轻活\n"
        "还有2个请发 岗位。想做请发 认领 加编号，例如 认领 3。"
    )
    pushes = [push for push in await street.until(november(23, 9, 1)) if "岗位" in push.text]
    assert pushes == [Push(group, text) for group in ("3栋群", "5栋群", "社区大群")]
    assert [push for push in await street.until(november(29, 23)) if "岗位" in push.text] == []


@ON_SQLITE
async def test_on_monday_nobody_hears_anything_where_nothing_is_empty(street: Street) -> None:
    for number in (3, 4, 6, 7):
        await street.say("张敏", f"撤岗位 {number}")
        await street.say("张敏", "确认")
    assert [push for push in await street.until(november(23, 9, 1)) if "岗位" in push.text] == []


@ON_SQLITE
async def test_where_the_bot_can_write_to_nobody_it_promises_nothing(street: Street) -> None:
    quiet = muted(street)
    await talk(
        quiet,
        [
            (
                "何叔", "3栋群", "认领 7",
                f"7号「下水道维修岗」归 何叔 了，{TERM}，谢谢您！\n{DUTY_7}\n内部说明请私聊我发 岗位细节 7。",
            ),
            ("赵强", "3栋群", "认领 5", "「门栋关照岗」满员了，赵强 排在候补第1位。\n有没有空出来，请发 岗位 5 看。"),
            (
                "王秀英", "3栋群", "认领 4 和 李建国 一起",
                "请 李建国 也发 认领 4，答应了「环保护绿岗」就归你们俩。",
            ),
            ("李建国", "3栋群", "退岗 4", "好的，不一起认领「环保护绿岗」了。"),
            (
                "孙姐", "3栋群", "认领 6",
                "孙姐 想做「邻里纠纷调解岗」，已经报给负责人了（1号）。\n有没有空出来，请发 岗位 6 看。",
            ),
        ],
    )  # fmt: skip


@ON_SQLITE
async def test_who_cannot_be_asked_does_not_lose_a_slot_by_silence(street: Street) -> None:
    """On a channel on which one must have written alone first: 赵强 has, 王秀英 and 李建国 have not."""
    shy = reserved(street)
    await talk(
        shy,
        [
            ("王秀英", "3栋群", "认领 5", "「门栋关照岗」满员了，王秀英 排在候补第1位。\n有没有空出来，请发 岗位 5 看。"),
            ("赵强", direct, "认领 5", "「门栋关照岗」满员了，赵强 排在候补第2位。\n空出来我先问您。"),
            ("李建国", "3栋群", "认领 5", "「门栋关照岗」满员了，李建国 排在候补第3位。\n有没有空出来，请发 岗位 5 看。"),
            (
                "赵强", direct, "认领 4 和 李建国 一起",
                "请 李建国 也发 认领 4，答应了「环保护绿岗」就归你们俩。",
            ),
        ],
    )  # fmt: skip
    given = "5号「门栋关照岗」空出来了，候补的 {0} 我联系不上，先归 TA 了，请转告一声。\nTA 不做了请发 请退 5 {0}。"
    offered = "好消息：5号「门栋关照岗」空出来了，先问您。\n愿意请在11月20日 周五 19:30前发 认领 5，不愿意请发 退岗 5。"
    pushes = await talk(
        shy,
        [
            ("何婶", direct, "退岗 5", "何婶 已退出「门栋关照岗」，谢谢您这段时间的付出！"),
            ("陈美玲", direct, "退岗 5", "陈美玲 已退出「门栋关照岗」，谢谢您这段时间的付出！"),
            november(20, 19, 31),
            ("王秀英", "3栋群", "认领 5", f"王秀英 已经在「门栋关照岗」了，{TERM}，不用再认领。"),
            ("李建国", "3栋群", "认领 5", f"李建国 已经在「门栋关照岗」了，{TERM}，不用再认领。"),
        ],
    )  # fmt: skip
    told = [push for push in pushes if "5号「门栋关照岗」" in push.text and "退出了" not in push.text]
    assert told == [
        Push("老赵", given.format("王秀英")),
        Push("赵强", offered),
        Push("赵强", "5号「门栋关照岗」给您留的时间过了，已经问下一位。还想做请再发 认领 5。"),
        Push("老赵", given.format("李建国")),
    ]


@ON_SQLITE
async def test_who_read_the_door_code_is_written_down(street: Street) -> None:
    await street.say("何叔", "认领 7", where="3栋群")
    await street.say("张敏", "岗位细节 7")
    looks = await street.house.books.read(
        lambda session: session.execute(
            select(Audit.object_ref, Audit.detail).where(Audit.action == LOOK, Audit.object_ref == "post:7")
        ).all()
    )
    assert [tuple(row) for row in looks] == [("post:7", {"what": ["details"]})] * 2


async def test_who_moves_away_or_is_forgotten_leaves_their_posts(street: Street) -> None:
    offered = "好消息：5号「门栋关照岗」空出来了，先问您。\n愿意请在11月20日 周五 19:30前发 认领 5，不愿意请发 退岗 5。"
    pushes = await talk(
        street,
        [
            ("王秀英", direct, "认领 5", "「门栋关照岗」满员了，王秀英 排在候补第1位。\n空出来我先问您。"),
            (
                "张敏", direct, "迁出 何婶",
                "何婶（6栋1单元103）迁出吗？迁出后不能再用我，积分和记录都留着。\n回复 确认 就办，不办回复 取消。",
            ),
            ("张敏", direct, "确认", "何婶 已迁出。回来了请发 迁回 何婶。"),
            ("张敏", direct, "撤销", "已撤销，何婶 没有迁出。"),
            ("何婶", direct, "我的岗位", f"5号 门栋关照岗 在岗，{TERM}\n看要做什么请发 岗位 5，不能做了请发 退岗 5。"),
        ],
    )  # fmt: skip
    assert pushes == [
        Push("王秀英", offered),
        Push("老赵", "何婶 退出了 5号「门栋关照岗」（搬走了），已经去问候补的邻居。"),
        Push("王秀英", "5号「门栋关照岗」又不空了，您还排在候补里。给您添麻烦了。"),
    ]
    await street.say("老魏", "注销")
    await street.say("老魏", "确认")
    assert street.pushes[-1] == Push("张敏", "一位邻居 退出了 6号「邻里纠纷调解岗」，现在缺2人。")
