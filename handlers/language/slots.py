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


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing a command takes.

    `name` is the key under which the handler finds it; `of` names the kind of object (`activity`) for
    `Kind.OBJECT`; `choices` maps each canonical word to its synonyms for `Kind.CHOICE`;
    `required` slots that are missing turn the command into a question (`ask`).
    """

    name: str
    kind: Kind
    of: str = ""
    required: bool = False
    ask: str = ""
    choices: tuple[tuple[str, tuple[str, ...]], ...] = ()
