"""The file of a copy: a ZIP with `tables/<name>.jsonl` for each table and `manifest.json` at the end.

The first line of a table names its columns with their kinds, each line after it is one row. Moments are UTC in ISO
8601, JSON columns are their text, bytes are base64: nothing in it depends on the kind of database.
"""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, cast

from bot.backup.sealing import MAGIC, STAMP_TO_BE, Damaged, Sealed, Sealing, Stamping, check_stamp

FORMAT = 1
MANIFEST = "manifest.json"
OPEN_ENDING, SEALED_ENDING = ".zip", ".zip.sealed"
LINES_AT_ONCE = 500
"""Rows that are written with one call: calls into the compression cost more than the rows."""

Row = Sequence[Any]


class NotACopy(Exception):
    """The file was not made by `linli backup`, or by a release whose format is not known here."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One table in a copy."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a copy says about itself."""

    schema: str
    """The revision of the database."""
    program: str
    made_at: str
    """ISO 8601, UTC."""
    communities: tuple[str, ...]
    tables: Mapping[str, Stream]
    format: int = FORMAT

    @property
    def rows(self) -> int:
        return sum(stream.rows for stream in self.tables.values())

    def as_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)

    @staticmethod
    def read(text: bytes) -> "Manifest":
        """Raises NotACopy."""
        try:
            given = json.loads(text)
            if given["format"] != FORMAT:
                raise NotACopy(f"format {given['format']}")
            tables = {name: Stream(**stream) for name, stream in given.pop("tables").items()}
            return Manifest(**{**given, "tables": tables, "communities": tuple(given["communities"])})
        except (ValueError, KeyError, TypeError) as error:
            raise NotACopy(str(error)) from None


def program_version() -> str:
    return version("linli")


def seal_ending(sealed: bool) -> str:
    """How the name of a copy ends."""
    return SEALED_ENDING if sealed else OPEN_ENDING


# -- writing ----------------------------------------


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A new file that is there only when all of it is written and synced; readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, path)
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Writer:
    """Writes a copy, table by table."""

    def __init__(self, out: BinaryIO, passphrase: str) -> None:
        """An empty passphrase leaves the copy open."""
        self._frame = Sealing(out, passphrase) if passphrase else Stamping(out)
        # The frame cannot seek back, so each member's length stands behind it.
        self._zip = zipfile.ZipFile(cast(Any, self._frame), "w", zipfile.ZIP_DEFLATED, compresslevel=3)
        self._tables: dict[str, Stream] = {}

    def table(self, name: str, columns: Mapping[str, str], rows: Iterable[Row]) -> None:
        """Writes one table; `columns` are its columns' kinds by name."""
        digest, count, lines = hashlib.sha256(), 0, [json.dumps(columns)]
        encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        with self._zip.open(f"tables/{name}.jsonl", "w", force_zip64=True) as member:

            def put() -> None:
                written = ("\n".join(lines) + "\n").encode()
                digest.update(written)
                member.write(written)
                lines.clear()

            for row in rows:
                lines.append(encode(row))
                count += 1
                if len(lines) >= LINES_AT_ONCE:
                    put()
            if lines:
                put()
        self._tables[name] = Stream(count, digest.hexdigest())

    def finish(self, *, schema: str, made_at: str, communities: Sequence[str]) -> Manifest:
        """Writes the manifest and what stands at the end."""
        manifest = Manifest(schema, program_version(), made_at, tuple(communities), self._tables)
        self._zip.writestr(MANIFEST, manifest.as_json())
        if isinstance(self._frame, Stamping):
            self._zip.comment = STAMP_TO_BE
        self._zip.close()
        self._frame.finish()
        return manifest


# -- reading ----------------------------------------


def is_sealed(path: Path) -> bool:
    """Whether a file needs a passphrase. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


class Copy:
    """A copy that was found whole, open for reading."""

    def __init__(self, members: zipfile.ZipFile, manifest: Manifest) -> None:
        self.manifest = manifest
        self._members = members

    def columns(self, table: str) -> dict[str, str]:
        """The kinds of a table's columns by their names."""
        with self._members.open(f"tables/{table}.jsonl") as member:
            found: dict[str, str] = json.loads(member.readline())
            return found

    def rows(self, table: str) -> Iterator[list[Any]]:
        """Every row of a table. Raises Damaged at its end where it is not what the manifest says."""
        digest, count = hashlib.sha256(), -1
        decode = json.JSONDecoder().decode
        with self._members.open(f"tables/{table}.jsonl") as member:
            for line in io.BufferedReader(cast(Any, member), 1 << 16):
                digest.update(line)
                count += 1
                if count:
                    yield decode(line.decode())
        if Stream(count, digest.hexdigest()) != self.manifest.tables[table]:
            raise Damaged(table)


@contextmanager
def open_copy(path: Path, passphrase: str = "") -> Iterator[Copy]:
    """Opens a copy, once all of it is found to be as it was written.

    Raises OSError, NotACopy, Damaged, WrongPassphrase.
    """
    sealed = is_sealed(path)
    with path.open("rb") as file:
        frame: Any = file
        if sealed:
            frame = Sealed(file, passphrase)
            frame.check()
            frame = io.BufferedReader(frame, 1 << 16)
        else:
            if file.read(2) != b"PK":
                raise NotACopy("no ZIP")
            check_stamp(file)
        with zipfile.ZipFile(frame) as members:
            try:
                manifest = Manifest.read(members.read(MANIFEST))
            except KeyError:
                raise NotACopy("no manifest") from None
            yield Copy(members, manifest)
