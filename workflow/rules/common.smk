# The configuration, checked before anything runs, and what the rules ask of it.
import hashlib
import json
import os
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from ssvif.config.options import override, to_json
from ssvif.config.runs import load_runs
from ssvif.config.files import load_descriptor, load_sheet_specs
from ssvif.config.plan import check_tables, locate, missing_files
from ssvif.config.settings import load_settings
from ssvif.data.descriptor import descriptor_to_json
from ssvif.fusing.method_images import folder_of
from ssvif.models.names import network_fingerprint
from ssvif.io.errors import UserError
from ssvif.io.fingerprint import files_fingerprint, fingerprint
from ssvif.schema import EFFICIENCY, RUN_FILES

# `ssvif` is found beside this Python, whether or not an environment is active
os.environ["PATH"] = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ["PATH"]]
)

PUBLISHED = Path("config/published")

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
    SPECS = load_sheet_specs(PUBLISHED / "tables.yaml")
    check_tables(SETTINGS, RUNS.values(), SPECS.tables)
    MISSING = missing_files(SETTINGS, RUNS.values(), DESCRIPTORS)
except UserError as error:
    raise WorkflowError(str(error))

RESULTS = SETTINGS.results
LOGS, BENCHMARKS, STATES = RESULTS / "logs", RESULTS / "benchmarks", RESULTS / ".state"
TABLES, REPORT = RESULTS / "tables", RESULTS / "report"
FIGURES = RESULTS / "figures"
HOW_TO_GET = "config/experiments/README.md says where to get it"
HAS_GPU = SETTINGS.device != "cpu" and (
    SETTINGS.device == "cuda" or Path("/dev/nvidiactl").exists()
)
GPU = int(HAS_GPU)
# what makes these results again, for the page; --config takes YAML, which JSON is
GIVEN = [
    f"{key}={value if isinstance(value, str) else json.dumps(value)}"
    for key, value in sorted(workflow.config_settings.config.items())
]
COMMAND = shlex.join(
    [
        *("snakemake", "--cores", "all"),
        *(
            word
            for path in workflow.overwrite_configfiles
            for word in ("--configfile", os.path.relpath(path))
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
        return network_fingerprint(
            model,
            "ssvif.fusing.packed",
            "ssvif.fusing.torch_fuser",
            "ssvif.models.registry",
        )
    if run.kind == "published":
        model = run.fusion_model
        return network_fingerprint(
            model,
            "ssvif.fusing.packed",
            "ssvif.fusing.torch_fuser",
            "ssvif.models.published",
        )
    if run.kind == "images":
        return fingerprint("ssvif.fusing.method_images")
    return network_fingerprint("", "ssvif.fusing.packed")


def located(dataset, run):
    """The run with its paths as they are for one dataset."""
    return locate(run, SETTINGS, DESCRIPTORS[dataset])


def is_there(dataset, run):
    """Whether the images or the checkpoint that a run is made of lie where it says; others need none."""
    return (dataset, run.name) not in MISSING


def fuse_inputs(wildcards):
    dataset = wildcards.dataset
    folder, run = RESULTS / dataset, located(dataset, RUNS[wildcards.run])
    given = {
        "trained": {"model": folder / run.name / "model.safetensors"},
        "published": {"checkpoint": run.checkpoint},
        "images": {"images": run.images},
        "baseline": {},
    }
    return {"pairs": folder / "data/pairs.h5", **given[run.kind]}


def fuse_method(wildcards):
    run = located(wildcards.dataset, RUNS[wildcards.run])
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


def trains_downstream(dataset, run):
    """Another method's images can train a segmenter only if there are some of the training pairs."""
    images = Path(located(dataset, run).images)
    return run.kind != "images" or folder_of(images, "train") is not None


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


def table_datasets(table):
    """The datasets that one of the paper's tables shows in this configuration."""
    return SETTINGS.tables.get(table) or SPECS.datasets_of(table, SETTINGS.datasets)


def stands_in(table, run):
    return table in SPECS.tables_of(run.name, run.tables)


def wanted_of(run):
    """(dataset, scores) of a run: fusion metrics and what its tables show; everything if its row names none."""
    if not run.tables:
        return dict.fromkeys(DESCRIPTORS, set(RUN_FILES))
    found = {}
    for table in SPECS.tables_of(run.name, run.tables):
        for dataset in table_datasets(table):
            scores = found.setdefault(dataset, {"fusion_metrics"})
            scores.update(SPECS.tables[table].sources)
    return found


def score_files(dataset, run, scores):
    """Those of a run's scores that the dataset and the run allow."""
    trains = possible_scores(dataset)[0] if trains_downstream(dataset, run) else []
    return [
        RESULTS / dataset / run.name / file
        for score, file in RUN_FILES.items()
        if score in scores and (score == "fusion_metrics" or score in trains)
    ]


def table_scores(table):
    """What one of the paper's tables needs."""
    sources = SPECS.tables[table].sources
    costs = [RESULTS / "efficiency.csv"] if EFFICIENCY in sources else []
    return costs + [
        file
        for dataset in table_datasets(table)
        for run in RUNS.values()
        if stands_in(table, run) and is_there(dataset, run)
        for file in score_files(dataset, run, sources)
    ]


def label_runs(table=None):
    """`--run` arguments of all runs, or of those in a table."""
    return [
        f"--run={dataset}/{run.name}={run.title}"
        for dataset in (table_datasets(table) if table else RUNS_OF)
        for run in RUNS_OF.get(dataset, ())
        if not table or stands_in(table, run)
    ]


def label_datasets(datasets):
    return [f"--title={name}={DESCRIPTORS[name].title}" for name in datasets]


# the paper's nine, and others that a run names
TABLE_NAMES = [
    name
    for name, spec in SPECS.tables.items()
    if spec.number or any(name in run.tables for run in RUNS.values())
]
PAPER_NUMBERS = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(PUBLISHED.iterdir()))
).hexdigest()[:16]
RUNS_OF = {
    dataset: runs
    for dataset in DESCRIPTORS
    if (
        runs := [
            run
            for run in RUNS.values()
            if dataset in wanted_of(run) and is_there(dataset, run)
        ]
    )
}
ALL_SCORES = [
    file
    for dataset, runs in RUNS_OF.items()
    for run in runs
    for file in score_files(dataset, run, wanted_of(run)[dataset])
]
SCORE_TABLES = [
    f"{score}_{dataset}"
    for dataset, runs in RUNS_OF.items()
    for score, file in RUN_FILES.items()
    if any(RESULTS / dataset / run.name / file in ALL_SCORES for run in runs)
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


def counted_network(run):
    """A run's network and channels as `ssvif complexity` counts them; none for an average or for images."""
    if run.kind == "trained":
        options = training_options(run.name)
        return f"{options.fusion_model}/{options.channels}"
    return f"{run.fusion_model}/1" if run.kind == "published" else None  # as released


def figure_arguments():
    """Which pairs the figures show, and what networks the runs are, for their costs."""
    pairs = SETTINGS.report.figure_pairs
    shown = (
        [f"--pairs={pairs}"]
        if isinstance(pairs, int)
        else [f"--pair={each}" for each in pairs]
    )
    return shown + [
        f"--network={name}/{run.name}={network}"
        for name, runs in RUNS_OF.items()
        for run in runs
        if (network := counted_network(run))
    ]


# with what Table IV shows: three networks, with one channel and with three
NETWORKS = [
    *("swinfusion", "emma", "seafusion"),
    *sorted(set(filter(None, map(counted_network, RUNS.values())))),
]
LEFT_OUT = [line for name in RUNS_OF for line in possible_scores(name)[1]]
LEFT_OUT += [
    f"{located(dataset, run).images} holds no images of the training pairs: {run.title} is not"
    f" segmented or detected on {DESCRIPTORS[dataset].title}."
    for dataset, runs in RUNS_OF.items()
    for run in runs
    if not trains_downstream(dataset, run)
]
LEFT_OUT += [
    f"{run.title} is left out on {', '.join(DESCRIPTORS[name].title for name in lacking)}: no"
    f" {', '.join(dict.fromkeys(MISSING[name, run.name] for name in lacking))}; {HOW_TO_GET}."
    for run in RUNS.values()
    if (lacking := [name for name in wanted_of(run) if not is_there(name, run)])
]
if not RUNS_OF:
    raise WorkflowError("No run is left.", *LEFT_OUT)
