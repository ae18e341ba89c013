"""Where the process starts: the version at once, everything else through `ocx.entry`."""

import gc
import sys


def main() -> None:
    """Run the program with the words of the command line; ends the process."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        # Nothing else: shells and CI ask for this all the time.
        from ocx import __version__  # noqa: PLC0415 - see above

        try:
            sys.stdout.write(f"ocx {__version__}\n")
            sys.stdout.flush()
            return
        except (OSError, AttributeError):
            pass  # the long way knows how to die of a closed or full stdout
    # Python looks for unreachable cycles each 700 new objects: 12 ms while it imports, in vain.
    if hasattr(gc, "set_threshold"):  # PyPy has none
        gc.set_threshold(100_000, 10, 10)
    try:
        from ocx.entry import run  # noqa: PLC0415 - not for the version
    except KeyboardInterrupt:  # Ctrl-C before our own handler stands
        import os  # noqa: PLC0415 - only if interrupted
        import signal  # noqa: PLC0415 - the same

        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        os._exit(130)
    run(sys.argv[1:])


if __name__ == "__main__":
    main()
