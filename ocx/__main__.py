"""Where the process starts: the version at once, everything else through `ocx.entry`."""

import sys


def main() -> None:
    """Run the program with the words of the command line; ends the process."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from ocx import __version__  # nothing else: shells and CI ask for this all the time

        try:
            sys.stdout.write(f"ocx {__version__}\n")
            sys.stdout.flush()
            return
        except (OSError, AttributeError):
            pass  # the long way knows how to die of a closed or full stdout
    try:
        from ocx.entry import run
    except KeyboardInterrupt:  # Ctrl-C before our own handler stands
        import os
        import signal

        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        os._exit(130)
    run(sys.argv[1:])


if __name__ == "__main__":
    main()
