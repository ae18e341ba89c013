"""A balance as text, as a JSON document, and as the server sent it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ocx.api.balance import Balance
from ocx.escaping import escape_control

if TYPE_CHECKING:
    from ocx.terminal import Terminal


def balance_text(reading: Balance) -> str:
    """`499.5 credits`, `110.00 CNY` or `unlimited`; a currency only where the body names one."""
    if reading.unlimited:
        return "unlimited"
    return f"{_plain(reading.amount)} {reading.unit}".rstrip()


def balance_document(reading: Balance, raw: Any, *, sandbox: bool) -> dict[str, Any]:
    """What `--json` prints: the number, how it was found, and the whole answer as `raw`."""
    document: dict[str, Any] = {
        "balance": _number(reading.amount),
        "unit": reading.unit,
        "unlimited": reading.unlimited,
        "path": reading.path,
        "confidence": reading.confidence,
        "sandbox": sandbox,
    }
    if reading.currencies:
        document["currencies"] = {c.unit: _number(c.amount) for c in reading.currencies}
    return {**document, "raw": raw}


def raw_text(terminal: Terminal, body: bytes) -> bytes:
    """The body byte for byte in a pipe; on a terminal, control characters are written out."""
    if terminal.stdout_tty:
        body = escape_control(body.decode("utf-8", "replace")).encode()
    return body if body.endswith(b"\n") else body + b"\n"


def _plain(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:f}"


def _number(amount: Decimal | None) -> int | float | None:
    if amount is None:
        return None
    return int(amount) if amount == amount.to_integral_value() else float(amount)
