"""Whether something takes place outdoors, where its place or its title says so plainly; indoors wins."""

import re

from handlers.language.slots import Kind, Slot

WHERE = (("户外", ("室外", "露天", "户外活动")), ("室内", ("屋里", "屋内", "室内活动")))
DEMANDS = (
    ("轻", ("轻活", "轻松活", "活轻", "轻松", "不费力", "强度轻", "强度:轻")),
    ("中", ("普通活", "活一般", "中等", "不轻不重", "强度中", "强度:中", "强度中等")),
    ("重", ("重活", "力气活", "体力活", "活重", "费力", "强度重", "强度:重")),
)
"""What an activity asks of the body, from the lightest on."""
BODY = (
    Slot("setting", Kind.CHOICE, choices=WHERE, apart=True),
    Slot("demand", Kind.CHOICE, choices=DEMANDS, apart=True),
)
"""Slots for whether something is outdoors, and how hard it is."""

_INDOORS = re.compile(
    r"室|厅|馆|楼道|楼内|楼里|屋|堂|中心(?!花园|公园|广场)|大楼|会所|教学|架空层|车库|走廊|门栋|线上|群里|电话"
    r"|讲座|培训|会议|座谈|读书|电影|手工|课|棋|牌|书法|合唱|包饺子|义诊|展"
)
_PLACES = re.compile(
    r"(?:花园|公园|广场|绿地|草坪|草地|操场|球场|步道|绿道|江滩|湖边|河边|江边|海边|路边|街边|路口|街头|门口|院子|大院"
    r"|小区内|小区里|小区各处|楼下|户外|室外|露天|空地|菜地|山上|河道|湖畔|滨江|街面|主干道)(?:东|西|南|北|里|内|上|边)?\Z"
)
_WORK = re.compile(
    r"巡逻|巡河|巡查|护河|植树|种树|栽树|种花|除草|拔草|捡垃圾|捡拾垃圾|清扫|扫雪|铲雪|铲冰|徒步|健步走|健走|登山|爬山"
    r"|郊游|骑行|采摘|护绿|护林|站岗|执勤|文明劝导|交通劝导|户外|露天|环湖|净滩"
)


def is_outdoors(place: str, title: str) -> bool:
    """What is doubtful is not outdoors: nobody is to be warned of the sun in a reading room."""
    if "室外" in place + title:
        return True
    if _INDOORS.search(place) or (_INDOORS.search(title) and not _PLACES.search(place)):
        return False
    return bool(_PLACES.search(place) or _WORK.search(title))
