"""Local keys: `sk-live-local-` + 43 base62 characters + 6 of checksum, stored as SHA-256 only."""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib

from ocx.secret import Secret

PREFIX = "sk-live-local-"
PROVIDER_PREFIX = "sk-live-"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = 43
_CHECK = 6


def mint() -> Secret:
    """A new random key: 43 characters of base62 are more than 256 bits."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return Secret(PREFIX + body + _checksum(body))


def digest(key: str) -> str:
    """What is stored of a key: SHA-256 in hexadecimal; enough for a text of 256 random bits."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def is_whole(key: str) -> bool:
    """Whether the checksum fits: tells a key that was cut or mistyped from a foreign one."""
    body, check = key[len(PREFIX) : -_CHECK], key[-_CHECK:]
    return key.startswith(PREFIX) and len(body) == _RANDOM and _checksum(body) == check


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode("utf-8", "surrogateescape"))
    letters = ""
    for _ in range(_CHECK):
        number, rest = divmod(number, 62)
        letters = _ALPHABET[rest] + letters
    return letters
