"""What makes two requests the same: path, body (with its model) and base URL, never the key."""

from __future__ import annotations

import hashlib
import json

from ocx.batch.rows.row import Row


def request_sha256(row: Row, base_url: str) -> str:
    """Hex digits; the order of the body's keys does not count."""
    parts = [base_url.rstrip("/"), row.path, row.body]
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
