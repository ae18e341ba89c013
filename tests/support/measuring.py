"""Coverage of forked children at the price of the tracing alone.

Coverage's own way is a new start and a database for each process: as much as all that a short
child does. Here the process that forks is measured from its first import on, a child goes on
with the same tracer and leaves a file of the arcs that it took, and its parent adds them to its
own when it ends. This reads what Coverage collects from where it keeps it, which is private:
pyproject.toml therefore names the version.
"""

import contextlib
import marshal
import os
import posix
import sys
import tempfile
from pathlib import Path


class Measuring:
    """Attributes:
    running: this process's `Coverage`; None without --cov.
    """

    def __init__(self):
        startup = getattr(sys.modules.get("coverage"), "process_startup", None)
        self._startup = startup
        self.running = getattr(startup, "coverage", None)
        self._found = tempfile.TemporaryDirectory() if self.running else None

    def begin_child(self, *, measured):
        """In a child, before it does anything."""
        os._exit = posix._exit  # not Coverage's, which saves
        if self.running is None:
            return
        if not measured:
            self.running.stop()
            del self._startup.coverage
            return
        for arcs in self._data().values():
            arcs.clear()
        self._startup.coverage = self  # what is saved before a deadly signal
        os._exit = self._leave

    def save(self):
        """In a child: leave what it took. Once more is harmless."""
        with contextlib.suppress(OSError):  # a full disk, or no file may grow: that is the test
            taken = {name: arcs for name, arcs in self._data().copy().items() if arcs}
            path = Path(self._found.name, str(os.getpid()))
            path.write_bytes(marshal.dumps(taken))

    def end(self):
        """In the process that forks: add up what its children left."""
        if self.running is None:
            return
        self.running.stop()
        data = self._data()
        for path in Path(self._found.name).iterdir():
            with contextlib.suppress(EOFError, ValueError):  # it died while it wrote
                for name, arcs in marshal.loads(path.read_bytes()).items():
                    data.setdefault(name, set()).update(arcs)
        self._found.cleanup()
        self.running.save()

    def _data(self):
        return self.running._collector.data

    def _leave(self, status):
        self.save()
        posix._exit(status)
