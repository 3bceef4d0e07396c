"""The words by which people are classed: what is known everywhere, what else it is called, what excludes what."""

import re

MANAGED = ("双重管理", "网格管理", "动态管理", "共同管理")
"""四类管理: how a party member is looked after."""
SETTLED = ("固定党员", "流动党员")
TAUGHT = (*SETTLED, "在职党员", "离退休党员", "下岗党员")
"""分类教育: what a party member is taught by."""
OF_THE_PARTY = frozenset((*MANAGED, *TAUGHT))
"""What only party members can be."""
IN_NEED = (
    "低保户", "特困人员", "独居老人", "空巢老人", "失能老人", "残疾人", "困难党员", "困难家庭", "失独家庭", "优抚对象",
    "退役军人",
)  # fmt: skip
"""Words that communities share; they add their own."""
KNOWN = (*MANAGED, *TAUGHT, *IN_NEED)
OPEN = OF_THE_PARTY - {"下岗党员"}
"""What anybody may know of a neighbour."""
EXCLUDING = (MANAGED, SETTLED)
"""Of each of these somebody is one at the most."""
OTHERWISE = {
    **{name.removesuffix("管理"): name for name in MANAGED},
    **{f"{name.removesuffix('管理')}党员": name for name in MANAGED},
    **{f"{name}党员": name for name in MANAGED},
    **{name.removesuffix("党员"): name for name in TAUGHT},
    "退休": "离退休党员", "退休党员": "离退休党员", "下岗失业党员": "下岗党员", "流动人员党员": "流动党员",
    "低保": "低保户", "低保家庭": "低保户", "低保人员": "低保户", "特困": "特困人员", "特困户": "特困人员",
    "独居": "独居老人", "孤寡老人": "独居老人", "空巢": "空巢老人", "失能": "失能老人", "残疾": "残疾人",
    "残疾人士": "残疾人", "困难户": "困难家庭", "失独": "失独家庭", "失独老人": "失独家庭", "优抚": "优抚对象",
    "退伍军人": "退役军人",
}  # fmt: skip
"""Other words for them."""
TAKEN = frozenset((
    "党员", "群众", "居民", "业主", "租户", "住户", "邻居", "志愿者", "楼长", "物业", "业委会", "网格员", "社工",
    "书记", "支部书记", "管理员", "全体", "所有人", "大家", "本人", "类别",
))  # fmt: skip
"""Words that mean people by what they are or do here, and would mean two things."""
LENGTH = 12
"""Characters of a community's own word."""
_WORD = re.compile(rf"(?=.*[\u4e00-\u9fff])[\u4e00-\u9fffA-Za-z]{{2,{LENGTH}}}")


def is_open(name: str) -> bool:
    """Whether a category may be named to others."""
    return name in OPEN


def canonical(word: str) -> str | None:
    """The category that a word means, also one that nobody has yet; None where it can be none."""
    word = word.strip()
    if word in KNOWN:
        return word
    if word in OTHERWISE:
        return OTHERWISE[word]
    return word if word not in TAKEN and _WORD.fullmatch(word) else None


def excluded_by(name: str) -> tuple[str, ...]:
    """The categories that somebody of this one is not."""
    return tuple(other for group in EXCLUDING if name in group for other in group if other != name)
