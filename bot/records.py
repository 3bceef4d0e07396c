"""我的资料 as a file: one HTML page that a phone shows at once, with the same data in JSON inside.

A zip would be of no use to a neighbour: the browser in a chat app opens no archives and saves nothing. So everything
stands on one page without scripts, pictures or addresses of others; `<script type="application/json" id="资料">` holds
the data for programs, under Chinese keys.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from html import escape
from typing import Any

from sqlalchemy.orm import Session

from handlers.privacy import private_name, role_name
from models.clock import local
from models.records import Records, records_of

SECTIONS = {
    "person": "名册",
    "balances": "余额",
    "accounts": "账号",
    "roles": "职务",
    "categories": "类别",
    "quiet": "我的免打扰",
    "consents": "同意书",
    "registrations": "绑定申请",
    "signups": "报名",
    "declines": "说了不来的",
    "series": "每次都来的活动",
    "check_ins": "签到",
    "posts": "公益岗位",
    "duties": "履职",
    "handovers": "转岗",
    "post_leaves": "岗位请假",
    "statement": "积分流水",
    "awards": "加减分",
    "appeals": "申诉",
    "make_ups": "补签申请",
    "photos": "照片",
    "family": "家人",
    "proxies": "代办",
    "receipts": "回执",
    "household_notes": "回执备注",
    "roll_calls": "接龙",
    "acts": "我办过的事",
    "looks": "谁看过我的资料",
    "answers": "留着的答复",
    "notices": "发给我的消息",
}
"""Every section of `Records` and what it is called."""

COLUMNS = {
    "name": "姓名",
    "unit": "楼栋或组织",
    "room": "房号",
    "phone": "手机",
    "standing": "身份",
    "employer": "单位",
    "basis": "登记依据",
    "born": "出生年份",
    "hides_name": "群里隐去名字",
    "on_boards": "上积分榜",
    "since": "从何时起",
    "until": "到何时止",
    "moved_out_at": "搬走时间",
    "points": "积分",
    "recorded_minutes": "服务分钟（机器记的）",
    "vouched_minutes": "服务分钟（证明的）",
    "namespace": "平台",
    "external_id": "账号",
    "detached_at": "解绑时间",
    "role": "职务",
    "category": "类别",
    "begins": "从几点",
    "ends": "到几点",
    "version": "版本",
    "at": "时间",
    "withdrawn_at": "撤回时间",
    "number": "编号",
    "state": "状态",
    "reason": "原因",
    "title": "活动",
    "post": "岗位",
    "starts_at": "活动开始",
    "companions": "同伴人数",
    "cautioned": "叮嘱过",
    "term_ends_at": "任期到",
    "ended_why": "为什么结束",
    "ended_note": "结束的原因",
    "undone_at": "撤销时间",
    "left_at": "签退时间",
    "came_at": "签到时间",
    "done_at": "做的时间",
    "giver": "转出的",
    "taker": "接岗的",
    "minutes": "分钟",
    "currency": "种类",
    "change": "增减",
    "ref": "关于",
    "note": "说明",
    "month": "算在哪月",
    "answer": "答复",
    "decided_at": "决定时间",
    "proxy": "替人办事的",
    "member": "被替的",
    "ground": "谁同意的",
    "notice": "通知",
    "chain": "接龙",
    "count": "人数",
    "act": "办了什么",
    "right": "凭什么替",
    "ended_at": "结束时间",
    "action": "办了什么",
    "object_ref": "哪一条",
    "viewer": "谁",
    "what": "看了什么",
    "way": "方式",
    "vouched": "证明的分钟",
    "picture": "照片",
    "outcome": "结果",
    "reply": "答复内容",
    "text": "内容",
}
"""Every column that `Records` has and what it is called."""

WORDS = {
    "resident": "居民",
    "heat": "户外天热",
    "heavy": "活重",
    "back_to_back": "户外连着两场",
    "party_member": "党员",
    "points": "积分",
    "recorded_minutes": "服务分钟（机器记的）",
    "vouched_minutes": "服务分钟（证明的）",
    "waiting": "等着",
    "counted": "算数",
    "taken": "接了",
    "declined": "没接",
    "taken_back": "撤回",
    "approved": "通过",
    "rejected": "没通过",
    "confirmed": "已报上",
    "upheld": "成立",
    "dismissed": "不成立",
    "asked": "等答复",
    "live": "有效",
    "refused": "没同意",
    "ended": "已结束",
    "own_say": "本人同意",
    "vouched": "社区核实",
    "family": "家人",
    "in_charge": "楼长或社区",
    "neighbour": "邻居",
    "own": "本人",
    "link": "本人（网页）",
    "list": "楼长或社区代记",
    "signup": "报名",
    "cancel_signup": "取消报名",
    "decline": "说不来",
    "check_in": "签到",
    "word": "一句话",
    "code": "签到码",
    "photo": "照片",
    "place": "到场",
    "vouched_hours": "服务时长（证明的）",
    "hours": "服务时长",
    "service": "服务",
    "duty": "履职",
    "award": "加分",
    "deduct": "扣分",
    "undo": "撤销",
    "appeal": "申诉",
    "applied": "等审批",
    "held": "在岗",
    "released": "自己退的",
    "let_go": "负责人请退的",
    "lapsed": "过时没有答复",
    "handed_over": "转给了别人",
    "idle": "很久没有履职",
    "term": "任期到了",
    "withdrawn": "岗位撤了",
    "left": "搬走或注销",
    "merged": "两份合成一份",
    "undone": "撤销",
    "sent": "已发出",
    "failed": "没发出",
    "unknown": "不知是否收到",
    "handed_on": "请楼长转告了",
}
"""Words of the code in the columns that hold such; what has no word of its own stands as it is."""
CODED = frozenset({"standing", "state", "currency", "reason", "ground", "ended_why", "way"})


def records_file(session: Session, *, community_id: int, member_id: int, now: datetime) -> bytes:
    """The whole page, in UTF-8."""
    held = in_chinese(records_of(session, community_id=community_id, member_id=member_id))
    return page(held, f"{held['名册'][0]['姓名']} 的资料", _moment(now)).encode()


def in_chinese(records: Records) -> dict[str, list[dict[str, Any]]]:
    """The sections with Chinese keys, each a list of rows; moments in Shanghai."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in fields(records):
        if one.name not in SECTIONS:
            continue
        value = getattr(records, one.name)
        rows = value if isinstance(value, list) else [value]
        found[SECTIONS[one.name]] = [{COLUMNS[key]: _said(key, cell) for key, cell in row.items()} for row in rows]
    found["名册"][0] = {"编号": records.member_id, **found["名册"][0]}
    return found


def _said(column: str, cell: Any) -> Any:
    if isinstance(cell, datetime):
        return _moment(cell)
    if column == "role":
        return role_name(cell)
    if column == "what":
        return [private_name(one) for one in cell]
    if column in CODED:
        return WORDS.get(cell, cell)
    return cell


def _moment(moment: datetime) -> str:
    return f"{local(moment):%Y-%m-%d %H:%M:%S%z}"


_PICTURE = re.compile(r"data:image/jpeg;base64,[A-Za-z0-9+/]+={0,2}")

_STYLE = (
    "body{font:16px/1.6 system-ui,sans-serif;max-width:60em;margin:1em auto;padding:0 1em}"
    "table{border-collapse:collapse;width:100%;display:block;overflow-x:auto}"
    "th,td{border:1px solid #ccc;padding:.2em .5em;text-align:left;vertical-align:top;white-space:pre-wrap}"
    "img{max-width:20em;height:auto}"
)


def page(held: dict[str, list[dict[str, Any]]], title: str, made: str) -> str:
    """The data as tables for people, and as JSON for programs."""
    tables = "\n".join(f"<h2>{escape(name)}</h2>\n{_table(rows)}" for name, rows in held.items())
    # `</script>` in a text would end the block: no `<` stands in it.
    block = json.dumps(held, ensure_ascii=False, indent=1).replace("<", "\\u003c")
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>{escape(title)}</h1><p>导出时间：{escape(made)}。页面里也有一份给程序读的数据（JSON）。</p>\n"
        f'{tables}\n<script type="application/json" id="资料">{block}</script></body></html>\n'
    )


def _table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "<p>没有</p>"
    keys = list(dict.fromkeys(key for row in rows for key in row))
    head = "".join(f"<th>{escape(key)}</th>" for key in keys)
    lines = (f"<tr>{_cells(row.get(key, '') for key in keys)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _cells(cells: Iterable[Any]) -> str:
    return "".join(f"<td>{_shown(_cell(cell))}</td>" for cell in cells)


def _shown(cell: str) -> str:
    # Only our own pictures look like this from the first letter to the last; what people typed is text.
    return f'<img src="{cell}" alt="照片">' if _PICTURE.fullmatch(cell) else escape(cell)


def _cell(cell: Any) -> str:
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, dict | list):
        return json.dumps(cell, ensure_ascii=False) if isinstance(cell, dict) else "、".join(map(str, cell))
    return "" if cell is None else str(cell)
