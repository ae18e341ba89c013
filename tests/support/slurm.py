"""A real Slurm on this machine: munged, slurmctld and slurmd, without systemd, in one folder."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from pathlib import Path

from tests.support.waiting import Collected

DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("sbatch", "scancel", "scontrol", "squeue", "srun")
INSTALL = "apt-get install slurm-wlm munge parallel; then make test-cluster"
NODE = "n1"
CPUS = 8
"""As many tasks run at once, however few CPUs the machine has."""

# A requeued task waits until its old credential has expired: two minutes, unless that is shorter.
_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=6
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,batch_sched_delay=0
KillWait=20
NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=8192
PartitionName=all Nodes={node} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """The programs of Slurm that this machine does not have."""
    path = _path()
    return [name for name in (*DAEMONS, *CLIENTS) if not shutil.which(name, path=path)]


class Slurm:
    """One node that runs eight tasks at once. Use it in a `with`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self._running: list[tuple[subprocess.Popen[bytes], Collected]] = []
        for name in ("state", "spool"):
            (folder / name).mkdir()
        key = folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        controller, daemon = _free_ports(2)
        self.conf.write_text(
            _CONF.format(
                host=socket.gethostname().partition(".")[0],
                user=getpass.getuser(),
                controller=controller,
                daemon=daemon,
                folder=folder,
                node=NODE,
                cpus=CPUS,
            )
        )

    def __enter__(self) -> Slurm:
        try:
            self._start("munged", "-F", "--force", *self._munge_files(), ready=b"work threads")
            self._start("slurmctld", "-D", ready=b"Running as primary controller")
            self._start("slurmd", "-D", "-N", NODE, ready=b"slurmd started")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._end_jobs()
        finally:
            self.close()

    def env(self) -> dict[str, str]:
        """What a client of this cluster needs in its environment."""
        return {"PATH": _path(), "SLURM_CONF": str(self.conf)}

    def run(self, *args: str) -> str:
        """What an `scontrol`, `scancel` or `squeue` prints."""
        env = {**os.environ, **self.env()}
        done = subprocess.run(args, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{args}: {done.stderr}{self.log()}"
        return done.stdout

    def log(self) -> str:
        """All that the daemons have said, for a test that fails."""
        return b"\n".join(said.so_far() for _, said in self._running).decode("utf-8", "replace")

    def close(self) -> None:
        """Stop what runs, the last first."""
        for daemon, said in reversed(self._running):
            daemon.terminate()
            daemon.wait()
            assert daemon.stderr is not None
            said.all()
            daemon.stderr.close()
        self._running.clear()

    def _end_jobs(self) -> None:
        """Nothing that a failed test left may outlive the daemons."""
        if self.run("squeue", "--noheader"):
            self.run("scancel", "--user", getpass.getuser())
            # It starts when it has the node for itself, so when the last task is gone.
            self.run("srun", "--exclusive", "true")

    def _munge_files(self) -> list[str]:
        names = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed"}
        return [f"--{flag}={self.folder}/munge.{name}" for flag, name in names.items()]

    def _start(self, *args: str, ready: bytes) -> None:
        daemon = subprocess.Popen(
            args,
            env={**os.environ, **self.env()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert daemon.stderr is not None
        said = Collected(daemon.stderr.fileno())
        self._running.append((daemon, said))
        said.until(ready)


def _path() -> str:
    # Debian's daemons are where a user's PATH does not look.
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def _free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
