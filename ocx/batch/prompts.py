"""From the options to what makes each row a request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ocx.batch.options import RowsIn, Words
from ocx.batch.rows.composer import Composer
from ocx.chat.messages import STDIN, StdinClaims, join
from ocx.chat.options import Checks, Instructions, Sampling
from ocx.chat.parameters import reads_stdin
from ocx.chat.request import find_template, prepare_settings
from ocx.chat.templates import STDIN_NAME, Template, parse_params
from ocx.config.settings import Settings
from ocx.errors import UsageError
from ocx.runtime import Runtime
from ocx.suggest import did_you_mean

if TYPE_CHECKING:
    from ocx.chat.schema import Schema


def make_composer(
    run: Runtime,
    words: Words,
    given: Instructions,
    sampling: Sampling,
    rows_in: RowsIn,
    schema: Schema | None,
) -> tuple[Composer, Settings]:
    """What composes the rows, and the settings of the run.

    Raises:
        UsageError, ConfigError: an option, a template or a setting is wrong.
    """
    template = _row_template(run, words, given)
    request = prepare_settings(run, given, sampling, template)
    if template is not None and request.system_given:
        template = replace(template, system=None)
    defaults: dict[str, Any] = {k: v for k, v in request.body().items() if k != "messages"}
    if schema is not None:
        defaults = {"response_format": schema.response_format(), **defaults}
    texts = (template.prompt, template.system) if template is not None else ()
    _check_text([defaults, request.system, *texts])
    composer = Composer(defaults, request.system, template, rows_in.id_column, rows_in.attach_field)
    return composer, request.settings


def _check_text(texts: list[Any]) -> None:
    """Raise UnicodeEncodeError, told once and not for each row: argv may hold any bytes."""
    json.dumps(texts, ensure_ascii=False).encode()


def check_stdin(
    run: Runtime, words: Words, given: Instructions, sampling: Sampling, checks: Checks
) -> None:
    """Raise UsageError if two things are to be read from stdin."""
    piped = words.source is None and run.terminal.stdin_piped
    named = {
        "the rows": STDIN if piped else words.source,
        "--system-file": given.system_file,
        "--schema": checks.schema,
        "--tools": sampling.tools,
        "-O NAME=@-": STDIN if reads_stdin(sampling.options) else None,
        "--key-file": run.flags.get("key_file"),
    }
    StdinClaims(tuple(flag for flag, value in named.items() if value == STDIN)).check()


def _row_template(run: Runtime, words: Words, given: Instructions) -> Template | None:
    """The prompt of every row: that of -t, then the words; None if the rows have their own."""
    if given.template is None and not words.words:
        return find_template(run, given)  # refuses a -p that sets nothing
    stored = find_template(run, given) if given.template is not None else None
    template = stored or Template("PROMPT")
    prompt = join([template.prompt or "", " ".join(words.words)])
    template = replace(template, prompt=prompt or None)
    params = parse_params(given.params)
    template = replace(template, defaults={**template.defaults, **params})
    _check_params(params, template)
    return template


def _check_params(params: Mapping[str, str], template: Template) -> None:
    known = [name for name in template.places if name != STDIN_NAME]
    for name in params:
        if name not in known:
            raise UsageError(
                f"-p sets {name}, which the prompt does not use{did_you_mean(name, known)}",
                hint=f"it has {', '.join(known)}" if known else "it has no $NAME",
            )
