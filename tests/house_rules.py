"""The rules of the house as functions of one syntax tree: each names its offenders as `path:line what`.

`test_house.py` runs them over every file, and over small offences that each of them must see.
"""

import ast
import re
import string
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("models", "handlers", "jobs", "bot")
"""In the order in which they may be imported: each from itself and from those before it."""
PLAIN = ("models", "handlers", "jobs")
"""The rooms without threads, sockets and coroutines."""

EDGE_ONLY = frozenset(
    {
        "aiohttp", "asyncio", "concurrent", "http", "multiprocessing", "requests", "select", "selectors",
        "socket", "socketserver", "subprocess", "threading",
    }
)  # fmt: skip
SHARED_BY_CHANNELS = frozenset(
    {
        "aibot_frames",
        "aibot_line",
        "app_messages",
        "budget",
        "callback",
        "cards",
        "envelope",
        "transcript",
        "uploads",
        "wecom_calls",
    }
)
"""Pure modules, the HTTP side of callbacks, and the calls to the platform, that lie beneath the channels."""
LANGUAGE_LIBRARIES = frozenset({"cn2an", "lunar_python", "opencc", "pypinyin", "rapidfuzz"})
CHINESE = re.compile("[㐀-䶿一-鿿]")
BUILDERS = frozenset({"delete", "select", "update"})


@dataclass(frozen=True)
class Source:
    """One Python file: its path from the project's root, its text, its tree."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        return self.path.split("/", 1)[0]

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def name(self) -> str:
        return Path(self.path).stem

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def at(self, node: ast.AST, what: str) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)} {what}"

    def function_of(self, node: ast.AST) -> str:
        """The outermost function, class or assigned name that a node belongs to."""
        name = ""
        while (above := self.parents.get(node)) is not None:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = node.name
            elif isinstance(above, ast.Module) and isinstance(node, ast.Assign | ast.AnnAssign):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                name = ast.unparse(target)
            node = above
        return name


def sources(*folders: str) -> list[Source]:
    """Every Python file below these folders."""
    return [
        Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]


def imports(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Every imported module, with the names that are modules themselves: `from jobs import rota` is `jobs.rota`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, source.at(node, "relative import")
            assert node.module is not None
            parts = node.module.split(".")
            if parts[0] not in ROOMS:
                yield node, node.module
                continue
            for alias in node.names:
                inner = ROOT.joinpath(*parts, alias.name)
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                yield node, f"{node.module}.{alias.name}" if is_module else node.module


# -- who may import whom ----------------------------------------


def imports_against_the_direction(source: Source) -> list[str]:
    """models <- handlers <- jobs <- bot; nobody imports the tests."""
    allowed = ROOMS[: ROOMS.index(source.room) + 1]
    return [
        source.at(node, f"imports {name}")
        for node, name in imports(source)
        if name.split(".")[0] in {*ROOMS, "tests", "bench"} - set(allowed)
    ]


def imports_of_the_edge(source: Source) -> list[str]:
    """Plain rooms know no sockets, threads and coroutines."""
    found = [source.at(node, f"imports {name}") for node, name in imports(source) if name.split(".")[0] in EDGE_ONLY]
    found += [
        source.at(node, "is asynchronous")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await)
    ]
    return found


def foreign_libraries(source: Source) -> list[str]:
    """Each plain room leans on the standard library and on what design.md names for it, on nothing else."""
    if source.room == "models":
        may = {"sqlalchemy", "pydantic"}
        if source.path.startswith("models/migrations/"):
            may.add("alembic")
        if source.path == "models/holidays.py":
            may.add("lunar_python")
    elif source.path.startswith("handlers/language/"):
        may = set(LANGUAGE_LIBRARIES)
    elif source.path.startswith(("handlers/chat/", "handlers/shared/")) or source.room == "jobs":
        may = {"sqlalchemy"}
    else:
        may = set()
    may |= {*ROOMS, *sys.stdlib_module_names}
    return [source.at(node, f"imports {name}") for node, name in imports(source) if name.split(".")[0] not in may]


def _package(source: Source) -> str:
    """The feature's own package, where it has several files: their imports are the feature's own business."""
    return ".".join(source.path.removesuffix(".py").split("/")[:2])


def imports_of_siblings(source: Source) -> list[str]:
    """A feature imports no other feature's handler, a job its own handler only, a channel no other channel.

    What several features say stands in `handlers/shared`, which leans on the words of the chat and on no feature.
    """
    found = []
    for node, name in imports(source):
        if name == source.module:
            continue
        if source.path.startswith("handlers/language/"):
            # The language knows words and roles; what is true it is told.
            wrong = name.startswith("handlers.") and not name.startswith(("handlers.chat", "handlers.language"))
            wrong = wrong or (name.startswith("models") and name not in ("models.clock", "models.members"))
        elif source.room == "handlers" and source.name != "__init__":
            shared = ("handlers.chat", "handlers.language", "handlers.shared", _package(source))
            if source.path.startswith("handlers/chat/"):
                shared = ("handlers.chat", "handlers.language.slots")
            wrong = name.startswith("handlers.") and not name.startswith(shared)
        elif source.room == "jobs" and source.name not in ("__init__", "tick"):
            own = name == f"handlers.{source.name}" or name.startswith("handlers.shared")
            wrong = name.startswith("handlers") and not own
            wrong = wrong or (name.startswith("jobs.") and name != "jobs.tick")
        elif source.path.startswith("bot/channels/") and source.name != "__init__":
            wrong = name.startswith("bot.channels.") and name.split(".")[2] not in SHARED_BY_CHANNELS
            # A pure module that leaned on a channel would join all of them.
            wrong = wrong or (
                source.name in SHARED_BY_CHANNELS and name.startswith("bot.") and "channels" not in name
                and name != "bot.logs"
            )  # fmt: skip
        else:
            wrong = False
        if wrong:
            found.append(source.at(node, f"imports {name}"))
    return found


# -- what is said nowhere ----------------------------------------


def _calls(source: Source) -> Iterator[tuple[ast.Call, str]]:
    """Every call with the spelling of what is called: `session.add`, `datetime.now`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def commits(source: Source) -> list[str]:
    """Only the door of the books ends a transaction."""
    return [
        source.at(node, f"calls {called}")
        for node, called in _calls(source)
        if called.rsplit(".", 1)[-1] in ("commit", "rollback")
    ]


def objects_in_the_session(source: Source) -> list[str]:
    """Rows are written by statements, and nothing is found by its bare id."""
    banned = ("add", "add_all", "delete", "flush", "get", "merge", "query")
    return [
        source.at(node, f"calls {called}")
        for node, called in _calls(source)
        if re.fullmatch(rf"(\w+\.)*session\.({'|'.join(banned)})", called)
        # An HTTP client's session has a `get` too; it is awaited or entered, and lives at the edge only.
        and not (called.endswith(".get") and "aiohttp" in source.text)
    ]


WALL = re.compile(
    r"((datetime\.)?(datetime|date)\.(now|utcnow|today)|time\.(time|time_ns|localtime|gmtime|ctime|strftime))"
)
DATABASE_CLOCK = re.compile(r"func\.(now|current_timestamp|current_date|localtimestamp|sysdate)")


def readings_of_the_clock(source: Source) -> list[str]:
    """The wall clock is read in `models/clock.py`; the database's own clock is read nowhere."""
    return [
        source.at(node, f"calls {called}")
        for node, called in _calls(source)
        if WALL.fullmatch(called) or DATABASE_CLOCK.fullmatch(called)
    ]


def broad_catches(source: Source) -> list[str]:
    """`except Exception` and its like, but for those that clean up and raise on."""
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler):
            caught = [ast.unparse(one) for one in _caught(node)]
            if set(caught) & {"", "Exception", "BaseException"} and not isinstance(node.body[-1], ast.Raise):
                found.append(source.at(node, f"except {', '.join(caught)}"))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rsplit(".", 1)[-1] == "suppress":
            found += [
                source.at(node, f"suppress({ast.unparse(one)})")
                for one in node.args
                if ast.unparse(one) in ("Exception", "BaseException")
            ]
    return found


def _caught(node: ast.ExceptHandler) -> Sequence[ast.AST]:
    if node.type is None:
        return [ast.Name("")]
    return node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]


def mocks(source: Source) -> list[str]:
    """Tests replace nothing inside our modules: fakes come in through constructors."""
    found = [
        source.at(node, f"imports {name}")
        for node, name in imports(source)
        if name == "mock" or name.startswith("unittest")
    ]
    found += [
        source.at(node, f"calls {called}")
        for node, called in _calls(source)
        if re.search(r"\b(monkeypatch\.(setattr|delattr|setitem)|mocker\.|mock\.|patch\.object)", called)
    ]
    return found


def chinese_strings(source: Source) -> list[str]:
    """Sentences for people stand in handlers; docstrings and descriptions of settings are for those who read code."""
    found = []
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        above = source.parents[node]
        if isinstance(above, ast.Expr):
            continue
        if isinstance(above, ast.keyword) and above.arg == "description":
            continue
        if CHINESE.search(node.value):
            found.append(source.at(node, repr(node.value)))
    return found


# -- queries ----------------------------------------


def queries_without_community(source: Source) -> list[tuple[str, str]]:
    """Statements that compare no `community_id` with a value: what they stand in, and where.

    Invariants are exempt by what they are, with whatever serves only them: they prove the whole book at once.
    """
    proofs = _only_in_proofs(source)
    found: dict[ast.AST, tuple[str, str]] = {}
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call) or not _builds(node) or _reads_a_subquery(node):
            continue
        whole: ast.AST = node
        exempt = False
        while isinstance(above := source.parents[whole], ast.expr | ast.keyword | ast.comprehension):
            whole = above
            exempt = exempt or (isinstance(whole, ast.Call) and ast.unparse(whole.func) == "Invariant")
        if not exempt and not _scoped(whole):
            function = source.function_of(node)
            if function not in proofs:
                found[whole] = (function, source.at(node, f"{function}: a query without its community"))
    return sorted(found.values())


def _only_in_proofs(source: Source) -> set[str]:
    """The private names of a module that nothing but its invariants uses, directly or through each other."""
    users: dict[str, set[str]] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id.startswith("_"):
            user = source.function_of(node)
            if user != node.id:
                users.setdefault(node.id, set()).add(user)
    proofs = {"INVARIANTS", "ACROSS"}
    while more := {name for name, by in users.items() if name not in proofs and by <= proofs}:
        proofs |= more
    return proofs


def _builds(node: ast.Call) -> bool:
    if isinstance(node.func, ast.Name):
        return node.func.id in BUILDERS or node.func.id == "exists"
    # `Table.__table__.update()` is a statement of the same kind.
    return (
        isinstance(node.func, ast.Attribute)
        and node.func.attr in BUILDERS
        and isinstance(node.func.value, ast.Attribute)
        and node.func.value.attr == "__table__"
    )


def _reads_a_subquery(node: ast.Call) -> bool:
    """`select(newest.c.place)`, `select(newest)`: the sub-query was built, and is looked at, elsewhere."""
    return bool(node.args) and all(
        re.fullmatch(r"[a-z]\w*(\.c\.\w+(\.\w+\(.*\))?)?", ast.unparse(one)) for one in node.args
    )


def _scoped(whole: ast.AST) -> bool:
    """Whether a column named `community_id` is compared with something that is no other table's column."""
    for node in ast.walk(whole):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq) and _is_column(node.left):
            return not _is_column(node.comparators[0]) or _scoped_elsewhere(whole, node)
    return False


def _scoped_elsewhere(whole: ast.AST, but: ast.Compare) -> bool:
    return any(
        isinstance(node, ast.Compare)
        and node is not but
        and isinstance(node.ops[0], ast.Eq)
        and _is_column(node.left)
        and not _is_column(node.comparators[0])
        for node in ast.walk(whole)
    )


def _is_column(node: ast.AST) -> bool:
    """`Activity.community_id`, `_twin.community_id`, or a community's own id; not `activity.community_id`.

    `Inbox.community_id + 0` as well, which keeps a planner from the community's index.
    """
    if isinstance(node, ast.BinOp) and ast.unparse(node.right) == "0":
        node = node.left
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
        return False
    table = node.value.id
    if table == "Community":
        return node.attr == "id"
    return node.attr == "community_id" and (table[0].isupper() or table.startswith("_"))


# -- settings, texts and refusals ----------------------------------------


def attributes_read(source: Source) -> set[str]:
    """Every attribute that is read; what a validator looks at is not used by that."""
    validators = {
        id(child)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef) and any("validator" in ast.unparse(d) for d in node.decorator_list)
        for child in ast.walk(node)
    }
    return {
        node.attr
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and id(node) not in validators
    }


def fields_of(sentence: str) -> list[str]:
    """The fields of a sentence as they are written, without conversions and formats."""
    return [name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None]


def fields_in_docstring(text: str | None) -> list[str]:
    """What the docstring of a refusal promises: `Fields: number, title (of the activity).`"""
    found = re.search(r"Fields: (.*?)\.(?:\s|$)", text or "", re.DOTALL)
    if found is None:
        return []
    without_remarks = re.sub(r"\([^)]*\)", "", found[1])
    return [name.strip() for name in without_remarks.split(",")]


def raised_fields(source: Source, refusals: Mapping[str, Sequence[str]]) -> list[str]:
    """Refusals that are raised with other fields than their docstring promises."""
    found = []
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Raise) or node.exc is None:
            continue
        call = node.exc
        called = ast.unparse(call.func if isinstance(call, ast.Call) else call).rsplit(".", 1)[-1]
        if called not in refusals:
            continue
        given = [keyword.arg or "**" for keyword in call.keywords] if isinstance(call, ast.Call) else []
        if sorted(given) != sorted(refusals[called]):
            found.append(source.at(node, f"raises {called} with {given}, not {list(refusals[called])}"))
    return found


def unspoken_sentences(source: Source) -> list[str]:
    """Sentences of a `Texts` whose name stands nowhere else in their module, not even in parts."""
    texts = [node for node in ast.walk(source.tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Texts"]
    declared = {keyword.arg for node in texts for keyword in node.keywords if keyword.arg}
    inside = {id(child) for node in texts for child in ast.walk(node)}
    words: set[str] = set()
    patterns: list[str] = []
    for node in ast.walk(source.tree):
        if id(node) in inside:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            parts = [re.escape(str(v.value)) if isinstance(v, ast.Constant) else r"\w+" for v in node.values]
            patterns.append("".join(parts))
    words |= {first + second for first in words for second in words if second.startswith("_")}
    # A pattern of placeholders alone would excuse everything.
    spoken = re.compile("|".join(p for p in patterns if re.search("[a-z]_|_[a-z]", p)) or "(?!)")
    return [f"{source.path} {name}" for name in sorted(declared - words) if not spoken.fullmatch(name)]


Rule = Callable[[Source], list[str]]


def offenders(rule: Rule, among: Sequence[Source], *, but: Mapping[str, str] | None = None) -> list[str]:
    """What a rule finds in these files, but for those that are excepted; an exception that is needless is named too."""
    but = but or {}
    found = {source.path: rule(source) for source in among}
    needless = [f"{path}: needs no exception from {rule.__name__}" for path in but if not found.get(path)]
    return [one for path, some in found.items() if path not in but for one in some] + needless
