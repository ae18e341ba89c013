"""`ocx batch`: from options to a run over many rows, or an estimate of one."""

from __future__ import annotations

from ocx.batch.estimate import check_estimable, estimate
from ocx.batch.execution import Setup, execute, raise_ending
from ocx.batch.input import open_rows
from ocx.batch.options import (
    BatchBudget,
    Failures,
    RowChecks,
    RowsIn,
    RowsOut,
    Shards,
    Speed,
    Words,
)
from ocx.batch.outputs import beside_path, output_path, resumes
from ocx.batch.setup import check_stdin, make_composer, make_limits, make_settings
from ocx.batch.shards import find_shard
from ocx.chat.options import Instructions, Sampling
from ocx.runtime import Runtime


def batch(
    run: Runtime,
    words: Words,
    rows_in: RowsIn,
    instructions: Instructions,
    sampling: Sampling,
    checks: RowChecks,
    rows_out: RowsOut,
    speed: Speed,
    budget: BatchBudget,
    failures: Failures,
    shards: Shards,
) -> None:
    """Send many prompts in one run, each paid once, within credits.

    IN is JSON Lines (requests as OpenAI's Batch API has them, chat bodies, or objects with a
    prompt or with the fields that PROMPT names), CSV or TSV with a header, or text with --text;
    `.gz` is unpacked. A file is checked whole before anything is sent. Rows are written as they
    end; the same command with --resume goes on where a run was ended, however that was.
    """
    check_stdin(run, words, instructions, sampling, checks)
    schema = checks.read_schema(run.read_stdin)
    composer, settings = make_composer(run, words, instructions, sampling, rows_in, schema)
    shard = find_shard(shards.shard, run.terminal.env)
    rows = open_rows(run, words, rows_in, composer, shard)
    if budget.estimate:
        check_estimable(rows)
    limits = make_limits(run, settings, budget, checks)
    setup = Setup(
        rows,
        settings,
        make_settings(run, settings, speed, failures, limits),
        checks,
        schema,
        rows_out,
        output_path(rows_out, shard),
        resumes(rows_out, shard),
        failures.drain,
        beside_path(rows_out.report, shard),
        beside_path(rows_out.junit, shard),
        words.source or "stdin",
    )
    if budget.estimate:
        estimate(run, setup)
        return
    raise_ending(setup, execute(run, setup))
