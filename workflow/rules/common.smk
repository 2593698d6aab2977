# The configuration, checked before anything runs. What it asks for, `ssvif.config.plan` says.
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from ssvif.config.ladder import NO_LADDER, declare, ladder_inputs
from ssvif.config.options import to_json
from ssvif.config.plan import Plan
from ssvif.config.settings import to_yaml
from ssvif.data.descriptor import descriptor_to_json
from ssvif.data.find import describe_dataset
from ssvif.io.errors import UserError
from ssvif.io.fingerprint import files_fingerprint, fingerprint
from ssvif.training.options import training_code

# `ssvif` is the one of the Python that runs Snakemake, whether or not an environment is active;
# -P: no random.py in the working folder takes the place of a library's module
shell.prefix(
    f'set -euo pipefail; ssvif() {{{{ {shlex.quote(sys.executable)} -P -m ssvif "$@"; }}}}; '
)

# who uses this workflow as a module may have a folder of descriptors and published numbers of their own
CONFIG = Path("config")
if not (CONFIG / "datasets").is_dir():
    beside = workflow.current_basedir.join("../../config")
    CONFIG = Path(beside.get_path_or_uri(secret_free=True)).resolve()

try:
    PLAN = Plan.load(
        config,
        # as a module this workflow has what the other one gives it, and `--config` is for the other one
        last=(
            workflow.config_settings.config
            if workflow.modifier.is_main_snakefile()
            else None
        ),
        source=", ".join(map(str, workflow.configfiles)) or "the configuration",
        folder=CONFIG,
    )
    # dataset to what its ladder declares and reads
    LADDERS = (
        {name: (declare(PLAN, name), ladder_inputs(PLAN, name)) for name in PLAN.shown}
        if PLAN.settings.ladder
        else {}
    )
except UserError as error:
    raise WorkflowError(str(error))

SETTINGS = PLAN.settings
RESULTS = SETTINGS.results
LOGS, BENCHMARKS, STATES = RESULTS / "logs", RESULTS / "benchmarks", RESULTS / ".state"
TABLES, FIGURES, REPORT = RESULTS / "tables", RESULTS / "figures", RESULTS / "report"
GPU = int(
    SETTINGS.device == "cuda"
    or (SETTINGS.device == "auto" and Path("/dev/nvidiactl").exists())
)
# a training on several machines is one job on all of them, in which SLURM starts `devices` processes on each
NODES = SETTINGS.nodes
ON_NODES, LAUNCH = {}, ""
TRACK = "".join(f" --track {each}" for each in SETTINGS.track)
if NODES > 1:
    each = f"--ntasks-per-node={SETTINGS.devices}"
    ON_NODES = {
        "nodes": NODES,
        "tasks": NODES * SETTINGS.devices,
        "tasks_per_gpu": -1,  # the executor would ask for as many as `tasks`
        "cpus_per_task": SETTINGS.threads,
        "slurm_extra": each,
        "mpi": "srun",  # the executor calls srun itself unless it is told that the job does
    } | ({"gres": f"gpu:{SETTINGS.devices}"} if GPU else {})
    LAUNCH = (
        f'[ "${{SLURM_JOB_ID:-}}" ] || {{ echo "nodes: {NODES} needs SLURM: pass'
        ' --workflow-profile workflow/profiles/slurm" >&2; exit 1; }; MASTER_ADDR=$(hostname)'
        f" srun --nodes={NODES} {each} --cpus-per-task={SETTINGS.threads} --kill-on-bad-exit=1"
        f" {shlex.quote(sys.executable)} -P -m "
    )
# with several shards fusing and scoring are jobs of a part each, gathered afterwards
SHARDS = [f"{place}-of-{SETTINGS.shards}" for place in range(1, SETTINGS.shards + 1)]
SHARDED = SETTINGS.shards > 1
PART = ".{shard}" if SHARDED else ""


def made_images(wildcards):
    """Of raw images Snakemake knows only those that it makes."""
    return rules.scenes.output if wildcards.dataset == "scenes" else []


def shard_argument(wildcards):
    return ["--shard", wildcards.shard.replace("-of-", "/")] if SHARDED else []


def part(path, kind=lambda path: path):
    """One shard's output, kept until it is gathered, or the whole one."""
    return temp(kind(path)) if SHARDED else kind(path)


wildcard_constraints:
    shard="|".join(SHARDS),
    dataset="|".join(PLAN.descriptors),
    run="|".join(PLAN.runs),
    stage_one="|".join(PLAN.stages_one) or "none",
    table="|".join(PLAN.tables),
