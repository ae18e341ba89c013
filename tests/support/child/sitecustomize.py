"""Loaded by every program that the tests start (through PYTHONPATH).

Coverage writes its data when a process ends by itself; `ocx` really dies by signals, so the data
is written just before it sends itself one. The resolver can be replaced: tests need a name that
does not resolve, and a machine without a network has no other way to answer quickly. The
program can be given a controlling terminal, whose Ctrl-C then reaches it, a umask, and code that
runs before it.
"""

import os
import sys


def _save_coverage_before_death():
    process_startup = sys.modules["coverage"].process_startup
    kill = os.kill

    def saving_kill(pid, number):
        if pid == os.getpid() and (running := getattr(process_startup, "coverage", None)):
            running.save()
        kill(pid, number)

    os.kill = saving_kill


def _replace_resolver(names):
    """`names`: `host=address` pairs, separated by commas; every other name does not exist."""
    import socket

    known = dict(pair.split("=") for pair in names.split(",") if pair)
    real = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        if name and not name.replace(".", "").isdigit() and ":" not in name:
            if name not in known:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            name = known[name]
        return real(name, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo


def apply():
    """Do what the environment of this process asks for."""
    if hasattr(sys.modules.get("coverage"), "process_startup"):
        _save_coverage_before_death()
    if "TEST_RESOLVER" in os.environ:
        _replace_resolver(os.environ["TEST_RESOLVER"])
    if "TEST_UMASK" in os.environ:
        os.umask(int(os.environ.pop("TEST_UMASK"), 8))
    if "TEST_BEFORE" in os.environ:
        exec(os.environ.pop("TEST_BEFORE"), {})
    if "TEST_TERMINAL" in os.environ:
        import fcntl
        import termios

        fcntl.ioctl(int(os.environ.pop("TEST_TERMINAL")), termios.TIOCSCTTY, 0)


apply()
