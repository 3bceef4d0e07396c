"""Endpoints' secrets (webhook keys) at rest: sealed with a key that lies in the configuration and not in the database.

AES-256-GCM, the endpoint's address as associated data, so that a sealed key copied to another row does not open. Two
keys may be given during a change: the newest seals, both open.
"""

import base64
import contextlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class SecretsLocked(Exception):
    """No key is configured, or none of the configured keys opens this secret."""


class Sealer:
    """Seals and opens secrets. `keys` are 32 bytes each, newest first; none for a deployment without secrets."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = [AESGCM(key) for key in keys]

    def seal(self, secret: str, address: str) -> str:
        """The secret as it may be stored. Raises SecretsLocked without a key."""
        if not self._ciphers:
            raise SecretsLocked("set secrets.key in the configuration")
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[0].encrypt(nonce, secret.encode(), address.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, address: str) -> str:
        """The secret itself. Raises SecretsLocked."""
        try:
            raw = base64.b64decode(sealed, validate=True)
        except ValueError:
            raise SecretsLocked("this secret is damaged") from None
        for cipher in self._ciphers:
            # A value that was cut short fails as a wrong key does, or for the length of its nonce.
            with contextlib.suppress(InvalidTag, ValueError):
                return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], address.encode()).decode()
        if not self._ciphers:
            raise SecretsLocked("set secrets.key in the configuration")
        raise SecretsLocked("no configured key opens this secret")
