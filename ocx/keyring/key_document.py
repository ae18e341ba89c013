"""A stored key as a JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ocx.keyring.credentials import OLD_AFTER_DAYS, StoredKey, now


def key_document(key: StoredKey, users: Sequence[str]) -> dict[str, Any]:
    """A stored key as `ocx keys` prints it: masked, with its age in days and its users."""
    age = key.age_days(now())
    return {
        "name": key.name,
        "key": key.secret.masked(),
        "created": key.created and key.created.isoformat(),
        "age_days": age,
        "old": age is not None and age > OLD_AFTER_DAYS,
        "profiles": list(users),
        "base_url": key.base_url,
    }
