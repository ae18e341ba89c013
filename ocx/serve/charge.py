"""What a request costs, its charge from the reservation to the end, and the audit of all of them.

Money is whole micro-credits, a price is credits per million tokens: one token at a price of `p`
costs `p` micro-credits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from ocx.api.prices import Price, estimated_tokens, prompt_bytes
from ocx.serve.ledger import Key, Ledger, Overdrawn, Source
from ocx.serve.openai_format import ApiError, Usage
from ocx.serve.request import ChatRequest
from ocx.sqlite import read_script
from ocx.text import compact, plain_number

MICRO = 1_000_000
MOST = 2**53
"""The largest amount, in micro-credits: exact in SQLite, in JSON and in a double."""


def micro_cost(price: Price, *tokens: int) -> int:
    """`price.cost` in micro-credits, rounded up once for the whole charge."""
    return min(int((price.cost(*tokens) * MICRO).to_integral_value(ROUND_CEILING)), MOST)


def fitting(price: Price, micro: int, prompt_tokens: int) -> int:
    """The largest number of completion tokens that `micro` micro-credits pay; below 1: none."""
    left = micro - price.prompt * prompt_tokens
    if left < 0:
        return 0
    if not price.completion:
        return MOST
    return int((left / price.completion).to_integral_value(ROUND_FLOOR))


def credits_json(micro: int) -> int | float:
    """A JSON number of credits: 500, not 500.0; exact to the micro-credit up to `MOST`."""
    return micro // MICRO if micro % MICRO == 0 else micro / MICRO


def format_credits(micro: int) -> str:
    """Credits for a person: `499.999937`, without needless zeros."""
    return plain_number(Decimal(micro) / MICRO)


def parse_credits(text: str) -> int:
    """Micro-credits of a decimal number of credits.

    Raises:
        ValueError: not a number, more than six decimals, or beyond `MOST`.
    """
    try:
        exact = Decimal(text) * MICRO
    except ArithmeticError:
        raise ValueError(f"{text!r} is not a number of credits") from None
    if not exact.is_finite() or abs(exact) > MOST:
        raise ValueError(f"{text!r} is out of range")
    if exact != exact.to_integral_value():
        raise ValueError(f"{text!r} has more than six decimals")
    return int(exact)


PER_MESSAGE = 4
PER_ANSWER = 3
_DESCRIBED = ("tools", "functions", "response_format")
"""What a model reads beside the messages."""


@dataclass
class Charge:
    """Counts what is delivered, and settles once.

    Attributes:
        by_upstream: an upstream counts the tokens, by a tokenizer of its own.
        tokens: those of a built-in answer that the client got.
        text_bytes: bytes of answer that an upstream has sent.
        asked: an upstream works on it, or has: the prompt is paid though nobody reads the answer.
        taken: micro-credits, once settled.

    Raises:
        ApiError: 402: the credits that the request may cost at most are not there.
    """

    ledger: Ledger
    key: Key
    price: Price
    request: ChatRequest
    by_upstream: bool = False
    tokens: int = 0
    text_bytes: int = 0
    asked: bool = False
    upstream: Usage | None = None
    finished: bool = False
    taken: int | None = None

    def __post_init__(self) -> None:
        request = self.request
        self._prompt = count_prompt(each.text for each in request.messages)
        values = map(request.body.get, _DESCRIBED)
        described = [value for value in values if value is not None]
        self._prompt += count_tokens(compact(described)) if described else 0
        # A token of any tokenizer has at least one byte.
        most = prompt_bytes(request.body) if self.by_upstream else self._prompt
        hold = micro_cost(self.price, most, request.max_tokens)
        try:
            self._id = self.ledger.reserve(self.key, request.model, hold)
        except Overdrawn as error:
            fits = fitting(self.price, error.available, most)
            advice = "not even its prompt fits: top up the account"
            if fits >= 1:
                advice = f"top up the account, or set max_tokens to at most {fits}"
            raise ApiError(
                402,
                f"not enough credits: this request may cost up to {format_credits(hold)} and"
                f" {format_credits(error.available)} are available; {advice}",
                "insufficient_credits",
            ) from error

    @property
    def delivered(self) -> bool:
        """Whether the client got anything that counts."""
        return bool(self.tokens or self.text_bytes)

    def usage(self) -> Usage:
        """The upstream's own usage if it finished its answer, else what was counted."""
        if self.finished and self.upstream:
            return self.upstream
        return Usage(self._prompt, self.tokens + estimated_tokens(self.text_bytes))

    async def durable(self) -> None:
        """Return once it is on the disk that the charge has ended. Raises OSError."""
        await self.ledger.store.log.wait()

    def cancel(self) -> None:
        """End the charge of a request that was refused: nothing is kept of it."""
        self.ledger.cancel(self._id)

    def settle(self, outcome: str) -> None:
        """End the charge; later calls change nothing.

        It is free if no token came and no upstream works on it. An answer that broke off costs the
        prompt and the tokens that came, even if the upstream reported a usage.
        """
        if self.taken is not None:
            return
        usage = self.usage()
        source: Source = "upstream" if usage is self.upstream else "counted"
        free = not (self.finished or self.delivered or self.asked)
        cost = 0 if free else micro_cost(self.price, *usage)
        self.taken = self.ledger.settle(self._id, cost, usage, source, outcome)


def count_tokens(text: str) -> int:
    return estimated_tokens(len(text.encode("utf-8", "surrogatepass")))


def count_prompt(texts: Iterable[str]) -> int:
    """The prompt as it is charged: four a message on top of its text, three for the answer."""
    return sum(count_tokens(text) + PER_MESSAGE for text in texts) + PER_ANSWER


def problems(db: sqlite3.Connection) -> list[str]:
    """One line for each row that breaks a rule; empty if the ledger is sound."""
    found = []
    db.execute("BEGIN")
    try:
        for text in read_script(__package__, "audit.sql").split("-- rule: ")[1:]:
            rule, _, query = text.partition("\n")
            found += [f"{rule}: {', '.join(map(str, row))}" for row in db.execute(query)]
        damage = [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
    finally:
        db.execute("ROLLBACK")
    return found + damage


def totals(db: sqlite3.Connection) -> dict[str, Any]:
    """Totals: micro-credits of all accounts, charges by state and by outcome."""
    balance, held = db.execute(
        "SELECT coalesce(sum(balance), 0), coalesce(sum(held), 0) FROM account"
    ).fetchone()
    states = dict(db.execute("SELECT state, count(*) FROM charge GROUP BY state"))
    outcomes = dict(
        db.execute("SELECT outcome, count(*) FROM charge WHERE outcome NOT NULL GROUP BY outcome")
    )
    return {"balance": balance, "held": held, "charges": states, "outcomes": outcomes}


_ROWS = """
SELECT l.seq, l.at AS time, a.name AS account, l.kind, l.amount, l.balance_after, c.id AS charge,
  c.model, c.outcome, c.prompt_tokens, c.completion_tokens, c.source, c.shortfall, k.name AS key
FROM ledger l JOIN account a ON a.id = l.account
LEFT JOIN charge c ON c.id = l.charge LEFT JOIN key k ON k.id = c.key
WHERE :account IS NULL OR a.name = :account ORDER BY l.seq
"""
_AMOUNTS = ("amount", "balance_after", "shortfall")


def entries(db: sqlite3.Connection, account: str | None = None) -> Iterator[dict[str, Any]]:
    """Every entry, oldest first; amounts in credits, times in seconds since the epoch."""
    found = db.execute(_ROWS, {"account": account})
    names = [column[0] for column in found.description]
    for values in found:
        row = dict(zip(names, values, strict=True))
        for name in _AMOUNTS:
            row[name] = None if row[name] is None else credits_json(row[name])
        yield row
