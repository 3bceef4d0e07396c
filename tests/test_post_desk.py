"""What those in charge of posts say: publishing, changing, withdrawing, asking somebody to leave, deciding."""

from sqlalchemy import select

from bot.script import Push
from models.audit import Audit
from tests.dialogue import ON_SQLITE, direct, talk
from tests.fakes.street import Street

TERM = "任期到2026年12月31日"
PREVIEW = (
    "【图书管理岗】2个名额，每周两次，活动室，轻活\n任期6个月；履职一次3分；负责人：孙丽；先到先得\n"
    "要做什么、要审批的，可以接着写，例如 职责 整理图书 要审批。\n发布请回复 确认，不发回复 取消。"
)
PUBLISHED = "已发布 8号岗位「图书管理岗」，2个名额。\n想做的邻居请发 认领 8。"
PUBLISH = "发布岗位 图书管理岗 活动室 2人 每周两次 轻活 任期半年 3分 负责人孙丽"
HELD = "8号「图书管理岗」归 {} 了，任期到2027年5月16日，谢谢您！\n要做的：要做什么由负责人安排；每周两次；活动室。"
NOT_IN_GROUPS = "内部说明不要发在群里，请私聊我再说一遍。\n群里那一条，请您撤回。"


async def test_a_post_is_previewed_published_and_withdrawn_with_its_people_told(street: Street) -> None:
    gone = "8号「图书管理岗」撤了，原因：不需要了，您不用再做了。谢谢您一直以来的付出！"
    pushes = await talk(
        street,
        [
            ("张敏", direct, PUBLISH, PREVIEW),
            ("张敏", direct, "取消", "好的，不办了。"),
            ("张敏", direct, PUBLISH, PREVIEW),
            ("张敏", direct, "确认", PUBLISHED),
            ("王秀英", "3栋群", "认领 8", HELD.format("王秀英")),
            (
                "张敏", direct, "撤岗位 8 不需要了",
                "要撤掉 8号「图书管理岗」吗？在岗的1人会退下来，我会逐个通知。\n确定请回复 确认，不撤回复 取消。",
            ),
            ("张敏", direct, "确认", "已撤 8号岗位「图书管理岗」，正在通知1位邻居。"),
            ("王秀英", direct, "认领 8", "「图书管理岗」这个岗位已经撤了。看看别的岗位，请发 岗位。"),
            ("张敏", direct, "撤销", "已恢复 8号岗位「图书管理岗」，正在通知1位邻居。"),
            (
                "王秀英", direct, "我的岗位",
                "8号 图书管理岗 在岗，任期到2027年5月16日\n看要做什么请发 岗位 8，不能做了请发 退岗 8。",
            ),
        ],
    )  # fmt: skip
    assert pushes == [
        Push("孙丽", "王秀英 认领了 8号「图书管理岗」，现在缺1人。"),
        Push("王秀英", gone),
        Push("王秀英", "8号「图书管理岗」还在，刚才说的撤掉不算。"),
    ]


@ON_SQLITE
async def test_what_cannot_be_published_is_said_in_one_sentence(street: Street) -> None:
    await talk(
        street,
        [
            ("王秀英", direct, "发布岗位 门岗", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
            (
                "张敏", direct, "发布岗位",
                "岗位叫什么、在哪里、要几个人？\n比如：发布岗位 图书管理岗 活动室 2人 每周两次 轻活 任期一年 3分",
            ),
            ("张敏", direct, "发布岗位 门岗 60人", "一个岗位设1到50个名额，请改一下再发。"),
            ("张敏", direct, "发布岗位 门岗 30分", "履职一次给0到20分，请改一下分数再发。"),
            ("张敏", direct, "发布岗位 门岗 北门 昨天晚上开会说的", "「昨天晚上开会说的」没有看懂。前面加上是什么，例如 职责 昨天晚上开会说的。"),
            ("张敏", direct, "发布岗位 门岗 负责人何五", "没有找到 何五，请核对姓名。"),
            ("张敏", direct, "发布岗位 门岗 服务队 3栋", "「3栋」不是服务队。看看有哪些，请发 服务队。"),
            ("张敏", direct, "发布岗位 门岗 职责 " + "巡" * 101, "写得太长了，最多100个字，请写短一点再发。"),
            ("老赵", "3栋群", "@小邻 发布岗位 3栋门岗 门禁 8812", NOT_IN_GROUPS),
            ("老赵", "5栋群", "@小邻 发布岗位 5栋门岗", "这件事不在您负责的范围里。您能办的事请发 帮助。"),
        ],
    )  # fmt: skip


@ON_SQLITE
async def test_a_form_of_several_lines_is_one_post(street: Street) -> None:
    form = (
        "发布岗位 读报岗\n职责：读报，认领旧报纸\n频次：每天\n任期：到12月31日\n内部说明：钥匙在我这\n"
        "服务队：红马甲服务队\n积分：1\n要审批"
    )
    await talk(
        street,
        [
            (
                "张敏", direct, form,
                "【读报岗】1个名额，每天，普通\n"
                f"{TERM}；履职一次1分；归红马甲服务队；认领要审批；内部说明（只给在岗的人看）\n"
                "要做的：读报，认领旧报纸\n发布请回复 确认，不发回复 取消。",
            ),
            ("张敏", direct, "确认", "已发布 8号岗位「读报岗」，1个名额。\n想做的邻居请发 认领 8。"),
            ("张敏", direct, "撤销", "已撤回 8号岗位「读报岗」。"),
        ],
    )  # fmt: skip


async def test_a_post_is_changed_in_parts_and_changed_back(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("孙丽", direct, "改岗位 3 名额 3 地点 北门", "已改 3号「治安巡逻岗」：名额3人；地点北门。"),
            ("孙丽", direct, "撤销", "已改回 3号「治安巡逻岗」。"),
            ("孙丽", direct, "改岗位 3 名额 2", "3号「治安巡逻岗」本来就是这样，不用改。"),
            (
                "老赵", direct, "改岗位 5 名额 1",
                "「门栋关照岗」现在有2人在岗或在等答复，名额不能少于2。\n谁退您来定：请发 请退 5 加姓名，再改名额。",
            ),
            ("赵强", direct, "认领 5", "「门栋关照岗」满员了，赵强 排在候补第1位。\n空出来我先问您。"),
            ("老赵", direct, "改岗位 5 名额 3", "已改 5号「门栋关照岗」：名额3人。"),
            ("王秀英", direct, "改岗位 5 地点 北门", "5号「门栋关照岗」不归您管，请找它的负责人。"),
            ("老赵", direct, "改岗位 5 任期一年", "已改 5号「门栋关照岗」：任期12个月。\n已经在岗的人任期不变。"),
            ("老赵", direct, "改岗位 5 内部说明 密码 1234", "已改 5号「门栋关照岗」：内部说明（只给在岗的人看）。"),
            ("老赵", direct, "撤销", "内部说明改不回去，请重新发一次。"),
            ("老赵", "3栋群", "@小邻 改岗位 5 门禁 1234", NOT_IN_GROUPS),
            ("老赵", direct, "改岗位 5 随便写写", "「随便写写」没有看懂。前面加上是什么，例如 职责 随便写写。"),
        ],
    )  # fmt: skip
    details = "5号「门栋关照岗」的内部说明改了，看请发 岗位细节 5。"
    assert pushes == [
        Push("何叔", "3号「治安巡逻岗」改了：名额3人；地点北门。\n现在是什么样请发 岗位 3。"),
        Push(
            "赵强",
            "好消息：5号「门栋关照岗」空出来了，先问您。\n愿意请在11月20日 周五 19:30前发 认领 5，不愿意请发 退岗 5。",
        ),
        Push("陈美玲", details),
        Push("何婶", details),
    ]
    kept = await street.house.books.read(
        lambda session: session.scalars(select(Audit.detail).where(Audit.action == "change_post")).all()
    )
    assert "1234" not in str(kept)


async def test_somebody_is_asked_to_leave_and_is_back_by_an_undo(street: Street) -> None:
    pushes = await talk(
        street,
        [
            (
                "孙丽", direct, "请退 3 何叔 长期没来",
                "要请 何叔 退出 3号「治安巡逻岗」吗？\n确定请回复 确认，不退回复 取消。",
            ),
            ("孙丽", direct, "确认", "何叔 已退出 3号「治安巡逻岗」。"),
            ("孙丽", direct, "请退 3 何叔", "TA 没有认领「治安巡逻岗」，不用退。"),
            ("孙丽", direct, "撤销", "已恢复：何叔 还在 3号「治安巡逻岗」。"),
            ("王秀英", direct, "请退 3 何叔", "3号「治安巡逻岗」不归您管，请找它的负责人。"),
        ],
    )  # fmt: skip
    assert pushes == [
        Push("何叔", "您不再担任 3号「治安巡逻岗」了，原因：长期没来。谢谢您的付出！\n有疑问请找 孙丽。"),
        Push("何叔", "您还在 3号「治安巡逻岗」，刚才说的退出不算。"),
    ]


@ON_SQLITE
async def test_a_leader_without_a_role_decides_about_their_own_post(street: Street) -> None:
    pushes = await talk(
        street,
        [
            (
                "老赵", direct, "发布岗位 3栋门岗 3栋门口 要审批 负责人王秀英 门禁 8812",
                "【3栋门岗】1个名额，3栋门口，普通\n"
                "任期12个月；积分按社区规则；负责人：王秀英；认领要审批；内部说明（只给在岗的人看）\n"
                "要做什么、要审批的，可以接着写，例如 职责 整理图书 要审批。\n发布请回复 确认，不发回复 取消。",
            ),
            ("老赵", direct, "确认", "已发布 8号岗位「3栋门岗」，1个名额。\n想做的邻居请发 认领 8。"),
            ("赵强", direct, "认领 8 每周三", "赵强 想做「3栋门岗」，已经报给负责人了（1号）。\n有结果我会告诉您。"),
            (
                "王秀英", direct, "我的岗位",
                "等您点头：1号 赵强 想做 8号「3栋门岗」\n同意请发 同意认领 加编号，不同意请发 不同意认领 加编号和理由。",
            ),
            ("李建国", direct, "同意认领 1", "没有等您看的1号。看看有哪些，请发 审核。"),
            ("王秀英", direct, "不同意认领 1", "请写上理由，例如 不同意认领 1 已经有人了。"),
            ("王秀英", direct, "同意认领 1", "已通过 1号：赵强 在岗了，8号「3栋门岗」。"),
            ("王秀英", direct, "改岗位 8 频次 每晚", "已改 8号「3栋门岗」：频次每晚。"),
            ("赵强", direct, "岗位细节 8", "8号「3栋门岗」内部说明（只给在岗的人看）：\n门禁 8812"),
        ],
    )  # fmt: skip
    assert pushes == [
        Push(
            "王秀英",
            "赵强 想做 8号「3栋门岗」（缺1人，要审批），说「每周三」。\n"
            "同意请回复 同意认领 1，不同意请回复 不同意认领 1 理由。",
        ),
        Push(
            "赵强",
            "8号「3栋门岗」归您了，任期到2027年11月16日，谢谢您！\n要做什么请发 岗位 8，内部说明请发 岗位细节 8。",
        ),
        Push("赵强", "8号「3栋门岗」改了：频次每晚。\n现在是什么样请发 岗位 8。"),
    ]
