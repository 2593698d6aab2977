# The configuration, checked before anything runs, and what the rules ask of it.
import os
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from ssvif.config.options import override, to_json
from ssvif.config.runs import load_runs
from ssvif.config.settings import (
    check_files,
    check_tables,
    load_descriptor,
    load_settings,
)
from ssvif.data.layouts import descriptor_to_json
from ssvif.models.names import network_fingerprint
from ssvif.ops.errors import UserError
from ssvif.ops.fingerprint import files_fingerprint, fingerprint

# `ssvif` is found beside this Python, whether or not an environment is active
os.environ["PATH"] = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ["PATH"]]
)

try:
    SETTINGS = load_settings(
        config,
        last=workflow.config_settings.config,
        source=", ".join(map(str, workflow.configfiles)),
    )
    RUNS = {run.name: run for run in load_runs(SETTINGS.experiments, SETTINGS.training)}
    DESCRIPTORS = {
        name: load_descriptor(Path("config/datasets") / f"{name}.yaml")
        for name in SETTINGS.datasets
    }
    check_tables(SETTINGS, RUNS.values())
    check_files(SETTINGS, RUNS.values())
except UserError as error:
    raise WorkflowError(str(error))

RESULTS = SETTINGS.results
LOGS, BENCHMARKS, STATES = RESULTS / "logs", RESULTS / "benchmarks", RESULTS / ".state"
TABLES, REPORT = RESULTS / "tables", RESULTS / "report"
HAS_GPU = SETTINGS.device != "cpu" and (
    SETTINGS.device == "cuda" or Path("/dev/nvidiactl").exists()
)
GPU = int(HAS_GPU)
# what makes these results again, for the page
GIVEN = [
    f"{key}={value}" for key, value in sorted(workflow.config_settings.config.items())
]
COMMAND = " ".join(
    [
        "snakemake --cores all",
        *(
            f"--configfile {os.path.relpath(path)}"
            for path in workflow.overwrite_configfiles
        ),
        *(["--config", *GIVEN] if GIVEN else []),
    ]
)


wildcard_constraints:
    dataset="|".join(DESCRIPTORS),
    run="|".join(RUNS),


def data_root(dataset):
    """The folder that holds the dataset's folder; the generated scenes live among the results."""
    return RESULTS / dataset / "data" if dataset == "scenes" else SETTINGS.data_root


def source_folder(dataset):
    return data_root(dataset) / DESCRIPTORS[dataset].folder


def training_options(run):
    return override(SETTINGS.training, RUNS[run].training)


def training_settings(wildcards):
    return to_json(training_options(wildcards.run))


def training_code(wildcards):
    """Another network's code retrains nothing here."""
    model = training_options(wildcards.run).fusion_model
    return network_fingerprint(model, "ssvif.training.loop")


def fuse_code(wildcards):
    run = RUNS[wildcards.run]
    if run.kind == "trained":
        model = training_options(run.name).fusion_model
        return network_fingerprint(model, "ssvif.fusion", "ssvif.models.registry")
    if run.kind == "published":
        model = run.fusion_model
        return network_fingerprint(model, "ssvif.fusion", "ssvif.models.published")
    return network_fingerprint("", "ssvif.fusion")


def fuse_inputs(wildcards):
    folder, run = RESULTS / wildcards.dataset, RUNS[wildcards.run]
    given = {
        "trained": {"model": folder / run.name / "model.safetensors"},
        "published": {"checkpoint": run.checkpoint},
        "images": {"images": run.images},
        "baseline": {},
    }
    return {"pairs": folder / "data/pairs.h5", **given[run.kind]}


def fuse_method(wildcards):
    run = RUNS[wildcards.run]
    model = RESULTS / wildcards.dataset / run.name / "model.safetensors"
    arguments = {
        "trained": ["--model", model, "--inference", run.inference],
        "published": [
            *("--checkpoint", run.checkpoint, "--network", run.fusion_model),
            *("--inference", run.inference),
        ],
        "images": ["--images", run.images],
        "baseline": ["--baseline", run.fusion_model],
    }
    return shlex.join(map(str, arguments[run.kind]))


def trains_downstream(run):
    """Another method's images can train a segmenter only if there are some of the training pairs."""
    return run.kind != "images" or Path(run.images, "train").is_dir()


FILES = {"segmentation": "segmentation/iou.csv", "detection": "detection/ap.csv"}


def possible_scores(dataset):
    """The downstream scores that the configuration wants and the dataset has labels for, and why others are not."""
    layouts = DESCRIPTORS[dataset].layouts
    annotated = {
        "segmentation": any(layout.label for layout in layouts),
        "detection": any(layout.boxes for layout in layouts),
    }
    wanted = [
        stage
        for stage, options in (
            ("segmentation", SETTINGS.segmentation),
            ("detection", SETTINGS.detection),
        )
        if options
    ]
    title = DESCRIPTORS[dataset].title
    left_out = [
        f"{title} has no labels for {stage}, so {stage} is left out."
        for stage in wanted
        if not annotated[stage]
    ]
    return [stage for stage in wanted if annotated[stage]], left_out


def wanted_of(run):
    """(dataset, downstream scores) of a run: what its tables show; everything if it stands in none."""
    found = {}
    for table in map(SETTINGS.tables.get, run.tables):
        for dataset in table.datasets if table else ():
            found.setdefault(dataset, set()).update(table.scores)
    return (
        found if run.tables and SETTINGS.tables else dict.fromkeys(DESCRIPTORS, FILES)
    )


def score_files(dataset, run, stages):
    stages = [
        stage
        for stage in possible_scores(dataset)[0]
        if stage in stages and trains_downstream(run)
    ]
    folder = RESULTS / dataset / run.name
    return [folder / "fusion_metrics.csv", *(folder / FILES[stage] for stage in stages)]


def table_scores(table):
    """What one of the paper's tables needs."""
    settings = SETTINGS.tables[table]
    return [
        file
        for dataset in settings.datasets
        for run in RUNS.values()
        if table in run.tables
        for file in score_files(dataset, run, settings.scores)
    ]


def label_runs(table=None):
    """`--run` arguments of all runs, or of those in a table."""
    return [
        f"--run={dataset}/{run.name}={run.title}"
        for dataset in (SETTINGS.tables[table].datasets if table else RUNS_OF)
        for run in RUNS_OF[dataset]
        if not table or table in run.tables
    ]


RUNS_OF = {
    dataset: runs
    for dataset in DESCRIPTORS
    if (runs := [run for run in RUNS.values() if dataset in wanted_of(run)])
}
ALL_SCORES = [
    file
    for dataset, runs in RUNS_OF.items()
    for run in runs
    for file in score_files(dataset, run, wanted_of(run)[dataset])
]
TRAINED = [
    RESULTS / dataset / run.name
    for dataset, runs in RUNS_OF.items()
    for run in runs
    if run.kind == "trained"
]
HISTORIES = [folder / "history.csv" for folder in TRAINED]
GRADIENTS = [folder / "gradients.csv" for folder in TRAINED]
PSEUDO_LABELS = [folder / "pseudo_labels" for folder in TRAINED]
# Snakemake deletes a failed job's old output and yet remembers the new settings as done: what is lost
# like that is made again only where a rule that runs asks for it, so `all` and `runs` ask for everything
PRODUCTS = [
    *(
        RESULTS / name / "data" / file
        for name in RUNS_OF
        for file in ("splits.csv", "pairs.h5")
    ),
    *(
        RESULTS / name / run.name / "fused"
        for name, runs in RUNS_OF.items()
        for run in runs
    ),
    *(folder / "model.safetensors" for folder in TRAINED),
]
LEFT_OUT = [line for name in RUNS_OF for line in possible_scores(name)[1]]
LEFT_OUT += [
    f"{run.images} has no folder 'train': {run.name} is not segmented or detected on."
    for run in RUNS.values()
    if not trains_downstream(run)
]
