"""Why a message waits or did not go out, in the words of whoever keeps the bot.

The books keep what the platform said, by its number and in the words of the code; here stands what it means.
"""

import re

from models.quiet import Held

NO_ANSWER = "平台没有答复"
SAID = {
    Held.QUIET: "免打扰的时候不发，等早上",
    Held.CEILING: "今天给这个群发得够多了，等明天",
    "expired": "等到过了时候也没能发出去",
    "given up": "管机器人的人说不发了",
    "the answer was lost": "发出去了，没有收到答复",
    "no answer in time": "等了很久，平台没有答复",
    **dict.fromkeys(
        ("TimeoutError", "SocketTimeoutError", "ServerTimeoutError", "ServerDisconnectedError", "HTTP"),
        NO_ANSWER,
    ),
    **dict.fromkeys(("ClientOSError", "ClientPayloadError", "ConnectionResetError"), "连接断了，没有收到答复"),
    "the answer is no answer of this platform": "平台的答复看不懂",
    "interrupted": "发到一半程序停了",
    "refused by every channel": "所有的通道都拒绝了它",
    "no route: the group has no chat": "这个群没有绑定",
    "no route: no channel can write to this group first": "没有一个通道能主动发进这个群",
    "no route: no channel brings files here": "没有一个通道能把文件发到那里",
    "no route: the person has no account": "还没有他的账号",
    "no route: no channel can write to this account first": "没有一个通道能主动发给他",
    "no route: the person has never written to the bot alone": "他还没有私聊过机器人，发不过去",
    "not_sent": "连不上平台",
    "no configured key opens this secret": "库里的 key 用现在的 secrets.key 解不开",
    "this secret is damaged": "库里存的 key 坏了",
    "45009": "发得太频繁，平台让歇一会儿",
    "45033": "同时发得太多，平台让歇一会儿",
    "93000": "群机器人的 key 不对，或者机器人被移出了群",
    "93004": "群机器人被停用了",
    "93008": "机器人不在这个群里",
    "40008": "平台不认识这种消息（程序的错误）",
    "40058": "平台说内容不对（程序的错误）",
    "44004": "内容是空的（程序的错误）",
    "45002": "内容太长了",
    "40009": "图片太大了",
    "40004": "平台不收这种文件",
    "40006": "文件太大了，或者是空的",
    "file-size": "文件太大了，或者是空的",
    "no-file": "文件说的那件事已经不在了",
    "not-for-them": "这个群换了单位，不能看有姓名的表",
    "taken back": "发之前撤回了",
    "-1": "平台说它忙",
    "81013": "他不在应用的可见范围里",
    "invaliduser": "他不在应用的可见范围里",
    "60011": "应用看不到他",
    "60111": "企业里没有他这个账号",
    "unlicenseduser": "他没有用这个应用的许可",
    "40001": "应用的 Secret 不对",
    "40013": "企业 ID 不对",
    "48002": "应用没有这个接口的权限",
    "301002": "Secret 是另一个应用的",
    "60020": "这台机器的公网地址不在应用的“企业可信IP”里",
    "no-token": "平台没有给 access token",
    "no-push": "应用没有填 Secret，不能主动发",
    "93006": "没有这个会话，或者那里还没有人和机器人说过话",
    "429": "发得太频繁，平台让歇一会儿",
}
"""By the whole reason, or by its first word: a number of the platform or of HTTP, a word of a channel."""

_SERVER = re.compile(r"5\d\d")
_ADDRESS = re.compile(r"\(([0-9a-fA-F.:]{3,45})\)")
_BUG = re.compile(r"[A-Z]\w*(Error|Exception)")


def in_words(reason: str) -> str:
    """A reason as people read it; one that nobody foresaw is quoted as it stands."""
    if not reason:
        return "没有记原因"
    first = reason.partition(" ")[0]
    known = SAID.get(reason) or SAID.get(first) or ("平台出错了" if _SERVER.fullmatch(first) else None)
    if known is None:
        return f"程序的错误（{reason}）" if _BUG.fullmatch(reason) else f"平台说“{reason}”"
    if address := _ADDRESS.search(reason):
        known += f"：{address[1]}"
    return f"{known}（{first}）" if first.lstrip("-").isdigit() else known
