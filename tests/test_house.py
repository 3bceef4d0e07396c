"""The rules of the house, held by walking the syntax trees, the tables and the lists.

Every exception stands here by name with its reason, and a needless exception is an offence too. The rules
themselves are in `house_rules.py`; the last tests show each of them an offence that it must see.
"""

import re
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

import pytest
from pydantic import BaseModel
from sqlalchemy import Table, UniqueConstraint

import models
from bot import app
from bot.config import SECTIONS
from bot.dispatch import say as dispatch_say
from handlers import FEATURES, UNDERSTOOD
from handlers.chat import COMMON_REFUSALS, Command, Router, Texts
from handlers.language.match import Grammar
from jobs import JOBS
from jobs.tick import Job
from models import activities, broadcast, check_in, duties, members, posts
from models.base import Base, Refusal
from tests.house_rules import (
    CHINESE,
    PLAIN,
    ROOMS,
    ROOT,
    SHARED_BY_CHANNELS,
    Rule,
    Source,
    attributes_read,
    broad_catches,
    chinese_strings,
    commits,
    fields_in_docstring,
    fields_of,
    foreign_libraries,
    imports_against_the_direction,
    imports_of_siblings,
    imports_of_the_edge,
    mocks,
    objects_in_the_session,
    offenders,
    queries_without_community,
    raised_fields,
    readings_of_the_clock,
    sources,
    unspoken_sentences,
)

assert dispatch_say, "the dispatcher's sentences are declared by importing it"

HOUSE = sources(*ROOMS)
PLAIN_ROOMS = sources(*PLAIN)
EVERYTHING = sources(*ROOMS, "tests", "bench")


# -- who may import whom ----------------------------------------


def test_imports_run_one_way() -> None:
    assert offenders(imports_against_the_direction, HOUSE) == []


def test_plain_rooms_know_no_sockets_and_no_coroutines() -> None:
    assert offenders(imports_of_the_edge, PLAIN_ROOMS) == []


def test_plain_rooms_use_only_the_libraries_that_are_theirs() -> None:
    assert offenders(foreign_libraries, PLAIN_ROOMS) == []


def test_features_jobs_and_channels_do_not_import_each_other() -> None:
    assert offenders(imports_of_siblings, HOUSE) == []


# -- what is said nowhere ----------------------------------------


def test_nothing_is_committed_outside_of_the_books() -> None:
    exceptions = {"models/migrations/__init__.py": "a migration is a transaction of its own"}

    assert offenders(commits, PLAIN_ROOMS, but=exceptions) == []


def test_rows_are_written_by_statements() -> None:
    assert offenders(objects_in_the_session, HOUSE) == []


def test_the_wall_clock_is_read_in_one_place() -> None:
    exceptions = {
        "models/clock.py": "the one place",
        "tests/test_clock.py": "compares it with the machine's",
    }
    needed = {path: why for path, why in exceptions.items() if readings_of_the_clock(_read(path))}

    assert offenders(readings_of_the_clock, EVERYTHING, but=needed) == []


BROAD = {
    "bot/books.py": "a failed batch fails all its units; closing goes on whatever one connection says",
    "bot/dispatch/dispatcher.py": "a bug in one command becomes an apology, and the message is kept for replay",
    "bot/scheduler.py": "a bug in one job must not stop the others",
    "bot/delivery.py": "a bug in one channel must not stop the others, nor lose the message",
}


def test_broad_catches_stand_where_somebody_must_go_on() -> None:
    assert offenders(broad_catches, HOUSE, but=BROAD) == []


def test_tests_replace_nothing_inside_our_modules() -> None:
    assert offenders(mocks, sources("tests", "bench")) == []


def test_no_chinese_sentence_stands_in_models() -> None:
    exceptions = {
        "models/clock.py": "how moments and spans are spoken",
        "models/units.py": "the words by which people name units",
        "models/points.py": "the words by which people name periods",
        "models/holidays.py": "the calendar library's names of days",
        "models/members/categories.py": "the words by which people are classed",
        "models/members/people.py": "what a forgotten person is called, which the proof of the books looks for",
    }

    assert offenders(chinese_strings, sources("models"), but=exceptions) == []


def _read(path: str) -> Source:
    file = ROOT / path
    return Source(path, file.read_text("utf-8") if file.exists() else "")


# Assembled here, so that this file does not contain what it looks for.
MACHINE_PATHS = re.compile("/(?:" + "|".join(("home", "root", "Users", "work", "mnt", "workspace")) + r")/[\w.]")
HOSTS = re.compile(
    "|".join(
        re.escape(".".join(parts))
        for parts in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("tuna", "tsinghua"),
            ("mirrors", "aliyun"),
            ("npmjs", "org"),
            ("crates", "io"),
            ("proxy", "golang"),
            ("docker", "io"),
        )
    )
)


def project_files() -> Iterator[tuple[str, str]]:
    """Every text file that belongs to the project."""
    folders = [*ROOMS, "tests", "docs", "bench", "deploy", ".ci"]
    for path in [*sorted(ROOT.iterdir()), *(p for folder in folders for p in sorted((ROOT / folder).rglob("*")))]:
        if not path.is_file() or "__pycache__" in path.parts or path.name in (".git", "config.toml"):
            continue
        try:
            yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
        except UnicodeDecodeError:
            continue


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = [
        f"{path}:{number} {line.strip()[:80]}"
        for path, text in project_files()
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE_PATHS.search(line) or HOSTS.search(line)
    ]

    assert found == []


# -- tables ----------------------------------------

GLOBAL_TABLES = {
    "communities": "is the community",
    "hearings": "a channel serves all communities",
    "inbox": "a message may be answered before its community is known",
    "troubles": "a message that failed may have failed before its community was known",
    "job_slots": "a job runs for the whole deployment",
    "ticks": "community time is one for the whole deployment",
    "invitation_tries": "a wrong code names no community",
    "attempt_items": "joins an attempt with its messages, which both have a community",
}
"""Tables without a community of their own."""

UNIQUE_OVER_ALL_COMMUNITIES = {
    "communities.slug": "names communities",
    "endpoints.channel": "a chat decides the community, so it is looked up without one",
    "identities.namespace": "a sender's communities are looked up by the sender",
    "inbox.channel": "a message is looked up before its community is known",
    "transfers.corrects": "names one transfer by its id, which is unique over all communities",
}
"""Unique keys that do not begin with `community_id`, by their first column."""


def test_every_module_with_tables_is_listed() -> None:
    declaring = {mapper.class_.__module__ for mapper in Base.registry.mappers}

    assert {module.__name__ for module in models.EVERY_TABLE} == declaring


def test_every_row_of_a_community_says_so() -> None:
    without = {
        table.name
        for table in Base.metadata.sorted_tables
        if "community_id" not in table.c or table.c["community_id"].nullable
    }

    assert without == set(GLOBAL_TABLES)


def unique_keys(table: Table) -> Iterator[tuple[str, ...]]:
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield tuple(column.name for column in constraint.columns)
    for index in table.indexes:
        if index.unique:
            yield tuple(column.name for column in index.columns)
    key = tuple(column.name for column in table.primary_key)
    if len(key) > 1:
        yield key


def test_every_unique_key_begins_with_the_community() -> None:
    others = {
        f"{table.name}.{key[0]}"
        for table in Base.metadata.sorted_tables
        for key in unique_keys(table)
        if key[0] != "community_id" and table.name not in ("attempt_items", "job_slots")
    }

    assert others == set(UNIQUE_OVER_ALL_COMMUNITIES)


HELD = "acts on messages that the postman holds"
DEPLOYMENT = "a job runs for the whole deployment"
UNSCOPED: dict[str, dict[str, str]] = {
    "models/check_in/coming.py": {"_RULE_IN_FORCE": "reads beside the activity of a scoped query"},
    "models/database.py": {
        "_LOCK": "locks a name, reads no table",
        "_among_sqlite": "reads the ids that it is given, no table",
    },
    "models/deliveries.py": {
        "_asked": "the operator's list, narrowed to a community where one is named",
        "figures": "figures for the operator",
        "tried": "the operator asks by a message's number",
        "send_again": "the operator asks by a message's number",
        "give_up": "the operator asks by a message's number",
    },
    "models/directory.py": {
        "FIND_CHAT": "decides the community of a chat",
        "note_opened": "an account is one person's in every community",
        "has_opened": "an account is one person's in every community",
        "is_unopened": "an account is one person's in every community",
        "FIND_MEMBERSHIPS": "decides the communities of a sender",
        "_COMMUNITIES": "lists them",
        "_chat": "finds out whether another community has the chat; callers refuse then",
        "revisions": "reads the counter of each community at once, and nothing else of theirs",
    },
    "models/hearing.py": {"last_heard": "a channel serves all communities"},
    "models/broadcast/links.py": {"notice_of_page": "a link is all that its holder shows"},
    "models/files.py": {
        "offered_file": "a link is all that its holder shows: it decides the community",
        "take_file": "a link is all that its holder shows: it decides the community",
    },
    "models/forgetting.py": {
        "_sweep_rows": "reads whatever table it is given, scoped where the table has a community; writes by id",
        "_sweep_slots": DEPLOYMENT,
    },
    "models/inbox.py": {
        "_FIND": "a message is looked up before its community is known",
        "troubles": "a message that failed may have failed before its community was known",
        "trouble_count": "a figure for the operator",
        "drop_trouble": "a message that failed may have failed before its community was known",
    },
    "models/members/invitations.py": {
        "community_of_code": "a code decides the community of whoever sends it",
        "_wrong_tries": "counts the wrong codes of an account, which name no community",
    },
    "models/members/people.py": {"FIND_PEOPLE": "finds the sender in each community that knows them"},
    "models/outages.py": {"incidents": "what is broken, for the operator"},
    "models/outbox/attempts.py": {
        "lost_attempts": HELD,
        "refusals": HELD,
        "waiting_time": "a platform counts what reaches an address, whosever it is",
        "begin_attempt": HELD,
        "end_attempt": "acts on the postman's own attempt",
    },
    "models/outbox/claiming.py": {
        "_DUE": "the postman serves all communities",
        "_TAKE": HELD,
        "finish": HELD,
        "put_back": HELD,
        "release": HELD,
        "hold": HELD,
        "part_sent": HELD,
        "next_due": "the postman serves all communities",
    },
    "models/outbox/looking.py": {
        "offered": "bounds a scoped query by the newest row",
        "waiting_count": "a figure for the operator",
        "overdue": "a figure for the operator",
        "ended_badly": "a figure for the operator",
    },
    "models/outbox/recipients.py": {"home_path": "selects nothing until a scope is added to it"},
    "models/quiet.py": {
        "owners": "the postman serves all communities",
        "_keepers": "the postman serves all communities",
    },
    "models/pending.py": {
        "ask": "ends what an account of nobody was asked about another community",
        "where_asked": "decides the community of an account that asked to be recognised",
    },
    "models/points.py": {
        "_amount": "narrows a query that is scoped",
        "_count": "counts the rows of a scoped query",
    },
    "models/schedule.py": {
        "end_slot": DEPLOYMENT,
        "slot_state": DEPLOYMENT,
        "last_slots": DEPLOYMENT,
        "unfinished_slots": DEPLOYMENT,
        "done_until": DEPLOYMENT,
    },
    "models/privacy.py": {
        "_apply": "reads whatever table its rule names, scoped",
        "_drop": "reads whatever table it is given, scoped",
        "_drop_pushes": "drops what belongs to messages of a scoped query",
        "_drop_attempts": "asks for messages beside an attempt of a scoped query",
        "_drop_idle_messages": "asks for an act beside a message of a scoped query",
        "let_go_of_traces": DEPLOYMENT,
    },
    "bot/app.py": {"Stage": "the simulator shows everybody and every group of its demo"},
    "bot/doctor/database.py": {"_endpoints": "the operator's key opens the secrets of every community"},
    "bot/tracing.py": {
        "_heard": "the operator asks by a message's id, or by a member's, which came from a scoped query",
        "_message_ids": "the operator asks by a message's id, whosever it is",
        "_troubles": "the operator asks by a message's id, whosever it is",
    },
    "bot/script.py": {
        "play": "remembers how far the outbox was",
        "require_place": "the simulator shows every group of its demo",
        "pushes_after": "shows everything that one line brought about",
    },
    "bot/worlds.py": {"load": "the snapshot holds every community, each by itself"},
}
"""What reads or changes rows of no community or of several, with its reason: one statement each."""

# All others of them are one statement each.
SEVERAL_STATEMENTS = {
    ("bot/app.py", "Stage"): 2,
    ("bot/tracing.py", "_heard"): 2,
    ("bot/tracing.py", "_message_ids"): 2,
    ("models/quiet.py", "owners"): 2,
    ("models/deliveries.py", "figures"): 2,
    ("models/deliveries.py", "send_again"): 2,
    ("models/deliveries.py", "give_up"): 2,
    ("models/schedule.py", "last_slots"): 2,
    ("models/forgetting.py", "_sweep_rows"): 2,
    ("models/forgetting.py", "_sweep_slots"): 2,
    ("models/privacy.py", "let_go_of_traces"): 4,
    ("models/members/invitations.py", "_wrong_tries"): 2,
}


def test_every_query_names_its_community() -> None:
    found: dict[tuple[str, str], list[str]] = {}
    for source in HOUSE:
        if source.path.startswith("models/migrations/"):
            continue
        for function, where in queries_without_community(source):
            found.setdefault((source.path, function), []).append(where)
    excepted = {
        (path, function): SEVERAL_STATEMENTS.get((path, function), 1)
        for path, functions in UNSCOPED.items()
        for function in functions
    }

    assert [where for key, places in found.items() if len(places) != excepted.get(key) for where in places] == []
    assert [key for key in excepted if key not in found] == [], "needs no exception"


# -- lists that one can read ----------------------------------------

SHARED_HANDLERS = ("__init__", "chat", "language", "shared")
SHARED_JOBS = ("__init__", "tick")


def modules_in(folder: str) -> list[ModuleType]:
    return [
        import_module(f"{folder.replace('/', '.')}.{path.stem}")
        for path in sorted(
            [*(ROOT / folder).glob("*.py"), *(one.parent for one in (ROOT / folder).glob("*/__init__.py"))]
        )
        if path.stem != "__init__"
    ]


def test_every_feature_is_listed_under_its_own_name() -> None:
    declared = {
        module.__name__.split(".")[1]: module.router.feature
        for module in modules_in("handlers")
        if module.__name__.split(".")[1] not in SHARED_HANDLERS
    }

    assert {router.feature: router.feature for router in UNDERSTOOD} == declared
    assert len(FEATURES) == len({router.feature for router in FEATURES})


def test_every_job_is_listed_under_the_name_of_its_file() -> None:
    declared = [
        (module.__name__.split(".")[1], job)
        for module in modules_in("jobs")
        if module.__name__.split(".")[1] not in SHARED_JOBS
        for job in vars(module).values()
        if isinstance(job, Job)
    ]

    assert {job.name for job in JOBS} == {job.name for _, job in declared}
    assert [job.name for feature, job in declared if job.name.split(".")[0] != feature] == []
    assert [job.name for job in JOBS if (not job.cron) == (job.due is None)] == []


def test_every_feature_and_every_job_has_tests() -> None:
    files = {path.stem: path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    untested = [
        router.feature for router in FEATURES if not any(name.startswith(f"test_{router.feature}") for name in files)
    ]
    untested += [
        job.name
        for job in JOBS
        if not any(
            # By its feature's tests, or by the name under which its slots are in the books.
            name.startswith(f"test_{job.name.split('.')[0]}") or f'"{job.name}"' in text
            for name, text in files.items()
        )
    ]

    assert untested == []


def test_every_feature_shows_a_dialogue() -> None:
    without = [
        router.feature
        for router in FEATURES
        if not re.search(
            r"^ *\S+: .+\n *小邻: ", import_module(f"handlers.{router.feature}").__doc__ or "", re.MULTILINE
        )
    ]

    assert without == []


def test_every_channel_is_listed_and_has_samples_and_tests() -> None:
    declared = {
        module.__name__.rsplit(".", 1)[1]: module.Settings
        for module in modules_in("bot/channels")
        if hasattr(module, "Settings") and module.__name__.rsplit(".", 1)[1] not in SHARED_BY_CHANNELS
    }

    assert declared == app.CHANNEL_SETTINGS
    assert set(app.CHANNELS) == set(declared)
    assert [kind for kind in declared if not (ROOT / f"tests/channels/test_{kind}.py").exists()] == []
    hearing = [kind for kind in declared if app.CHANNELS[kind].__module__ and _hears(kind)]
    assert [kind for kind in hearing if not (ROOT / "tests/samples" / kind / "README.md").exists()] == []


def _hears(kind: str) -> bool:
    return "parse" in (ROOT / f"bot/channels/{kind}.py").read_text("utf-8")


def test_every_features_settings_are_listed() -> None:
    declared = {
        module.__name__.split(".")[1]: module.Settings
        for module in [*modules_in("models"), activities, broadcast, check_in, duties, members, posts]
        if "Settings" in vars(module)
    }

    assert declared == app.FEATURE_SETTINGS


def test_every_setting_changes_something() -> None:
    every: dict[str, type[BaseModel]] = {**SECTIONS, **app.CHANNEL_SETTINGS, **app.FEATURE_SETTINGS}
    read = {attribute for source in HOUSE for attribute in attributes_read(source)}

    unread = {f"{section}.{key}" for section, model in every.items() for key in model.model_fields if key not in read}

    assert unread == set()


# -- what is said to people ----------------------------------------


def test_sentences_have_plain_fields_and_at_most_four_lines() -> None:
    odd = [
        name
        for name, sentence in Texts.every.items()
        if sentence.count("\n") > 3 or not all(field.isidentifier() for field in fields_of(sentence))
    ]

    assert odd == []


def test_every_sentence_is_spoken() -> None:
    assert [one for source in sources("handlers", "bot/dispatch") for one in unspoken_sentences(source)] == []


def commands() -> Iterator[tuple[str, Command]]:
    for router in FEATURES:
        for command in router:
            yield f"{router.feature}.{command.intent}", command


def test_every_command_says_what_it_is_for() -> None:
    silent = [
        name
        for name, command in commands()
        if not command.usage
        or not CHINESE.search(command.gist)
        or command.gist.endswith("。")
        or not command.usage.startswith(command.verbs)
    ]

    assert silent == []


def test_every_required_slot_has_its_question() -> None:
    mute = [
        f"{name}.{slot.name}"
        for name, command in commands()
        for slot in command.slots
        if slot.required and not CHINESE.search(slot.ask)
    ]

    assert mute == []


def test_no_two_commands_claim_the_same_verb() -> None:
    assert Grammar(FEATURES).could_be_command("签到")


def test_two_commands_with_one_verb_are_refused() -> None:
    one, other = Router("one"), Router("other")
    one.command("sign", "签到")(lambda turn: "")
    other.command("stamp", "签到")(lambda turn: "")

    with pytest.raises(ValueError, match=r"sign .* stamp "):
        Grammar([one, other])


def every_refusal(kind: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    for child in kind.__subclasses__():
        if child.__module__.startswith("models."):
            yield child
        yield from every_refusal(child)


REFUSALS = {kind.__name__: fields_in_docstring(kind.__doc__) for kind in every_refusal()}


def test_every_refusal_has_its_sentence() -> None:
    spoken = {*COMMON_REFUSALS, *(kind for router in FEATURES for kind in router.refusals)}

    assert [kind.__name__ for kind in every_refusal() if kind not in spoken] == []


def test_sentences_of_refusals_use_only_fields_that_they_bring() -> None:
    wrong = [
        f"{feature}: {kind.__name__} has no {field}"
        for feature, refusals in [("common", COMMON_REFUSALS), *((one.feature, one.refusals) for one in FEATURES)]
        for kind, sentence in refusals.items()
        for field in fields_of(sentence)
        if field not in REFUSALS[kind.__name__]
    ]

    assert wrong == []


def test_refusals_are_raised_with_the_fields_that_they_promise() -> None:
    assert [one for source in PLAIN_ROOMS for one in raised_fields(source, REFUSALS)] == []


# -- the rules see what they are there for ----------------------------------------

OFFENCES: list[tuple[Rule, str, str]] = [
    (imports_against_the_direction, "models/x.py", "from handlers.chat import Turn"),
    (imports_against_the_direction, "models/x.py", "def f():\n    import bot"),
    (imports_against_the_direction, "handlers/x.py", "from jobs import tick"),
    (imports_against_the_direction, "bot/x.py", "from tests import moments"),
    (imports_of_the_edge, "jobs/x.py", "import asyncio"),
    (imports_of_the_edge, "handlers/x.py", "async def f() -> None: ..."),
    (foreign_libraries, "models/x.py", "import lunar_python"),
    (foreign_libraries, "models/x.py", "from alembic import op"),
    (foreign_libraries, "handlers/x.py", "from sqlalchemy import select"),
    (foreign_libraries, "handlers/language/x.py", "import pydantic"),
    (imports_of_siblings, "handlers/points.py", "from handlers.activities import say"),
    (imports_of_siblings, "handlers/points.py", "from handlers import activities"),
    (imports_of_siblings, "handlers/chat/x.py", "from handlers.shared.people import spoken_of"),
    (imports_of_siblings, "handlers/shared/x.py", "from handlers.activities import say"),
    (imports_of_siblings, "handlers/language/x.py", "from handlers.shared import people"),
    (imports_of_siblings, "handlers/language/x.py", "from models.points import board"),
    (imports_of_siblings, "jobs/activities.py", "from handlers.points import router"),
    (imports_of_siblings, "jobs/activities.py", "from jobs import check_in"),
    (imports_of_siblings, "bot/channels/wecom_app.py", "from bot.channels.wecom_aibot import Settings"),
    (imports_of_siblings, "bot/channels/envelope.py", "from bot.books import Books"),
    (commits, "models/x.py", "def f(session):\n    session.commit()"),
    (commits, "models/x.py", "def f(turn):\n    turn.session.rollback()"),
    (objects_in_the_session, "models/x.py", "session.add(row)"),
    (objects_in_the_session, "handlers/x.py", "turn.session.get(Member, 5)"),
    (readings_of_the_clock, "models/x.py", "now = datetime.now(UTC)"),
    (readings_of_the_clock, "models/x.py", "import time\nnow = time.time()"),
    (readings_of_the_clock, "models/x.py", "today = date.today()"),
    (readings_of_the_clock, "models/x.py", "at = mapped_column(server_default=func.now())"),
    (broad_catches, "bot/x.py", "try:\n    f()\nexcept Exception:\n    pass"),
    (broad_catches, "bot/x.py", "try:\n    f()\nexcept:\n    pass"),
    (broad_catches, "bot/x.py", "try:\n    f()\nexcept (ValueError, BaseException):\n    pass"),
    (broad_catches, "bot/x.py", "with suppress(Exception):\n    f()"),
    (mocks, "tests/x.py", "from unittest.mock import patch"),
    (mocks, "tests/x.py", "def test_x(monkeypatch):\n    monkeypatch.setattr('bot.app.x', 1)"),
    (chinese_strings, "models/x.py", 'raise ValueError("不行")'),
    (chinese_strings, "models/x.py", 'x = f"{name}不行"'),
]

INNOCENT: list[tuple[Rule, str, str]] = [
    (imports_against_the_direction, "bot/x.py", "from models import clock\nfrom jobs.tick import Job"),
    (imports_of_siblings, "jobs/activities.py", "from handlers.activities import reminder_line"),
    (imports_of_siblings, "jobs/activities.py", "from handlers.shared.care import care_line"),
    (imports_of_siblings, "handlers/points.py", "from handlers import chat\nfrom handlers.language import slots"),
    (imports_of_siblings, "handlers/points.py", "from handlers.shared.people import spoken_of"),
    (imports_of_siblings, "bot/channels/wecom_app.py", "from bot.channels import Ability, envelope"),
    (objects_in_the_session, "bot/x.py", "import aiohttp\nsession.get(url)"),
    (readings_of_the_clock, "models/x.py", "monotonic()\nclock.now()\ndatetime.combine(d, time())"),
    (broad_catches, "bot/x.py", "try:\n    f()\nexcept BaseException:\n    g()\n    raise"),
    (chinese_strings, "models/x.py", '"""积分."""\nx = Field(3, description="几分")\n"""说明"""'),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "path", "text"), OFFENCES)
def test_rule_sees_the_offence(rule: Rule, path: str, text: str) -> None:
    found = rule(Source(path, text))

    assert len(found) == 1
    assert found[0].startswith(f"{path}:")


@pytest.mark.parametrize(("rule", "path", "text"), INNOCENT)
def test_rule_lets_the_innocent_pass(rule: Rule, path: str, text: str) -> None:
    assert rule(Source(path, text)) == []


@pytest.mark.parametrize(
    ("text", "functions"),
    [
        ("def f(session):\n    return session.execute(select(Member.id).where(Member.id == 5))", ["f"]),
        ("def f():\n    return select(A).where(A.community_id == community_id)", []),
        ("def f():\n    return select(A).where(A.community_id == one.community_id)", []),
        ("def f():\n    return select(A).where(A.community_id + 0 == one.community_id)", []),
        # A join of two tables says nothing about whose rows they are.
        ("def f():\n    return select(A).join(B, A.community_id == B.community_id)", ["f"]),
        ("def f():\n    return select(A).join(B, A.community_id == B.community_id).where(B.community_id == c)", []),
        ("def f():\n    return update(A).where(A.id == 1).values(community_id=c)", ["f"]),
        ("def f():\n    return A.__table__.delete().where(A.id == 1)", ["f"]),
        ("def f():\n    a = select(A).where(A.community_id == c)\n    b = select(B)", ["f"]),
        ("def f(newest):\n    return select(newest.c.place).distinct()", []),
        ("def f():\n    return select(Member.name, newest.c.place)", ["f"]),
        ("_FIND = Prepared(select(A).where(A.id == bindparam('id')))", ["_FIND"]),
        ("INVARIANTS = (Invariant('a.b', select(A)),)", []),
        ("_sums = select(A)\n_wrong = select(_sums, B)\nINVARIANTS = (Invariant('a.b', _wrong),)", []),
        ("_sums = select(A)\nINVARIANTS = (Invariant('a.b', _sums),)\ndef f():\n    return _sums", ["_sums"]),
    ],
)  # fmt: skip
def test_query_without_its_community_is_seen(text: str, functions: list[str]) -> None:
    assert [function for function, _ in queries_without_community(Source("models/x.py", text))] == functions


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise PostFull(number=1, title='x')", []),
        ("raise PostFull(number=1)", ["models/x.py:1 raises PostFull with ['number'], not ['number', 'title']"]),
        ("raise PostFull", ["models/x.py:1 raises PostFull with [], not ['number', 'title']"]),
        ("raise posts.PostFull(**fields)", ["models/x.py:1 raises PostFull with ['**'], not ['number', 'title']"]),
        ("raise ValueError('x')", []),
    ],
)  # fmt: skip
def test_refusal_with_other_fields_is_seen(text: str, said: list[str]) -> None:
    assert raised_fields(Source("models/x.py", text), {"PostFull": ("number", "title")}) == said


@pytest.mark.parametrize(
    ("docstring", "fields"),
    [
        ("Full. Fields: number, title.", ["number", "title"]),
        ("Full. Fields: name, known (names of buildings that exist).", ["name", "known"]),
        ("Nobody gives points to themselves.", []),
        (None, []),
    ],
)
def test_fields_of_a_refusal_are_read_from_its_docstring(docstring: str | None, fields: list[str]) -> None:
    assert fields_in_docstring(docstring) == fields


def test_sentence_that_nobody_speaks_is_seen() -> None:
    text = """
say = Texts("x", done="a", gone="b", why_award="c", shown="d", shown_already="e", lost="f")
say("done"), say("gone" if x else "done"), say(f"why_{reason}"), say("shown" + "_already"), say("shown")
"""

    assert unspoken_sentences(Source("handlers/x.py", text)) == ["handlers/x.py lost"]


def test_needless_exception_is_seen() -> None:
    innocent = Source("models/x.py", "x = 1")

    assert offenders(commits, [innocent], but={"models/x.py": "no reason"}) == [
        "models/x.py: needs no exception from commits"
    ]
