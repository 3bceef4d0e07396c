"""What can be filled into a command: typed slots, declared by the features that use them.

A slot says what kind of thing it takes and under which name the handler finds it. How the kind is
recognised in typed Chinese is the language's business (`match.py`); features hold no pattern of their own.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of things that people put into commands."""

    OBJECT = "object"
    """A numbered thing of the community (`12`, `12号`, `清洁家园`): value is its number, an int."""
    NUMBER = "number"
    """A bare number: int."""
    COUNT = "count"
    """How many people or places: `2人`, `三个人`, `20个名额`, `限20人`: int."""
    POINTS = "points"
    """Points: `5分`, `5积分`, and a bare number where nothing else takes it: int, may be negative."""
    PERSON = "person"
    """One person's name, as typed (`李建国`, `老赵`): str."""
    PEOPLE = "people"
    """One or several names (`李建国、王秀英`): list of str."""
    UNIT = "unit"
    """A place of the tree (`3栋`, `三号楼`, `3栋2单元`), normalised to `3栋` or `3栋2单元`: str."""
    ROOM = "room"
    """A room number (`501`, `3栋2单元501`): str of digits."""
    DIGITS = "digits"
    """The last four digits of a phone (`1234`, `尾号1234`, also from the whole number): str."""
    WHEN = "when"
    """A date or time phrase: str as typed; beside it `<name>_at`, an aware datetime, and `<name>_until` for a range."""
    PERIOD = "period"
    """A period of account: `本周`, `本月`, `上月`, `本季`, `今年`, `全部`: str in this spelling."""
    DURATION = "duration"
    """A length of time (`两小时`, `90分钟`, `一个半小时`): int minutes."""
    CHOICE = "choice"
    """One of the slot's `choices`, normalised to the choice's own word: str."""
    TITLE = "title"
    """One short free word or phrase without blanks (the name of an activity): str."""
    PLACE = "place"
    """A place as typed (`中心花园`, also after `在` or `地点`): str."""
    TEXT = "text"
    """All that is left, as typed: str."""
    REASON = "reason"
    """A clause of its own that says why (`要带娃`, `因为下雨`), as typed without the word for because: str."""
    FLAG = "flag"
    """Whether one of the slot's words was said (`急`, `回执`): True."""
    DOOR = "door"
    """An entrance, taken out of `3栋2单元` where a command keeps it apart: str, `2单元`."""
    HOURS = "hours"
    """A length of time in hours (`一个半小时` is 1.5): int or float."""
    QUANTITY = "quantity"
    """How many of something (`两包`, `3袋`): int."""
    NAMED = "named"
    """A thing of the kind `of` that people know by its name, not its number (`洗衣液`), or a word in its place: str."""
    TARGET = "target"
    """To whom something is said: a unit, a role, or everybody (`3栋`, `党员`, `全体`): str."""
    CATEGORY = "category"
    """A category of people (`流动`, `流动党员`, `独居老人`): str, in the category's own word."""
    REMARK = "remark"
    """A remark of a topic by both numbers (`5-2`): str."""
    ANSWERS = "answers"
    """Choices of a questionnaire (`1A 2C`, `第一题选B`): dict of the question's number to the letter."""
    BALLOT = "ballot"
    """A choice of the poll that is meant, in the poll's own word (`赞成` is 同意): str."""
    SCORE = "score"
    """One to five stars (`4分`, `很满意`): int."""
    LABELLED = "labelled"
    """The word behind one of the slot's `labels` (`单位是锦绣小学`): str."""
    STAR = "star"
    """A star of merit (`环保护绿之星`): str."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing a command takes.

    `name` is the key under which the handler finds it; `of` names the kind of object (`activity`) for
    `Kind.OBJECT`, and is `clock` for a `Kind.WHEN` that takes a time of the day only; `choices` maps each canonical
    word to its synonyms for `Kind.CHOICE`;
    `required` slots that are missing turn the command into a question (`ask`); `peeks` slots read what stands in
    the free text and leave it there (the place of a fault).
    """

    name: str
    kind: Kind
    of: str = ""
    required: bool = False
    ask: str = ""
    choices: tuple[tuple[str, tuple[str, ...]], ...] = ()
    labels: tuple[str, ...] = ()
    """Words that stand before the value and announce it (`跟` before a partner); without one of them it is not read.

    For `Kind.FLAG` these are the words themselves."""
    peeks: bool = False
    unless: str = ""
    """Not required where this other slot is filled: a copied activity has a title."""
    chosen: bool = True
    """Where an object is not named, the only one that is possible is meant."""
    ahead: bool = False
    """Before the verb it needs no label: `每周五 广播 …` is when, `广播 3栋 每周五 …` what is said."""
    apart: bool = False
    """Its choices count only where they stand by themselves: 户外 is a choice, 户外徒步 the name of something."""
