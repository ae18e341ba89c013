"""`ocx config path`."""

from __future__ import annotations

from ocx.config.paths import cache_dir, config_file, credentials_file, if_known, state_dir
from ocx.output.json_output import write_json
from ocx.runtime import Runtime


def path(run: Runtime) -> None:
    """Print where the config file is.

    --json names the other places, too.
    """
    env = run.terminal.env
    if run.json:
        places = {
            "config": config_file,
            "credentials": credentials_file,
            "state": state_dir,
            "cache": cache_dir,
        }
        found = {name: if_known(place, env) for name, place in places.items()}
        write_json(run.terminal, {name: path and str(path) for name, path in found.items()})
    else:
        run.terminal.print(str(config_file(env)))
