# The configuration, checked before anything runs, and what the rules ask of it.
import os
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from ssvif.config import load_descriptor, load_runs, load_settings, to_json, override
from ssvif.data.layouts import descriptor_to_json
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


def training_settings(wildcards):
    return to_json(override(SETTINGS.training, RUNS[wildcards.run].training))


def fuse_inputs(wildcards):
    folder = RESULTS / wildcards.dataset
    inputs = {"pairs": folder / "data/pairs.h5"}
    if RUNS[wildcards.run].kind == "trained":
        inputs["model"] = folder / wildcards.run / "model.safetensors"
    if RUNS[wildcards.run].kind == "images":
        inputs["images"] = RUNS[wildcards.run].images
    return inputs


def fuse_method(wildcards):
    run = RUNS[wildcards.run]
    if run.kind == "trained":
        model = RESULTS / wildcards.dataset / run.name / "model.safetensors"
        return f"--model {shlex.quote(str(model))}"
    return (
        f"--baseline {run.baseline}"
        if run.kind == "baseline"
        else f"--images {shlex.quote(run.images)}"
    )


def trains_downstream(run):
    """Another method's images can train a segmenter only if there are some of the training pairs."""
    return run.kind != "images" or Path(run.images, "train").is_dir()


def scores_of(dataset):
    """The files of scores that a dataset's runs can have, and why some cannot."""
    layouts = DESCRIPTORS[dataset].layouts
    stages = {
        "segmentation/iou.csv": (
            SETTINGS.segmentation,
            any(layout.label for layout in layouts),
        ),
        "detection/ap.csv": (
            SETTINGS.detection,
            any(layout.boxes for layout in layouts),
        ),
    }
    files, left_out = [], []
    for run in RUNS.values():
        files.append(RESULTS / dataset / run.name / "fusion_metrics.csv")
        for file, (wanted, annotated) in stages.items():
            if wanted and annotated and trains_downstream(run):
                files.append(RESULTS / dataset / run.name / file)
    for file, (wanted, annotated) in stages.items():
        if wanted and not annotated:
            stage = Path(file).parent
            left_out.append(
                f"{DESCRIPTORS[dataset].title} has no labels for {stage}, so {stage} is left out."
            )
    return files, left_out


ALL_SCORES, LEFT_OUT = [], []
# Snakemake deletes a failed job's old output and yet remembers the new settings as done: what is lost
# like that is made again only where a rule that runs asks for it, so `all` and `runs` ask for everything
PRODUCTS = [
    RESULTS / name / "data" / file
    for name in DESCRIPTORS
    for file in ("splits.csv", "pairs.h5")
]
PRODUCTS += [
    RESULTS / name / run.name / "fused" for name in DESCRIPTORS for run in RUNS.values()
]
PRODUCTS += [
    RESULTS / name / run.name / "model.safetensors"
    for name in DESCRIPTORS
    for run in RUNS.values()
    if run.kind == "trained"
]
for name in DESCRIPTORS:
    files, left_out = scores_of(name)
    ALL_SCORES += files
    LEFT_OUT += left_out
HISTORIES = [
    RESULTS / name / run.name / "history.csv"
    for name in DESCRIPTORS
    for run in RUNS.values()
    if run.kind == "trained"
]
for run in RUNS.values():
    if not trains_downstream(run):
        LEFT_OUT.append(
            f"{run.images} has no folder 'train': {run.name} is not segmented or detected on."
        )
