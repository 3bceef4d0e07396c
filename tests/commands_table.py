"""Writes `docs/commands.md`: everything that can be said to the bot, from the routers themselves.

`python -m tests.commands_table` writes it; a test says when it is stale.
"""

from pathlib import Path

from handlers import FEATURES
from handlers.chat import Command
from handlers.shared.people import ROLE_NAMES
from models.members import Role

PAGE = Path(__file__).parent.parent / "docs" / "commands.md"

HEAD = """# 能对小邻说什么

这一页由程序生成（`python -m tests.commands_table`），请不要手改。

在群里先 @小邻 再说（它能听到全部消息的地方不用 @），私聊直接说。写法不必一字不差：前后的客气话、全角、
繁体、中文数字都认得；要问清楚的，它会反问一句。`12`、`8`、`88` 是活动、待审核的事、积分记录的编号，
换成您看到的那个。

只私下答的，能主动发私信的地方就发到私聊；企业微信里目前不能，它会请您到单聊里再说一遍。只在单聊里办的，在群里说了不算，
它会请您到单聊里说。

| 说 | 做什么 | 谁可以 | 也可以说 | 群里怎么答 |
| --- | --- | --- | --- | --- |
"""

FOOT = """
## 回答小邻的反问

| 说 | 做什么 |
| --- | --- |
| `确认`、`是`、`好的` | 照它刚才说的办 |
| `取消`、`不是`、`算了` | 不办了 |
| `1`、`2`、`3` | 选它列出来的那一个 |

引用小邻的一条消息再说，说的就是那条消息里的事：引用活动提醒发 `签到`，就不用写编号。
"""


OTHERS = 6
"""Other ways to say a thing that one line shows; there are more."""


def who(command: Command) -> str:
    """Who may say it, as a neighbour would put it."""
    if command.role is None:
        return "谁都可以"
    return "认识的居民" if command.role is Role.RESIDENT else ROLE_NAMES[command.role]


def row(command: Command) -> str:
    """One line of the table."""
    others = "、".join([f"`{verb}`" for verb in command.verbs[1:] if verb.isascii() is False][:OTHERS])
    where = "只在单聊里办" if command.direct else "只私下答" if command.private else "在群里答"
    return f"| `{command.usage}` | {command.gist} | {who(command)} | {others} | {where} |"


def page() -> str:
    """The whole page; those who may do more come later, features stay together."""
    commands = [command for router in FEATURES for command in router]
    commands.sort(key=lambda command: command.role.rank if command.role else Role.RESIDENT.rank)
    return HEAD + "".join(row(command) + "\n" for command in commands) + FOOT


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(PAGE)
