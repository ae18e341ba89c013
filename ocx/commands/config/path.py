"""`ocx config path`."""

from __future__ import annotations

from ocx.config.paths import cache_dir, config_file, credentials_file, state_dir
from ocx.output.json_output import write_json
from ocx.runtime import Runtime


def path(run: Runtime) -> None:
    """Print where the config file is.

    --json names the other places, too.
    """
    env = run.terminal.env
    if run.json:
        places = {
            "config": config_file(env),
            "credentials": credentials_file(env),
            "state": state_dir(env),
            "cache": cache_dir(env),
        }
        write_json(run.terminal, {name: str(place) for name, place in places.items()})
    else:
        run.terminal.print(str(config_file(env)))
