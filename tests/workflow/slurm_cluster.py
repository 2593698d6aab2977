"""A SLURM of one or two nodes on this machine: munge, controller and node run from a temporary folder, on loopback."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=0
KillWait=5
MinJobAge=86400
ReturnToService=2
SlurmdParameters=config_overrides
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 MaxTime=INFINITE State=UP
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF MaxTime=INFINITE State=UP
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=4 RealMemory=32000 Gres=gpu:1\n"


def why_not() -> str:
    """Why no SLURM can be started here, or nothing."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    if missing:
        return f"{', '.join(missing)} not installed (Debian's slurm-wlm and munge)"
    return "" if os.geteuid() == 0 else "slurmd starts as root only"


class Cluster:
    """What the tests ask of the running SLURM."""

    def __init__(self, folder: Path) -> None:
        conf = str(folder / "slurm.conf")
        # within a job the executor plugin calls srun without SLURM's variables, SLURM_CONF among them
        srun = folder / "bin/srun"
        srun.parent.mkdir()
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={conf} exec {shutil.which("srun", path=PATH)} "$@"\n')
        srun.chmod(0o755)
        self.environment = {"SLURM_CONF": conf, "PATH": f"{srun.parent}:{PATH}"}

    def ask(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout

    def jobs(self) -> dict[str, tuple[str, str]]:
        """Of each job, finished ones too, its state and the rule's name with its wildcards."""
        lines = self.ask("squeue", "--states=all", "--noheader", "--format=%i|%T|%k").splitlines()
        return {number: (state, comment) for number, state, comment in (line.split("|") for line in lines)}

    def running(self, rule: str) -> str:
        """The number of the rule's job that runs, or nothing."""
        jobs = self.jobs().items()
        return next((number for number, (state, what) in jobs if state == "RUNNING" and rule in what), "")

    def details(self, number: str) -> dict[str, str]:
        """What `scontrol show job` says of a job."""
        text = self.ask("scontrol", "show", "job", number)
        return dict(field.split("=", 1) for field in text.split() if "=" in field)


@contextmanager
def slurm(folder: Path, nodes: Sequence[str] = ("node",)) -> Iterator[Cluster]:
    """Start munge and SLURM in a folder, and end them again.

    Raises:
        RuntimeError: the nodes are not ready after a minute.
    """
    folder.chmod(0o755)  # munge wants nobody else to write above its socket
    key, ports = folder / "munge.key", _free_ports(1 + len(nodes))
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    (folder / "nvidia0").touch()
    (folder / "state").mkdir()
    host = socket.gethostname().split(".")[0]
    text = CONFIGURATION.format(folder=folder, host=host, controller_port=ports[0])
    text += "".join(NODE.format(name=name, host=host, port=port) for name, port in zip(nodes, ports[1:], strict=True))
    (folder / "slurm.conf").write_text(text)
    (folder / "gres.conf").write_text(f"Name=gpu File={folder}/nvidia0\n")
    cluster, conf = Cluster(folder), str(folder / "slurm.conf")
    munge = ["--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket"]
    munge += [f"--{name}-file={folder}/munged.{name}" for name in ("pid", "log", "seed")]
    with ExitStack() as stack:
        for command in (
            ["munged", *munge],
            ["slurmctld", "-D", "-f", conf],
            *(["slurmd", "-D", "-N", name, "-f", conf] for name in nodes),
        ):
            stack.enter_context(_daemon(command, folder, cluster.environment))
            time.sleep(1)
        _wait_for_the_node(cluster)
        try:
            yield cluster
        finally:  # jobs would outlive the daemons
            cluster.ask("scancel", "--user=root")
            _wait_for_the_node(cluster)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def _daemon(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    with (folder / f"{command[0]}.out").open("a") as stream:
        program = shutil.which(command[0], path=PATH) or command[0]
        process = subprocess.Popen([program, *command[1:]], env=environment, stdout=stream, stderr=stream)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for_the_node(cluster: Cluster) -> None:
    told = ""
    for _ in range(60):
        try:
            told = cluster.ask("sinfo", "--noheader", "--partition=low", "--format=%t").strip()
        except subprocess.CalledProcessError as error:
            told = error.stderr
        if told == "idle":
            return
        time.sleep(1)
    raise RuntimeError(f"SLURM's node is not ready: {told}")
