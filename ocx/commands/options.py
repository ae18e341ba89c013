"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

KeyName = Annotated[str, typer.Argument(metavar="NAME", help="The name of the key.")]
SettingName = Annotated[
    str, typer.Argument(metavar="NAME", help="A setting, or headers.X, or aliases.X.")
]
TemplateName = Annotated[str, typer.Argument(help="The template's name.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Db = Annotated[
    Path | None, typer.Option("--db", help="Ledger instead of the default one.", metavar="FILE")
]
AccountName = Annotated[
    str, typer.Option("--account", help="Account, made if missing.", metavar="NAME")
]
Since = Annotated[
    str | None,
    typer.Option("--since", help="From this date (2026-01-31), or age (7d) on.", metavar="TIME"),
]
Until = Annotated[
    str | None, typer.Option("--until", help="Before this date or age.", metavar="TIME")
]
OfModel = Annotated[
    str | None, typer.Option("--model", "-m", help="Only calls to this model.", metavar="ID")
]
Talk = Annotated[
    str | None,
    typer.Option("--conversation", help="Only this conversation: its name or id.", metavar="NAME"),
]
Limit = Annotated[int, typer.Option("--limit", help="How many at most.", min=1, metavar="N")]
