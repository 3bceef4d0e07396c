"""Copies of the books: one file, taken while the bot runs, restored on either kind of database.

A copy is a ZIP of one stream of JSON lines for each table, and a manifest: the schema's revision, the program's
version, the communities, the rows and the SHA-256 of each stream. It says nothing about the database that it came
from, so a SQLite file becomes a PostgreSQL database by it and the other way round.

- It shows the books at one moment, and holds every write that was answered before it began.
- It is whole or it is not there: written under another name, synced, renamed.
- Whatever is changed or missing in it is found before anything is written.
- Nothing is overwritten: the database that was there before stays beside.
"""

from bot.backup.archive import Copy, Manifest, NotACopy, is_sealed, open_copy
from bot.backup.restoring import Occupied, Restored, communities_at, restore
from bot.backup.rotation import Nightly, copies_in, copy_in_a_process, make_copy, rotate
from bot.backup.sealing import Damaged, WrongPassphrase
from bot.backup.taking import NothingThere, take

__all__ = [
    "Copy",
    "Damaged",
    "Manifest",
    "Nightly",
    "NotACopy",
    "NothingThere",
    "Occupied",
    "Restored",
    "WrongPassphrase",
    "communities_at",
    "copies_in",
    "copy_in_a_process",
    "is_sealed",
    "make_copy",
    "open_copy",
    "restore",
    "rotate",
    "take",
]
