"""The jobs of a configuration, as Snakemake would run them, and the works that each consists of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ssvif.config.plan import Plan
from ssvif.config.runs import Run
from ssvif.judging.options import DetectionOptions, ProbeOptions, SegmentationOptions
from ssvif.schema import FUSION_METRICS, RUN_FILES, SIDES
from ssvif.training.options import TrainingOptions

FORWARD = 0.4  # of a training step: a pass without gradients
GRADIENTS = 1.0  # of a step of stage I: what measuring both tasks' gradients adds to a step of stage II
MEASURED = ("gdwa", "gradnorm")  # weightings that do so
PROBE_SCALE = 0.5  # at which config/times.csv has the probe
# bytes of files for each pixel of a pair, measured on MSRS and on the generated scenes
SCENES, PACKED, FUSED, SHOWN = 4.0, 4.2, 1.2, 0.4
FIGURES_MB, PAGE_MB = 11.0, 12.0
SEGFORMER_MB = {"b0": 15, "b1": 55, "b2": 110, "b3": 189, "b4": 256, "b5": 338}  # of a trained judge


class Counts(NamedTuple):
    """Pairs of each split."""

    train: int
    validation: int
    test: int


class Content(NamedTuple):
    """How many pairs a dataset has, how many of them with a label map or boxes, and the Mpx of one image."""

    pairs: Counts
    labelled: Counts
    boxed: Counts
    mpx: float

    @property
    def all_mpx(self) -> float:
        """Millions of pixels of the visible images of all pairs."""
        return sum(self.pairs) * self.mpx


class Work(NamedTuple):
    """A row of config/times.csv, done so many times on so many millions of pixels each."""

    name: str
    calls: float = 1
    mpx: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job of the workflow."""

    rule: str
    output: Path  # what others name in `after`
    works: Sequence[Work]
    after: Sequence[Path] = ()  # outputs that it waits for; those that no job makes are there
    disk_mb: float = 0.0  # that its outputs take
    cores: int = 1
    on_gpu: bool = False
    priority: int = 0  # as in workflow/rules


def list_jobs(plan: Plan, contents: Mapping[str, Content]) -> list[Job]:
    """Return the jobs of `snakemake all`, each after those that it waits for, given what each dataset holds.

    What takes no time (`all`, `configuration`) is left out. With `shards` the parts of a job are one job on as many
    cores.
    """
    jobs: dict[Path, Job] = {}
    for job in (*_data_jobs(plan, contents), *_run_jobs(plan, contents), *_closing_jobs(plan, contents)):
        jobs.setdefault(job.output, job)  # runs share stage I
    return list(jobs.values())


def list_missing(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs whose output is not there, and those that wait for one of them."""
    missing: dict[Path, Job] = {}
    for job in jobs:
        if not job.output.exists() or any(path in missing for path in job.after):
            missing[job.output] = job
    return list(missing.values())


def _data_jobs(plan: Plan, contents: Mapping[str, Content]) -> Iterator[Job]:
    for packed in (path for path in plan.products if path.name == "pairs.h5"):
        name, raw, splits = packed.parents[1].name, packed.with_name("scenes"), packed.with_name("splits.csv")
        mpx = contents[name].all_mpx
        if name == "scenes":
            yield Job(rule="scenes", output=raw, works=[Work("scenes", 1, mpx)], disk_mb=SCENES * mpx)
        yield Job(rule="split", output=splits, works=[Work("split")], after=[raw])
        works, disk_mb = [Work("pack", 1, mpx)], PACKED * mpx
        yield Job(rule="pack", output=packed, works=works, after=[raw, splits], disk_mb=disk_mb)


def _run_jobs(plan: Plan, contents: Mapping[str, Content]) -> Iterator[Job]:
    for dataset, runs in plan.shown.items():
        for run in runs:
            if run.kind == "trained":
                yield from _training_jobs(plan, dataset, run.name, contents[run.train_on or dataset])
            yield _fuse_job(plan, dataset, run, contents[dataset])
            for score in RUN_FILES:
                for file in plan.score_files(dataset, run.name, {score} & plan.wanted(run)[dataset]):
                    yield _score_job(plan, dataset, run.name, score, contents[dataset], file)


def _training_jobs(plan: Plan, dataset: str, run: str, content: Content) -> Iterator[Job]:
    options, settings, inputs = plan.training(run), plan.settings, plan.train_inputs(dataset, run)
    cores = settings.threads * settings.devices * settings.nodes
    first = 0
    if stage_one := inputs.get("stage_one"):
        # half of all are assumed where only the loss decides
        first = min(options.stage_one_max_epochs or options.epochs // 2, options.epochs)
        works, after = _epochs(options, content, first, joint=False), [inputs["pairs"]]
        yield Job(rule="stage_one", output=stage_one, works=works, after=after, cores=cores, on_gpu=True, priority=3)
    yield Job(
        rule="train",
        output=plan.run_folder(dataset, run) / "model.safetensors",
        works=_epochs(options, content, options.epochs - first, joint=options.has_branches),
        after=list(inputs.values()),
        cores=cores,
        on_gpu=True,
        priority=2,
    )


def _epochs(options: TrainingOptions, content: Content, epochs: int, *, joint: bool) -> list[Work]:
    steps, validation = (math.ceil(pairs / options.batch_size) for pairs in content.pairs[:2])
    mpx, calls = options.batch_size * options.crop_px**2 / 1e6, epochs * (steps + FORWARD * validation)
    works = [Work("start train"), Work(f"train {options.fusion_model}", calls, mpx)]
    if joint:
        works.append(Work(f"joint {options.segmenter}", calls, mpx))
    if joint and options.weighting in MEASURED:
        works.append(Work(works[1].name, GRADIENTS * epochs * steps / options.every_n_steps, mpx))
    return works


def _fuse_job(plan: Plan, dataset: str, run: Run, content: Content) -> Job:
    computes, works = run.kind in ("trained", "published"), [Work("write", 1, content.all_mpx)]
    if computes:
        network = plan.training(run.name).fusion_model if run.kind == "trained" else run.fusion_model
        works += [Work("start fuse"), Work(f"fuse {network}", content.all_mpx / content.mpx, content.mpx)]
    return Job(
        rule="fuse",
        output=plan.run_folder(dataset, run.name) / "fused",
        works=works,
        after=[plan.packed(dataset), *plan.fuse_inputs(dataset, run.name)],
        disk_mb=FUSED * content.all_mpx,
        cores=plan.settings.threads * plan.settings.shards,
        on_gpu=computes,
        priority=1,
    )


def _score_job(plan: Plan, dataset: str, run: str, score: str, content: Content, output: Path) -> Job:
    threads, after = plan.settings.threads, [plan.packed(dataset), plan.run_folder(dataset, run) / "fused"]
    job = partial(Job, output=output, after=after, cores=threads, on_gpu=True)
    if score == FUSION_METRICS:
        works = [Work("score", 1, content.pairs.test * content.mpx)]
        return job(rule="score", works=works, cores=threads * plan.settings.shards, on_gpu=False)
    options = plan.judge_options(dataset, score)
    if isinstance(options, ProbeOptions):
        return job(rule="probe", works=[Work("probe", 1, content.all_mpx * (options.scale / PROBE_SCALE) ** 2)])
    if isinstance(options, DetectionOptions):
        return job(rule="detect", works=_judge(options, content), priority=1)
    return job(rule="segment", works=_judge(options, content), priority=2, disk_mb=SEGFORMER_MB[options.size])


def _judge(options: SegmentationOptions | DetectionOptions, content: Content) -> list[Work]:
    """Return the works of a judge's training and of what it looks at."""
    if isinstance(options, SegmentationOptions):
        verb, step, pairs, whole = "segment", f"segment {options.size}", content.labelled, content.mpx
        crop = min(options.crop**2 / 1e6, whole) if options.crop else whole
    else:
        verb, step, pairs = "detect", "detect", content.boxed
        crop = whole = options.image_size_px**2 / 1e6
    epochs, batch = options.epochs, options.batch_size
    looked_at = epochs * pairs.validation + pairs.test
    return [
        Work(f"start {verb}"),
        Work(step, epochs * math.ceil(pairs.train / batch), batch * crop),
        Work(step, FORWARD * looked_at / batch, batch * whole),
        Work("read", epochs * pairs.train + looked_at, content.mpx),
    ]


def _closing_jobs(plan: Plan, contents: Mapping[str, Content]) -> Iterator[Job]:
    results, pairs = plan.settings.results, plan.settings.report.figure_pairs
    tables, costs, means = results / "tables", results / "efficiency.csv", results / "tables/means.json"
    made = [*plan.scores, *(each / "model.safetensors" for each in plan.trained)]
    sheets = {table: tables / f"table_{table}.html" for table in plan.tables}
    yield Job(rule="efficiency", output=costs, works=[Work("complexity")])
    yield Job(rule="score_tables", output=means, works=[Work("tables")], after=made)
    for table, sheet in sheets.items():
        yield Job(rule="paper_table", output=sheet, works=[Work("tables")], after=plan.table_scores(table))
    drawn_mpx = shown_mpx = 0.0
    for dataset, runs in plan.shown.items():
        test, of_a_pair = contents[dataset].pairs.test, (len(runs) + len(SIDES)) * contents[dataset].mpx
        drawn_mpx += min(pairs if isinstance(pairs, int) else len(pairs), test) * of_a_pair
        shown_mpx += min(plan.settings.report.pairs or test, test) * of_a_pair
    made, figures = [*made, *plan.fused, means], results / "figures"
    works = [Work("figures", 1, drawn_mpx)]
    yield Job(rule="figures", output=figures, works=works, after=[*made, costs], disk_mb=FIGURES_MB)
    works, after = [Work("report", 1, shown_mpx)], [*made, *sheets.values(), figures]
    disk_mb = PAGE_MB + SHOWN * shown_mpx
    yield Job(rule="report", output=results / "report", works=works, after=after, disk_mb=disk_mb)
