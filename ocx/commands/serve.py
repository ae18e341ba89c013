"""`ocx serve`: the options of the local server.

This module is loaded for `ocx serve grant`, too, which needs no HTTP server.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ocx.cli import OptionGroup, option
from ocx.context import Context
from ocx.errors import UsageError
from ocx.record import record

_File = Path | None


@record
class TapeOptions(OptionGroup):
    """A recording of the profile's own endpoint: made, or played."""

    heading = "Options"

    record: _File = option(
        "--record TAPE",
        "Run CMD against the profile's endpoint, keep all answers if it ends with 0.",
    )
    replay: _File = option("--replay TAPE", "Run CMD on the kept answers, offline.")
    missing: Literal["fail", "pass", "record"] = option(
        "--missing fail|pass|record",
        "What a request gets that the tape lacks; record adds it.",
        "fail",
    )
    record_on_failure: bool = option(
        "--record-on-failure", "Write TAPE even if CMD does not end with 0.", False
    )
    timing: bool = option("--timing", "Replay at the pace of the recording.", False)

    @property
    def given(self) -> bool:
        return self.record is not None or self.replay is not None

    def check(self, *, json: bool) -> None:  # noqa: ARG002 - see OptionGroup
        if self.record is not None and self.replay is not None:
            raise UsageError("--record and --replay exclude each other")


def serve(
    ctx: Context,
    *,
    port: int | None = option(
        "--port N", "Listen here; 0 is any free port.", minimum=0, maximum=65535
    ),
    db: _File = option("--db FILE", "Ledger to use, made if missing."),
    config: _File = option("--config FILE", "Settings instead of serve.toml."),
    ephemeral: bool = option(
        "--ephemeral", "Ledger in memory; ids, times and keys are fixed.", False
    ),
    tape: TapeOptions,
    log: _File = option(
        "--log FILE", "Append a JSON line a request to this file; SIGHUP reopens it."
    ),
) -> None:
    """Run the documented API on loopback, with keys and credits.

    With `-- CMD`, runs CMD against a fresh server and exits as CMD does: OCX_BASE_URL,
    OCX_API_KEY, OPENAI_BASE_URL, OPENAI_API_KEY and OPENCODEX_API_KEY are set for it. Models
    answer by echo unless serve.toml routes them to a script, a tape or an upstream. A request
    may name `lorem:20,tps=5` or a fault: `fault/429,first=2`, `fault/cut:3`, `fault/stall:3`,
    `fault/error:3`, `fault/slow`; the header X-OCX-Fault does the same for any model.
    """
    if ephemeral and (db is not None or ctx.flags.get("sandbox")):
        raise UsageError("--ephemeral keeps its ledger in memory: leave out --db and --sandbox")
    if ctx.trailing is not None and not ctx.trailing:
        raise UsageError("no command after --", hint="ocx serve -- sh -c 'ocx chat hi'")
    from ocx.commands.serve_run import play_tape, run_server  # see above

    if tape.given:
        play_tape(ctx, tape)
    else:
        run_server(ctx, port, db, config, log, ephemeral=ephemeral)
