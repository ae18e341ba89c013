"""The program for a script of a test: a child of the fork server, with the streams of this process.

    python -I -S forked.py SOCKET ARGS...

It imports nothing that takes time.
"""

import marshal
import os
import sys
from _signal import SIG_DFL, SIGHUP, SIGINT, SIGKILL, SIGTERM, signal
from _socket import AF_UNIX, MSG_WAITALL, SCM_RIGHTS, SOL_SOCKET, socket

NUMBER = 8


def receive():
    return int.from_bytes(run.recv(NUMBER, MSG_WAITALL), "big", signed=True)


def forward(number, _frame):
    try:  # noqa: SIM105 - contextlib takes time
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # it has just ended


run = socket(AF_UNIX)
run.connect(sys.argv[1])
folder = os.getcwd()  # noqa: PTH109 - pathlib takes time
program = {"args": sys.argv[2:], "env": dict(os.environ), "cwd": folder, "session": False}
request = marshal.dumps(program)
streams = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
run.sendmsg([len(request).to_bytes(NUMBER, "big")], [(SOL_SOCKET, SCM_RIGHTS, streams)])
run.sendall(request)
pid = receive()
for number in (SIGHUP, SIGINT, SIGTERM):
    signal(number, forward)
status = receive()
if status < 0:
    if -status != SIGKILL:
        signal(-status, SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
