"""Copies of the books: whole or not there, the same rows on either kind of database, nothing overwritten.

What a restored database must hold is compared row by row with what was copied, all tables and columns, by way of a
second snapshot.
"""

import asyncio
import os
import shutil
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bot.backup import (
    Damaged,
    Nightly,
    NotACopy,
    NothingThere,
    Occupied,
    WrongPassphrase,
    copies_in,
    make_copy,
    open_copy,
    restore,
    rotate,
    take,
)
from bot.backup.rotation import JOB, outdated
from bot.backup.sealing import HEAD_BYTES, PIECE_BYTES, TAG_BYTES
from bot.backup.taking import columns_of, rows_of, snapshot
from bot.books import Books, FileInUse
from bot.config import Backup
from bot.scheduler import LEADER_LOCK
from bot.terminal import open_engine
from models import migrations
from models.base import Base
from models.clock import MovedClock, local
from models.database import postgresql_engine
from models.directory import revisions
from models.ledger import Currency, SystemAccount, transfer
from models.migrations import SchemaTooNew, head
from models.schedule import slot_state
from models.verify import violations
from tests.dialogue import november
from tests.fakes.street import Street, open_street
from tests.fakes.terminal import Terminal
from tests.ground import add_many, lay
from tests.ground_of_the_first import lay_first
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING
PASSPHRASE = "锦绣社区的备份口令，请另存一份"


def contents(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, its values by column, in the form that a copy gives them."""
    with snapshot(url) as connection:
        return {
            table: sorted(
                (dict(sorted(zip(columns, row, strict=True))) for row in rows_of(connection, table, columns)), key=repr
            )
            for table, columns in columns_of(connection).items()
        }


async def a_busy_day(street: Street) -> None:
    """Sign-ups, arrivals, points, an undoing, a stranger who waits: something in nearly every table."""
    for who, text_ in (
        ("王秀英", "报名 12 2人"),
        ("陈美玲", "报名 12"),
        ("陈美玲", "撤销"),
        ("张敏", "加分 李建国 5 修灯"),
        ("陌生人", "绑定 钱七 3栋"),
        ("张敏", "发布活动 周日9点 包饺子 活动室 20人 5分"),
    ):
        await street.say(who, text_, where="3栋群")
    await street.until(november(21, 8, 55))
    for who in ("王秀英", "李建国", "赵强"):
        await street.say(who, "签到", where="3栋群")
    await street.say("王秀英", "签退", where="3栋群")
    await street.until(november(21, 23, 0))


@pytest.mark.parametrize(
    ("demo_url", "kind", "passphrase"),
    [
        ("sqlite", "sqlite", PASSPHRASE),
        ("sqlite", "postgresql", ""),
        ("postgresql", "sqlite", PASSPHRASE),
        ("postgresql", "postgresql", ""),
    ],
    ids=lambda value: "sealed" if value == PASSPHRASE else value or "open",
    indirect=["demo_url"],
)
async def test_every_row_comes_back_on_either_kind_of_database(
    demo_url: str, kind: str, passphrase: str, nowhere: Callable[[str], str], tmp_path: Path
) -> None:
    street = await open_street(demo_url)
    await a_busy_day(street)
    before = contents(demo_url)
    assert sum(1 for rows in before.values() if rows) > 20
    path = tmp_path / "copy.zip"
    manifest = take(demo_url, path, passphrase=passphrase, now=NOW)
    assert (manifest.schema, manifest.communities) == (head(), ("锦绣社区",))
    assert manifest.rows == sum(map(len, before.values()))

    target = nowhere(kind)
    restored = restore(path, target, passphrase=passphrase, replace=False, now=NOW)
    assert (restored.rows, restored.kept, restored.wrong) == (manifest.rows, "", ())
    assert contents(target) == before
    await street.house.close()

    # It is a database to live in: what a bot writes there comes after what was written before.
    again = await open_street(target, now=november(22, 9, 0))
    assert await again.say("陈美玲", "报名 13", where="3栋群") != ""
    assert await again.violations() == []
    await again.house.close()
    with pytest.raises(DBAPIError, match="append-only"):
        change(target, "DELETE FROM transfers")
    with pytest.raises(DBAPIError, match=r"(?i)foreign key"):
        change(target, "INSERT INTO revisions (community_id, number) VALUES (77, 1)")


def change(url: str, statement: str) -> None:
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
            connection.commit()
    finally:
        engine.dispose()


def test_every_column_of_the_models_has_a_kind(database_url: str) -> None:
    with snapshot(database_url) as connection:
        found = columns_of(connection)
    assert set(found) == set(Base.metadata.tables)
    for table, columns in found.items():
        assert set(columns) == {column.name for column in Base.metadata.tables[table].columns}


def test_what_json_and_text_can_hold_survives(nowhere: Callable[[str], str], database_url: str, tmp_path: Path) -> None:
    odd = "制表\t换行\n引号\"'反斜\\杠 \\N 😀   \x7f"
    change(
        database_url,
        "INSERT INTO troubles (channel, message_id, incoming, error, at) VALUES"
        f" ('app', 'a', 'null', '{odd.replace(chr(39), chr(39) * 2)}', '2026-11-17T11:30:00.000001Z'),"
        " ('app', '\\.', '{\"b\": [1.5, true, \"\\\\n\"]}', '', '0999-01-01T00:00:00.999999Z')",
    )
    before = contents(database_url)
    take(database_url, tmp_path / "copy.zip", passphrase="", now=NOW)
    for kind in ("sqlite", "postgresql"):
        target = nowhere(kind)
        restore(tmp_path / "copy.zip", target, passphrase="", replace=False, now=NOW)
        assert contents(target) == before


# -- one moment, under load ----------------------------------------


async def test_copy_under_load_holds_what_was_answered_before_it_began(
    books: Books, database_url: str, tmp_path: Path
) -> None:
    ground, members = await books.write(lambda session: ((ground := lay(session)), add_many(session, ground, 40)))
    answered: list[int] = []
    stop = asyncio.Event()

    def give(session: Session, number: int) -> None:
        transfer(
            session,
            community_id=ground.community.id,
            key=f"load:{number}",
            currency=Currency.POINTS,
            debit=SystemAccount.ISSUED,
            credit=members[number % len(members)],
            amount=1,
            reason="award",
            ref=f"award:{number}",
            made_by=None,
            at=NOW,
        )

    async def write(first: int) -> None:
        number = first
        while not stop.is_set():
            await books.write(partial(give, number=number))
            answered.append(number)
            number += 4

    async def watch() -> list[tuple[Path, set[int]]]:
        copies = []
        for path in (tmp_path / f"copy{number}.zip" for number in range(3)):
            before = set(answered)
            await asyncio.to_thread(take, database_url, path, passphrase="", now=NOW)
            copies.append((path, before))
        stop.set()
        return copies

    copies, *_ = await asyncio.wait_for(asyncio.gather(watch(), *(write(first) for first in range(4))), 30)
    assert len(answered) > len(copies[-1][1]) > 0, "nothing was written beside"
    for path, before in copies:
        url = f"sqlite:///{path}.sqlite3"
        assert restore(path, url, passphrase="", replace=False, now=NOW).wrong == ()
        assert {f"load:{number}" for number in before} <= {row["key"] for row in contents(url)["transfers"]}


# -- nothing is overwritten ----------------------------------------


@pytest.fixture
def copy(sqlite_demo: Path, tmp_path: Path) -> Path:
    """An open copy of the demo."""
    path = tmp_path / "copy.zip"
    take(f"sqlite:///{sqlite_demo}", path, passphrase="", now=NOW)
    return path


async def test_books_that_are_there_are_kept_beside(demo_url: str, copy: Path) -> None:
    change(demo_url, "UPDATE members SET name = '王秀英二' WHERE name = '王秀英'")
    before = contents(demo_url)
    with pytest.raises(Occupied) as occupied:
        restore(copy, demo_url, passphrase="", replace=False, now=NOW)
    assert occupied.value.communities == ("锦绣社区",)
    assert contents(demo_url) == before

    kept = restore(copy, demo_url, passphrase="", replace=True, now=NOW).kept
    assert [row for row in contents(demo_url)["members"] if row["name"] == "王秀英二"] == []
    if demo_url.startswith("sqlite"):
        assert contents(f"sqlite:///{kept}") == before
    else:
        schema = kept.split(".")[1]
        engine = postgresql_engine(demo_url, 1)
        with engine.connect() as connection:
            names = set(inspect(connection).get_table_names(schema=schema))
            assert names == {*Base.metadata.tables, "alembic_version"}
            found = connection.execute(text(f"SELECT name FROM {schema}.members WHERE name = '王秀英二'")).all()
            assert len(found) == 1
        engine.dispose()
    # A second time in the same second finds the name taken, and leaves everything as it is.
    with pytest.raises((OSError, DBAPIError)):
        restore(copy, demo_url, passphrase="", replace=True, now=NOW)
    assert sum(map(len, contents(demo_url).values())) == sum(map(len, before.values()))


async def test_a_serving_bots_database_is_left_alone(demo_url: str, copy: Path) -> None:
    serving = await Books.open(demo_url, serving=True)
    holder = None
    if not demo_url.startswith("sqlite"):
        # On a server the lock of whoever ticks says that somebody serves.
        holder = create_engine(make_url(demo_url).set(drivername="postgresql+psycopg")).connect()
        holder.execute(text(f"SELECT pg_advisory_lock({LEADER_LOCK})"))
    with pytest.raises(FileInUse):
        restore(copy, demo_url, passphrase="", replace=True, now=NOW)
    assert await serving.read(violations) == []
    if holder is not None:
        holder.close()
    await serving.close()


async def test_a_file_that_another_program_has_open_is_left_alone(
    copy: Path, sqlite_demo: Path, tmp_path: Path
) -> None:
    path = tmp_path / "open.sqlite3"
    shutil.copy(sqlite_demo, path)
    reader = await Books.open(f"sqlite:///{path}")
    await reader.read(revisions)
    with pytest.raises(FileInUse):
        restore(copy, f"sqlite:///{path}", passphrase="", replace=True, now=NOW)
    await reader.close()


# -- damaged files of every kind ----------------------------------------


def flipped(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE], ids=["open", "sealed"])
def test_no_changed_byte_and_no_missing_one_goes_unseen(sqlite_demo: Path, passphrase: str, tmp_path: Path) -> None:
    path, broken = tmp_path / "copy", tmp_path / "broken"
    take(f"sqlite:///{sqlite_demo}", path, passphrase=passphrase, now=NOW)
    raw = path.read_bytes()
    # A key is stretched for each try, so a sealed file is tried in fewer places: head, tags, pieces, ends.
    places = (3, HEAD_BYTES - 30, HEAD_BYTES - 1, HEAD_BYTES + 9, len(raw) // 2, len(raw) - 1)
    for at in places if passphrase else (0, 1, *range(2, len(raw), 997), len(raw) - 80, len(raw) - 1):
        broken.write_bytes(raw)
        flipped(broken, at)
        refused_untouched(broken, passphrase, tmp_path)
    for length in (0, 1, 30, len(raw) // 2, len(raw) - 1) + ((HEAD_BYTES + 5,) if passphrase else ()):
        broken.write_bytes(raw[:length])
        refused_untouched(broken, passphrase, tmp_path)
    broken.write_bytes(raw + b"x")
    refused_untouched(broken, passphrase, tmp_path)


def refused_untouched(path: Path, passphrase: str, folder: Path) -> None:
    target = folder / "target.sqlite3"
    with pytest.raises((Damaged, NotACopy, WrongPassphrase)):
        restore(path, f"sqlite:///{target}", passphrase=passphrase, replace=False, now=NOW)
    assert not target.exists()


def test_pieces_that_are_dropped_moved_or_foreign_do_not_open(tmp_path: Path, sqlite_url: str) -> None:
    change(
        sqlite_url,
        "INSERT INTO troubles (channel, message_id, incoming, error, at)"
        " VALUES ('app', 'a', hex(randomblob(200000)), '', '2026-11-17T11:30:00Z')",
    )
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        take(sqlite_url, path, passphrase=PASSPHRASE, now=NOW)
    size = PIECE_BYTES + TAG_BYTES
    raw, foreign = one.read_bytes(), other.read_bytes()
    head_, body = raw[:HEAD_BYTES], raw[HEAD_BYTES:]
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    assert len(pieces) >= 3
    for wrong in (
        pieces[:-1],
        [pieces[1], pieces[0], *pieces[2:]],
        [pieces[0], *pieces[2:]],
        [pieces[0], foreign[HEAD_BYTES + size : HEAD_BYTES + 2 * size], *pieces[2:]],
    ):
        one.write_bytes(head_ + b"".join(wrong))
        refused_untouched(one, PASSPHRASE, tmp_path)
    one.write_bytes(raw)
    with open_copy(one, PASSPHRASE) as whole:
        assert len(list(whole.rows("troubles"))) == 1


def test_wrong_passphrase_is_told_from_damage(sqlite_demo: Path, tmp_path: Path) -> None:
    take(f"sqlite:///{sqlite_demo}", tmp_path / "copy", passphrase=PASSPHRASE, now=NOW)
    with pytest.raises(WrongPassphrase), open_copy(tmp_path / "copy", PASSPHRASE + "。"):
        pass
    assert "王秀英".encode() not in (tmp_path / "copy").read_bytes()
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0


def test_other_files_are_no_copies(tmp_path: Path, sqlite_demo: Path) -> None:
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as foreign:
        foreign.writestr("readme.txt", "x" * 100)
    for path in (tmp_path / "foreign.zip", sqlite_demo):
        with pytest.raises((NotACopy, Damaged)), open_copy(path):
            pass
    with pytest.raises(NothingThere):
        take(f"sqlite:///{tmp_path}/none.sqlite3", tmp_path / "copy", passphrase="", now=NOW)
    assert not (tmp_path / "none.sqlite3").exists()


def test_a_newer_releases_copy_is_refused(sqlite_demo: Path, tmp_path: Path) -> None:
    path = tmp_path / "newer.sqlite3"
    shutil.copy(sqlite_demo, path)
    change(f"sqlite:///{path}", "UPDATE alembic_version SET version_num = '9999_of_tomorrow'")
    take(f"sqlite:///{path}", tmp_path / "copy", passphrase="", now=NOW)
    with pytest.raises(SchemaTooNew):
        restore(tmp_path / "copy", f"sqlite:///{tmp_path}/new.sqlite3", passphrase="", replace=False, now=NOW)
    assert not (tmp_path / "new.sqlite3").exists()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_older_releases_copy_is_migrated(kind: str, nowhere: Callable[[str], str], tmp_path: Path) -> None:
    """A database of the first revision, as a copy made before an upgrade holds it."""
    old, first = nowhere(kind), migrations.revisions()[0]
    engine = open_engine(old)
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        migrations.run(connection, first)
        lay_first(connection)
        connection.exec_driver_sql("COMMIT") if kind == "sqlite" else connection.commit()
    engine.dispose()
    assert take(old, tmp_path / "copy", passphrase="", now=NOW).schema == first
    new = nowhere("postgresql" if kind == "sqlite" else "sqlite")
    restored = restore(tmp_path / "copy", new, passphrase="", replace=False, now=NOW)
    assert (restored.schema, restored.wrong) == (first, ())
    engine = open_engine(new)
    assert migrations.current(engine) == head()
    engine.dispose()
    assert sorted(row["id"] for row in contents(new)["transfers"]) == [1, 2]


# -- rotation ----------------------------------------


def test_rotation_keeps_days_then_weeks_and_always_the_newest() -> None:
    start = local(november(17, 2, 30))
    copies = {Path(f"{age}"): start - timedelta(days=age) for age in range(60)}
    gone = {int(path.name) for path in outdated(copies, november(17, 12), keep_days=3, keep_weeks=3)}
    kept = sorted(set(range(60)) - gone)
    # 17 November 2026 is a Tuesday: three days, then the newest of each week, which is its Sunday (or Saturday 14).
    assert kept == [0, 1, 2, 3, 9, 16, 23]
    old = {Path("only"): start - timedelta(days=400)}
    assert outdated(old, november(17, 12), keep_days=1, keep_weeks=0) == []


def test_rotation_leaves_other_files_alone(sqlite_demo: Path, tmp_path: Path) -> None:
    settings = Backup(folder=str(tmp_path / "copies"), keep_days=1, keep_weeks=0)
    for day in (1, 2, 17):
        make_copy(f"sqlite:///{sqlite_demo}", settings, now=november(day, 2, 30), before="0002" if day == 2 else "")
    (tmp_path / "copies" / "linli-notes.zip").write_text("mine")
    (tmp_path / "copies" / "linli-20261399-000000.zip").write_text("no day")
    (tmp_path / "copies" / ".linli-20261101-023000.zip.7.part").write_text("half")
    os.utime(tmp_path / "copies" / ".linli-20261101-023000.zip.7.part", (0, 0))
    gone = rotate(settings, november(17, 3))
    assert [path.name for path in gone] == ["linli-20261102-023000-before-0002.zip", "linli-20261101-023000.zip"]
    assert sorted(os.listdir(settings.folder)) == [
        "linli-20261117-023000.zip",
        "linli-20261399-000000.zip",
        "linli-notes.zip",
    ]
    assert list(copies_in(Path(settings.folder)).values()) == [november(17, 2, 30)]


async def test_a_copy_is_made_every_night_once_and_failures_are_told(books: Books) -> None:
    wall = MovedClock(november(17, 12), frozen=True)
    made: list[datetime] = []
    complaints = iter(["", "磁盘满了", "", ""])
    outcomes: list[str] = []

    async def copy() -> str:
        made.append(wall.now())
        return next(complaints)

    async def leads() -> bool:
        return True

    nightly = Nightly(books, Backup(), wall=wall, leads=leads, copy=copy, ran=outcomes.append)
    # What was missed is made up, but not in the rush of the start.
    assert not await nightly.look()
    wall.move_to(november(17, 12, 10))
    assert await nightly.look()
    assert not await nightly.look()
    wall.move_to(november(18, 2, 29))
    assert not await nightly.look()
    wall.move_to(november(18, 2, 30))
    assert await nightly.look()
    assert not await nightly.look()
    assert outcomes == ["done", "failed"]
    states = [await books.read(lambda s, d=day: slot_state(s, job=JOB, slot=november(d, 2, 30))) for day in (17, 18)]
    assert states == ["done", "failed"]
    # Whoever does not lead makes none.
    other = Nightly(books, Backup(), wall=wall, leads=nobody, copy=copy, ran=outcomes.append)
    wall.move_to(november(19, 2, 30))
    assert not await other.look()
    assert await nightly.look()
    assert len(made) == 3


async def nobody() -> bool:
    return False


# -- the commands ----------------------------------------


def test_commands_say_what_they_did_and_what_they_refuse(tmp_path: Path, sqlite_demo: Path) -> None:
    shutil.copy(sqlite_demo, tmp_path / "linli.sqlite3")
    (tmp_path / "passphrase").write_text(f"{PASSPHRASE}\n", "utf-8")
    (tmp_path / "config.toml").write_text(
        '[database]\nurl = "sqlite:///linli.sqlite3"\n[backup]\nfolder = "copies"\n', "utf-8"
    )
    linli = Terminal(tmp_path).type
    code, said, _ = linli("backup", "--rotate", "--passphrase-file", "passphrase")
    (path,) = (tmp_path / "copies").iterdir()
    assert code == 0
    assert said.startswith(f"已备份到 copies/{path.name}（")
    assert said.endswith("秒，已加密）\n")
    copy = f"copies/{path.name}"

    assert linli("restore", copy, "--passphrase-file", "passphrase")[::2] == (
        1,
        "linli.sqlite3 里已经有账本（锦绣社区），没有恢复。要用备份换掉它，请加 --replace，旧的会留在旁边。\n",
    )
    code, _, complaint = linli("restore", copy, "--replace", stdin=f"{PASSPHRASE}\n锦\n")
    assert (code, complaint) == (1, "没有恢复，什么都没动。\n")
    code, said, _ = linli("restore", copy, "--replace", stdin=f"{PASSPHRASE}\n锦绣社区\n")
    assert code == 0
    assert "原来的留在 linli.sqlite3.before_restore_" in said
    assert said.endswith("账本核对无误。\n")
    assert linli("restore", copy, "--db", "sqlite:///x.sqlite3", stdin="不是这个口令，真的不是\n")[::2] == (
        1,
        "口令不对，打不开这个备份（也可能是文件开头坏了）。什么都没动。\n",
    )
    assert linli("backup", copy)[::2] == (1, f"{copy} 已经有了，不会盖掉它，请换个名字。\n")
    assert linli("restore", "config.toml")[::2] == (1, "这不是 linli backup 做的备份。什么都没动。\n")
    assert linli("restore", "nothing.zip")[0] == 1


def test_an_upgrade_makes_a_copy_of_its_own_first(nowhere: Callable[[str], str], tmp_path: Path) -> None:
    """With one revision there is nothing to upgrade from; with more, the copy is of the one before."""
    if len(migrations.revisions()) == 1:
        pytest.skip("the first release has nothing to upgrade from")
    for kind in ("sqlite", "postgresql"):
        url, first = nowhere(kind), migrations.revisions()[0]
        engine = open_engine(url)
        with engine.connect() as connection:
            if kind == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            migrations.run(connection, first)
            connection.exec_driver_sql("COMMIT") if kind == "sqlite" else connection.commit()
        engine.dispose()
        folder = tmp_path / kind
        folder.mkdir()
        code, said, _ = Terminal(folder).type("migrate", "--db", url)
        (path,) = (folder / "var/backup").iterdir()
        assert (code, said) == (0, f"升级前已备份到 var/backup/{path.name}\n数据库已从 {first} 升级到 {head()}\n")
        with open_copy(path) as copy:
            assert copy.manifest.schema == first
