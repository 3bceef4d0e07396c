"""Two ways in which the bytes of a copy lie on the disk: open with a digest at the end, or sealed with a passphrase.

Sealed: a head (magic, salt, nonce prefix) and pieces of 64 KiB, each AES-256-GCM under a key that scrypt makes of the
passphrase. A piece's nonce holds its number and whether it is the last, the head is associated data: pieces that are
changed, missing, moved or taken from another file do not open. Pieces open by themselves, so the file can be read from
any place in it, as a ZIP must.

Open: an ordinary ZIP whose comment, the last bytes of the file, is the SHA-256 of everything before.
"""

import hashlib
import io
import os
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"LINLI-SEALED-1\n"
SALT_BYTES = 16
PREFIX_BYTES = 7
HEAD_BYTES = len(MAGIC) + SALT_BYTES + PREFIX_BYTES
PIECE_BYTES = 65_536
TAG_BYTES = 16

DIGEST_NAME = b"sha256:"
STAMP_BYTES = len(DIGEST_NAME) + 64
STAMP_TO_BE = DIGEST_NAME + b"0" * 64
"""What a ZIP is closed with, until the digest is known."""


class Damaged(Exception):
    """The file is not as it was written: changed, cut short, or no copy at all behind its name."""


class WrongPassphrase(Exception):
    """The passphrase does not open this file, or its very first piece was changed: nobody can tell these apart."""


def _key(passphrase: str, salt: bytes) -> bytes:
    # 64 MiB and a quarter of a second: what a guess costs.
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=2**16, r=8, p=1, maxmem=2**27, dklen=32)


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes((last,))


class Sealing(io.RawIOBase):
    """What is written here comes out sealed. `close` ends the file below it without closing that."""

    def __init__(self, out: BinaryIO, passphrase: str) -> None:
        super().__init__()
        salt, self._prefix = os.urandom(SALT_BYTES), os.urandom(PREFIX_BYTES)
        self._head = MAGIC + salt + self._prefix
        self._cipher = AESGCM(_key(passphrase, salt))
        self._out = out
        self._waiting = bytearray()
        self._number = 0
        out.write(self._head)

    def writable(self) -> bool:
        return True

    def write(self, given: object) -> int:
        piece = bytes(given)  # type: ignore[call-overload]
        self._waiting += piece
        # One full piece is kept back: only at the end is it known to be the last.
        while len(self._waiting) > PIECE_BYTES:
            self._put(bytes(self._waiting[:PIECE_BYTES]), last=False)
            del self._waiting[:PIECE_BYTES]
        return len(piece)

    def _put(self, piece: bytes, *, last: bool) -> None:
        self._out.write(self._cipher.encrypt(_nonce(self._prefix, self._number, last=last), piece, self._head))
        self._number += 1

    def finish(self) -> None:
        """Writes the last piece."""
        self._put(bytes(self._waiting), last=True)


class Sealed(io.RawIOBase):
    """A sealed file, read as if it were open. Raises Damaged and WrongPassphrase."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        super().__init__()
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self._head = file.read(HEAD_BYTES)
        body = size - HEAD_BYTES
        self._pieces = -(-body // (PIECE_BYTES + TAG_BYTES))
        # The last piece holds at least its tag.
        if body < TAG_BYTES or 0 < body % (PIECE_BYTES + TAG_BYTES) < TAG_BYTES:
            raise Damaged("cut short")
        self._length = body - self._pieces * TAG_BYTES
        self._cipher = AESGCM(_key(passphrase, self._head[len(MAGIC) : len(MAGIC) + SALT_BYTES]))
        self._file = file
        self._at = 0
        self._held: tuple[int, bytes] = (-1, b"")

    def check(self) -> None:
        """Opens every piece once. Raises WrongPassphrase where not even the first one opens, else Damaged."""
        try:
            self._piece(0)
        except Damaged:
            raise WrongPassphrase from None
        for number in range(1, self._pieces):
            self._piece(number)

    def _piece(self, number: int) -> bytes:
        if self._held[0] != number:
            self._file.seek(HEAD_BYTES + number * (PIECE_BYTES + TAG_BYTES))
            sealed = self._file.read(PIECE_BYTES + TAG_BYTES)
            nonce = _nonce(self._head[-PREFIX_BYTES:], number, last=number == self._pieces - 1)
            try:
                self._held = (number, self._cipher.decrypt(nonce, sealed, self._head))
            except InvalidTag:
                raise Damaged(f"piece {number}") from None
        return self._held[1]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        number, within = divmod(self._at, PIECE_BYTES)
        if self._at >= self._length:
            return 0
        found = self._piece(number)[within : within + len(view)]
        view[: len(found)] = found
        self._at += len(found)
        return len(found)


class Stamping(io.RawIOBase):
    """What is written here passes through; its last bytes, a `STAMP_TO_BE`, become the digest of all before."""

    def __init__(self, out: BinaryIO) -> None:
        super().__init__()
        self._out = out
        self._digest = hashlib.sha256()
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, given: object) -> int:
        piece = bytes(given)  # type: ignore[call-overload]
        self._waiting += piece
        ready = max(0, len(self._waiting) - STAMP_BYTES)
        self._digest.update(self._waiting[:ready])
        self._out.write(self._waiting[:ready])
        del self._waiting[:ready]
        return len(piece)

    def finish(self) -> None:
        """Writes the digest."""
        assert bytes(self._waiting) == STAMP_TO_BE
        self._out.write(DIGEST_NAME + self._digest.hexdigest().encode())


def check_stamp(file: BinaryIO) -> None:
    """Holds the digest at the end of an open file against the rest. Raises Damaged."""
    rest = file.seek(0, os.SEEK_END) - STAMP_BYTES
    if rest < 0:
        raise Damaged("cut short")
    digest = hashlib.sha256()
    file.seek(0)
    while rest > 0 and (piece := file.read(min(1 << 20, rest))):
        digest.update(piece)
        rest -= len(piece)
    if file.read() != DIGEST_NAME + digest.hexdigest().encode():
        raise Damaged("digest")
    file.seek(0)
