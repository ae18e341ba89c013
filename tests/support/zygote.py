"""The process that `fork_server` forks: everything a command may need is imported once."""

import array
import contextlib
import gc
import importlib
import marshal
import os
import pkgutil
import select
import signal
import socket
import sys
from pathlib import Path

_DESCRIPTORS = 3  # stdin, stdout, stderr
_NUMBER = 8

# What each child would import later, by itself.
LATE = (
    "concurrent.futures.thread encodings.ascii encodings.idna encodings.utf_8_sig tomli_w "
    "tomlkit.api typer._click.decorators uvicorn.lifespan.off"
).split()

sys.path.insert(0, str(Path(__file__).parents[2]))

import sitecustomize  # noqa: E402

import ocx  # noqa: E402
from ocx.__main__ import main  # noqa: E402
from ocx.cli import table  # noqa: E402
from tests.support.measuring import Measuring  # noqa: E402

for module in pkgutil.walk_packages(ocx.__path__, "ocx."):
    importlib.import_module(module.name)
for name in LATE:
    importlib.import_module(name)
BUILT = {}
_build = table.build


def build(path, entry):
    """The command that is built already; a second time, as parsing changes it, one of its own."""
    return BUILT.pop(path, None) or _build(path, entry)


def build_all(path, entry):
    BUILT[path] = command = _build(path, entry)
    for name in getattr(command, "table", ()):
        command.get_command(None, name)
    return command


# A third of what a short child does; the same each time.
table.build = build_all
table.root()
table.build = build
gc.freeze()  # else the first collection of a child would copy all of it
MEASURING = Measuring()


def serve(listener):
    """Fork a child for each connection until the test process is gone; report each one's end."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    running = {}
    while True:
        ready, _, _ = select.select([0, listener, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            reap(running)
        if 0 in ready:
            return
        if listener in ready:
            run, _ = listener.accept()
            message, descriptors = receive(run)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.close(woken)
                os.close(wake)
                for each in (listener, run, *running.values()):
                    each.close()
                become(message, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            running[pid] = run
            tell(run, pid)


def reap(running):
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        run = running.pop(pid)
        tell(run, os.waitstatus_to_exitcode(status))
        run.close()


def tell(run, number):
    with contextlib.suppress(BrokenPipeError):  # the test does not wait for it any more
        run.sendall(number.to_bytes(_NUMBER, "big", signed=True))


def receive(run):
    space = socket.CMSG_SPACE(_DESCRIPTORS * array.array("i").itemsize)
    head, rights, _, _ = run.recvmsg(_NUMBER, space)
    descriptors = array.array("i")
    for _, _, data in rights:
        descriptors.frombytes(data)
    length = int.from_bytes(head, "big")
    return marshal.loads(run.recv(length, socket.MSG_WAITALL)), list(descriptors)


def become(message, descriptors):
    """Be the program, as if the interpreter had just started."""
    MEASURING.begin_child(measured="COVERAGE_PROCESS_CONFIG" in message["env"])
    try:
        if message["session"]:
            os.setsid()
        for number in range(3):
            os.dup2(descriptors[number], number)
        os.closerange(3, 256)
        os.chdir(message["cwd"])
        os.environ.clear()
        os.environ.update(message["env"])
        sys.argv = [ocx.__main__.__file__, *message["args"]]
        for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
            errors = "backslashreplace" if name == "stderr" else "surrogateescape"
            stream = open(number, mode, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        sitecustomize.apply()
        main()
        sys.stdout.flush()
        os._exit(0)
    except SystemExit as exit_:
        os._exit(exit_.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(70)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
    MEASURING.end()
