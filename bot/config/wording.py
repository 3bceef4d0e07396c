"""What is wrong with a configuration, in Chinese sentences that never show a secret."""

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails, to_jsonable_python

MASKED = "******"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: the key's path (`channels.aibot.token`) and a sentence without any secret."""

    path: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}：{self.sentence}"


class ConfigError(Exception):
    """The configuration cannot be used; `problems` are all that were found, in the order of the sections."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [f"配置有 {len(self.problems)} 处问题：", *(f"- {problem}" for problem in self.problems)]
        super().__init__("\n".join(lines))


_SENTENCES = {
    "int_": "应为整数",
    "float_": "应为数字",
    "finite_number": "应为有限的数字",
    "bool_": "应为 true 或 false",
    "string_type": "应为文字，写在引号里",
    "string_too_short": "至少 {min_length} 个字",
    "string_too_long": "最多 {max_length} 个字",
    "string_pattern_mismatch": "格式不对，应符合 {pattern}",
    "date_": '应为日期，像 "2026-11-28"',
    "time_": '应为时刻，像 "19:30"',
    "literal_error": "只能是 {expected}",
    "greater_than_equal": "不能小于 {ge}",
    "greater_than": "要大于 {gt}",
    "less_than_equal": "不能大于 {le}",
    "less_than": "要小于 {lt}",
    "too_short": "至少 {min_length} 个",
    "too_long": "最多 {max_length} 个",
    "list_type": '应为列表，像 ["甲", "乙"]',
    "tuple_type": '应为列表，像 ["甲", "乙"]',
    "dict_type": "应为一节",
    "model_": "应为一节",
    "extra_forbidden": "没有这一项",
    "missing": "缺少这一项",
    "value_error": "{error}",
    "": "格式不对",
}
"""By how pydantic's kinds of fault begin; the first that fits is meant."""

_SPEAK_FOR_THEMSELVES = {"extra_forbidden", "missing", "value_error"}


def of_fault(fault: ErrorDetails, *, secret: bool) -> str:
    """What pydantic found, with the value that it was given unless that is a secret."""
    kind, given, facts = fault["type"], fault["input"], dict(fault.get("ctx", {}))
    choices = re.findall(r"'([^']*)'", str(facts.get("expected", "")))
    facts["expected"] = "、".join(choices) or facts.get("expected")
    facts = {name: f"{fact:g}" if isinstance(fact, float) else fact for name, fact in facts.items()}
    sentence = next(each for start, each in _SENTENCES.items() if kind.startswith(start)).format(**facts)
    if secret or kind in _SPEAK_FOR_THEMSELVES or isinstance(given, dict | list):
        return sentence
    if choices:
        return sentence + suggestion(str(given), choices)
    return f"{sentence}，现在是 {typed(given)}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """What was probably meant, if anything known is close."""
    close = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f"，是不是想写 {close[0]}？" if close else ""


def typed(value: Any) -> str:
    """A value roughly as one would type it in the file."""
    return "" if value is None else json.dumps(to_jsonable_python(value), ensure_ascii=False)


def how_to_give(section: str, key: str, variable: str, *, secret: bool) -> str:
    """The ways to give a key that is missing."""
    ways = f"请在 [{section}] 里写 {key} = …，或设环境变量 {variable}"
    return f"{ways}（也可以用 {key}_file 指向存着它的文件）" if secret else ways


def of_syntax(message: str) -> str:
    """Where the TOML parser stumbled. The line itself is not shown: a secret may stand in it."""
    place = re.search(r"line (\d+), column (\d+)", message)
    where = f"第 {place[1]} 行第 {place[2]} 列附近" if place else "文件末尾"
    return f"TOML 写法有误：{where}。文字要加英文引号，等号要用英文的，同一项、同一节只能写一次"


_UNREADABLE: dict[type[Exception], str] = {
    FileNotFoundError: "没有这个文件",
    PermissionError: "没有读取的权限",
    IsADirectoryError: "这是一个目录",
    UnicodeDecodeError: "不是 UTF-8 文字，请另存为 UTF-8",
    TypeError: "应为文件的路径，写成文字",
}


def of_unreadable(error: Exception) -> str:
    """Why a file could not be read. Its path is not shown: people do write the secret itself there."""
    return _UNREADABLE.get(type(error), "打不开")
