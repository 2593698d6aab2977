"""Which files a configuration asks for, and the arguments of the commands that make them, for the Snakefile."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from ssvif.config.files import load_descriptor, load_sheet_specs
from ssvif.config.options import override
from ssvif.config.runs import Run, load_runs
from ssvif.config.settings import Settings, load_settings
from ssvif.data.descriptor import Descriptor
from ssvif.io.errors import UserError, shorten
from ssvif.io.fingerprint import fingerprint
from ssvif.judging.options import JudgeOptions
from ssvif.models.names import channel_choices, network_fingerprint
from ssvif.report.specs import SheetSpecs
from ssvif.schema import DETECTION, EFFICIENCY, FUSION_METRICS, PROBE, RUN_FILES, SEGMENTATION
from ssvif.training.options import TrainingOptions, stage_one_key, training_code

ALWAYS_COUNTED = ("swinfusion", "emma", "seafusion")  # networks of Table IV, each with one channel and with three
# what each judge needs of a dataset; the probe takes one of two, or what its settings ask for
ANNOTATIONS = {SEGMENTATION: "labels", DETECTION: "boxes", PROBE: "labels or boxes"}
HOW_TO_GET = "config/experiments/README.md says where to get it"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A checked configuration and the files that it asks for; all paths are relative to the working directory."""

    settings: Settings
    runs: Mapping[str, Run]  # of the experiments table, by name
    descriptors: Mapping[str, Descriptor]  # by name: of the datasets that are judged or only trained on
    specs: SheetSpecs  # what the paper's tables hold
    folder: Path  # holds datasets/ and published/

    @classmethod
    def load(
        cls,
        values: Mapping[str, Any],
        *,
        last: Mapping[str, Any] | None = None,
        source: str = "the configuration",
        folder: Path = Path("config"),
    ) -> Self:
        """Check a configuration as YAML gives it, and read everything that it names.

        What the command line says, `last`, wins over presets. `source` names the configuration in messages.

        Raises:
            UserError: a file is missing or a value is wrong; a run or the configuration names a table that does
                not exist; no run can be made because all lack their files.
        """
        settings = load_settings(values, last=last, source=source)
        runs = load_runs(settings.experiments, settings.training)
        datasets = dict.fromkeys([*settings.datasets, *(run.train_on for run in runs if run.train_on)])
        plan = cls(
            settings=settings,
            runs={run.name: run for run in runs},
            descriptors={name: load_descriptor(folder / "datasets" / f"{name}.yaml") for name in datasets},
            specs=load_sheet_specs(folder / "published/tables.yaml"),
            folder=folder,
        )
        plan._check_tables()
        if not plan.shown:
            raise UserError("No run can be made: " + " ".join(plan.left_out))
        return plan

    def _check_tables(self) -> None:
        experiments = self.settings.experiments
        named = {table: f"{experiments}, run {run.name!r}" for run in self.runs.values() for table in run.tables}
        named |= dict.fromkeys(self.settings.tables, "`tables` in the configuration")
        if unknown := sorted(set(named) - set(self.specs.tables)):
            raise UserError(
                f"{named[unknown[0]]}: there is no table {unknown[0]!r}",
                expected=" | ".join(self.specs.tables),
                remedy=f"{self.folder}/published/tables.yaml holds the tables",
            )

    # datasets

    def data_root(self, dataset: str) -> Path:
        """Return the folder that holds a dataset's folder; the generated scenes lie among the results."""
        return self.settings.results / dataset / "data" if dataset == "scenes" else self.settings.data_root

    def judges(self, dataset: str) -> list[str]:
        """Return the judges that the configuration wants and for which the dataset has annotations."""
        return [judge for judge in self._wanted_judges if self._is_annotated(dataset, judge)]

    def judge_options(self, dataset: str, judge: str) -> JudgeOptions:
        """Return the settings of segmentation, detection or the probe on a dataset.

        Raises:
            UserError: the configuration leaves it out, or the dataset has no annotations for it.
        """
        options: JudgeOptions | None = getattr(self.settings, judge)
        if not options:
            raise UserError(f"`{judge}: false` leaves {judge} out", remedy=f"remove `{judge}: false`")
        if not self._is_annotated(dataset, judge):
            raise UserError(
                f"{judge} needs {ANNOTATIONS[judge]}, and the dataset {dataset!r} has none",
                remedy=f"name them in {self.folder}/datasets/{dataset}.yaml",
            )
        return options

    @property
    def _wanted_judges(self) -> list[str]:
        return [judge for judge in ANNOTATIONS if getattr(self.settings, judge)]

    def _is_annotated(self, dataset: str, judge: str) -> bool:
        kinds = {SEGMENTATION: ["label"], DETECTION: ["boxes"], PROBE: ["label", "boxes"]}[judge]
        if judge == PROBE and self.settings.probe:
            kinds = {"masks": ["label"], "boxes": ["boxes"]}.get(self.settings.probe.labels, kinds)
        return any(getattr(layout, kind) for layout in self.descriptors[dataset].layouts for kind in kinds)

    # runs

    def run_folder(self, dataset: str, run: str) -> Path:
        """Return the folder of a run's results on one dataset."""
        return self.settings.results / dataset / run

    def located(self, dataset: str, run: str) -> Run:
        """Return a run with the paths of its images or its checkpoint written out for one dataset."""
        folder = self.descriptors[dataset].folder
        return self.runs[run].located(dataset=dataset, folder=folder, data_root=self.settings.data_root)

    def packed(self, dataset: str, run: str = "") -> Path:
        """Return the file of a dataset's packed pairs, or of those that a run judged on it is trained on."""
        trained_on = self.runs[run].train_on if run else ""
        return self.settings.results / (trained_on or dataset) / "data/pairs.h5"

    def training(self, run: str) -> TrainingOptions:
        """Return the training options of a run: the configuration's, changed by its row."""
        # fusion alone keeps the defaults of what it does not read, so that changing these trains nothing anew
        options = override(self.settings.training, self.runs[run].training)
        return options if options.has_stage_two or options.stages == "one" else options.stage_one()

    @cached_property
    def stages_one(self) -> dict[str, TrainingOptions]:
        """The options of each stage I of the runs that have one, by the digest of these options."""
        trainings = [self.training(run.name) for run in self.runs.values() if run.kind == "trained"]
        return {stage_one_key(one := each.stage_one()): one for each in trainings if each.stages == "two"}

    def stage_one(self, dataset: str, run: str) -> Path | None:
        """Return the file of the stage I that a trained run goes on from, which other runs may share."""
        options = self.training(run)
        if options.stages == "one":
            return None
        return self.packed(dataset, run).parents[1] / "stage_one" / f"{stage_one_key(options)}.safetensors"

    def train_inputs(self, dataset: str, run: str) -> dict[str, Path]:
        """Return the files that a run is trained from."""
        stage_one = self.stage_one(dataset, run)
        return {"pairs": self.packed(dataset, run)} | ({"stage_one": stage_one} if stage_one else {})

    def wanted(self, run: Run) -> dict[str, set[str]]:
        """Return the scores of a run by dataset: fusion metrics and what its tables show; all if it names no table."""
        if not run.tables:
            return {dataset: set(RUN_FILES) for dataset in self.settings.datasets}
        found: dict[str, set[str]] = {}
        for table in self.specs.tables_of(run.name, run.tables):
            for dataset in self.table_datasets(table):
                found.setdefault(dataset, {FUSION_METRICS}).update(self.specs.tables[table].sources)
        return found

    @cached_property
    def missing(self) -> dict[tuple[str, str], str]:
        """(dataset, run) to the released checkpoint or folder of images that the run names and that is not there.

        Nobody has all of them: such a run is left out on that dataset, which is no error, and `left_out` says so.
        """
        pairs = [(dataset, run) for run in self.runs for dataset in self.settings.datasets]
        return {pair: absent for pair in pairs if (absent := self.located(*pair).absent)}

    @cached_property
    def shown(self) -> dict[str, list[Run]]:
        """The runs of each dataset, without those whose files are missing."""
        found = {
            dataset: [
                run
                for run in self.runs.values()
                if dataset in self.wanted(run) and (dataset, run.name) not in self.missing
            ]
            for dataset in self.settings.datasets
        }
        return {dataset: runs for dataset, runs in found.items() if runs}

    @cached_property
    def trained(self) -> list[Path]:
        """The folders of the runs that are trained."""
        return [self.run_folder(dataset, run.name) for dataset, run in self._pairs if run.kind == "trained"]

    @property
    def _pairs(self) -> list[tuple[str, Run]]:
        return [(dataset, run) for dataset, runs in self.shown.items() for run in runs]

    def trains_judges(self, dataset: str, run: str) -> bool:
        """Whether a run has fused images of the training pairs; another method's folder may hold none."""
        images = self.located(dataset, run).images
        if not images:
            return True
        from ssvif.fusing.method_images import folder_of  # imports numpy and h5py

        return folder_of(Path(images), "train") is not None

    # scores

    def score_files(self, dataset: str, run: str, scores: Collection[str]) -> list[Path]:
        """Return the files of those of a run's scores that the dataset and the run allow."""
        judges = self.judges(dataset) if self.trains_judges(dataset, run) else []
        allowed = {FUSION_METRICS, *judges} & set(scores)
        return [self.run_folder(dataset, run) / file for score, file in RUN_FILES.items() if score in allowed]

    @cached_property
    def scores(self) -> list[Path]:
        """Every score file of the configuration."""
        return [
            file
            for dataset, run in self._pairs
            for file in self.score_files(dataset, run.name, self.wanted(run)[dataset])
        ]

    @cached_property
    def score_tables(self) -> list[str]:
        """Names of the tables of all runs, a table a score and dataset, such as "fusion_metrics_scenes"."""
        return [
            f"{score}_{dataset}"
            for dataset, runs in self.shown.items()
            for score in RUN_FILES
            if any(self.score_files(dataset, run.name, {score} & self.wanted(run)[dataset]) for run in runs)
        ]

    @cached_property
    def fused(self) -> list[Path]:
        """The folders of fused images."""
        return [self.run_folder(dataset, run.name) / "fused" for dataset, run in self._pairs]

    @cached_property
    def products(self) -> list[Path]:
        """What lies between the raw pairs and the scores."""
        used = [*map(self.packed, self.shown), *(self.packed(dataset, run.name) for dataset, run in self._pairs)]
        packed = list(dict.fromkeys(used))
        splits = [pairs.with_name("splits.csv") for pairs in packed]
        return [*packed, *splits, *self.fused, *(folder / "model.safetensors" for folder in self.trained)]

    # the paper's tables

    @cached_property
    def tables(self) -> list[str]:
        """The paper's tables, and those of ours that a run names."""
        named = {table for run in self.runs.values() for table in run.tables}
        return [table for table, spec in self.specs.tables.items() if spec.number or table in named]

    def table_datasets(self, table: str) -> list[str]:
        """Return the datasets that a table shows in this configuration."""
        return self.settings.tables.get(table) or self.specs.datasets_of(table, self.settings.datasets)

    def table_scores(self, table: str) -> list[Path]:
        """Return the score files that a table needs."""
        sources = self.specs.tables[table].sources
        costs = [self.settings.results / "efficiency.csv"] if EFFICIENCY in sources else []
        return costs + [
            file
            for dataset in self.table_datasets(table)
            for run in self.runs.values()
            if self._stands_in(table, run) and (dataset, run.name) not in self.missing
            for file in self.score_files(dataset, run.name, sources)
        ]

    def _stands_in(self, table: str, run: Run) -> bool:
        return table in self.specs.tables_of(run.name, run.tables)

    @cached_property
    def published_digest(self) -> str:
        """A digest of the paper's numbers and of what its tables hold."""
        files = sorted((self.folder / "published").iterdir())
        return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]

    # arguments of commands

    def run_arguments(self, table: str = "") -> list[str]:
        """Return `--run` for every run, or for those in a table."""
        return [
            f"--run={dataset}/{run.name}={run.title}"
            for dataset in (self.table_datasets(table) if table else self.shown)
            for run in self.shown.get(dataset, ())
            if not table or self._stands_in(table, run)
        ]

    def title_arguments(self, datasets: Iterable[str]) -> list[str]:
        """Return `--title` for each dataset."""
        return [f"--title={name}={self.descriptors[name].title}" for name in datasets]

    def table_titles(self, table: str) -> list[str]:
        """Return `--title` for each dataset of a table, or in one of costs for each own network, by its runs."""
        own = [name for name in self.networks if ":" in name and EFFICIENCY in self.specs.tables[table].sources]
        titles = {
            name: shorten([run.title for run in self.runs.values() if self._network(run) == name]) for name in own
        }
        named = [f"--title={name}={title}" for name, title in titles.items()]
        return named + self.title_arguments(self.table_datasets(table))

    def source_arguments(self) -> list[str]:
        """Return one `--source` per dataset: the folder of its visible and infrared images."""
        return [f"--source={name}={self.data_root(name) / self.descriptors[name].folder}" for name in self.shown]

    def figure_arguments(self) -> list[str]:
        """Return which pairs the figures show, and `--network` for each run that has one, for its cost."""
        pairs = self.settings.report.figure_pairs
        chosen = [f"--pairs={pairs}"] if isinstance(pairs, int) else [f"--pair={pair}" for pair in pairs]
        networks = [(dataset, run.name, self._network(run)) for dataset, run in self._pairs]
        return chosen + [f"--network={dataset}/{run}={network}" for dataset, run, network in networks if network]

    def fuse_inputs(self, dataset: str, run: str) -> tuple[Path, ...]:
        """Return the files that a run's images are made of, besides the pairs."""
        located = self.located(dataset, run)
        return (self.run_folder(dataset, run) / "model.safetensors",) if located.kind == "trained" else located.files

    def fuse_arguments(self, dataset: str, run: str) -> list[str]:
        """Return the options of `ssvif fuse` that name the network, the images or the baseline."""
        located = self.located(dataset, run)
        match located.kind:
            case "baseline":
                return ["--baseline", located.fusion_model]
            case "images":
                return ["--images", located.images]
            case "published":
                words = ["--checkpoint", located.checkpoint, "--network", located.fusion_model]
            case _:
                words = ["--model", *map(str, self.fuse_inputs(dataset, run))]
                own = self.training(run).fusion_model
                words += ["--network", own] if ":" in own else []
        return [*words, "--inference", located.inference]

    @cached_property
    def networks(self) -> list[str]:
        """The networks whose cost is counted, MODEL or MODEL/CHANNELS."""
        return [*ALWAYS_COUNTED, *sorted({*map(self._network, self.runs.values())} - {""})]

    def _network(self, run: Run) -> str:
        """Return a run's network as `ssvif complexity` takes it, as released if so; "" for a baseline or images."""
        if run.kind == "trained":
            options = self.training(run.name)
            return f"{options.fusion_model}/{options.channels}"
        return f"{run.fusion_model}/{channel_choices(run.fusion_model)[0]}" if run.kind == "published" else ""

    # fingerprints of code

    def training_code(self, run: str) -> str:
        """Return the fingerprint of what trains a run, initial weights included; another network's does not count."""
        return training_code(self.training(run))

    def fuse_code(self, run: str) -> str:
        """Return the fingerprint of what makes a run's fused images."""
        kind = self.runs[run].kind
        if kind == "images":
            return fingerprint("ssvif.fusing.method_images")
        if kind == "baseline":
            return network_fingerprint("", "ssvif.fusing.packed")
        network = self.training(run).fusion_model if kind == "trained" else self.runs[run].fusion_model
        loading = "ssvif.models.registry" if kind == "trained" else "ssvif.models.published"
        return network_fingerprint(network, "ssvif.fusing.packed", "ssvif.fusing.torch_fuser", loading)

    def cost_code(self) -> list[str]:
        """Return the fingerprints of what counts the networks' cost: ours, and that of each network of the user's."""
        own = [network.rpartition("/")[0] for network in self.networks if ":" in network]
        return [fingerprint("ssvif.judging.cost"), *map(network_fingerprint, own)]

    # messages

    @cached_property
    def left_out(self) -> list[str]:
        """One line for each thing that the configuration asks for and that cannot be made, with the reason."""
        titles = {name: descriptor.title for name, descriptor in self.descriptors.items()}
        no_labels = [
            f"{titles[dataset]}: no {ANNOTATIONS[judge]}, so {judge} is left out."
            for dataset in self.shown
            for judge in self._wanted_judges
            if not self._is_annotated(dataset, judge)
        ]
        not_judged = [
            f"{self.located(dataset, run.name).images} holds no images of the training pairs: {run.title} is not"
            f" segmented, detected or probed on {titles[dataset]}."
            for dataset, run in self._pairs
            if not self.trains_judges(dataset, run.name)
        ]
        return no_labels + not_judged + [line for run in self.runs.values() if (line := self._lacking(run))]

    def _lacking(self, run: Run) -> str:
        lacking = [dataset for dataset in self.wanted(run) if (dataset, run.name) in self.missing]
        if not lacking:
            return ""
        datasets = ", ".join(self.descriptors[name].title for name in lacking)
        paths = ", ".join(dict.fromkeys(self.missing[dataset, run.name] for dataset in lacking))
        return f"{run.title} is left out on {datasets}: no {paths}; {HOW_TO_GET}."
