"""What makes two requests the same: path, body (with its model) and base URL, never the key."""

from __future__ import annotations

import hashlib

from ocx.batch.rows.row import Row
from ocx.jsontext import encoder

_encode = encoder(sort_keys=True)


def request_bytes(row: Row, base_url: str) -> bytes:
    """The request as it is hashed; the order of the body's keys does not count."""
    text = _encode([base_url.rstrip("/"), row.path, row.body])
    return text.encode("utf-8", "surrogatepass")


def request_sha256(row: Row, base_url: str) -> str:
    """Hex digits."""
    return sha256_of(request_bytes(row, base_url))


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
