"""The verbs that judge fused images: score, probe, segment, detect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssvif.cli.arguments import (
    Assignments,
    DatasetName,
    Device,
    Fused,
    Infrared,
    Job,
    Output,
    PairingOptions,
    Pairs,
    Reading,
    RunName,
    SettingsText,
    Threads,
    Visible,
    check_packed,
    with_options,
)
from ssvif.pairs.shard import Shard


@with_options
def score(
    fused: Annotated[Path, typer.Option(help="Folder of fused images, or a quoted pattern: 'out/*_fused.png'.")],
    output: Output,
    pairs: Annotated[Path | None, typer.Option(help="HDF5 file of `ssvif pack`; its test pairs are scored.")] = None,
    visible: Visible = None,
    infrared: Infrared = None,
    metrics: Annotated[str, typer.Option(help="Names separated by commas, or all; default: the paper's metrics.")] = "",
    convention: Annotated[str, typer.Option(help="paper, standard or both, for metrics that have two.")] = "both",
    only: Annotated[str, typer.Option(help="Pattern of the names to score, without suffix, e.g. '00*N'.")] = "*",
    against: Annotated[Path | None, typer.Option(help="Compare with this file of scores for the same images.")] = None,
    shard: Annotated[
        str,
        typer.Option(metavar="I/N", help="Only part I of N; awk 'NR == 1 || FNR > 1' PART... joins the files of all."),
    ] = "",
    dataset: DatasetName = "",
    run: RunName = "",
    device: Device = "auto",
    workers: Annotated[int, typer.Option(help="Images to measure at once; 0: one per core, at most 8.", min=0)] = 0,
    *,
    reading: Reading,
    pairing: PairingOptions,
) -> None:
    """Measure each fused image: EN, MI, VIF, Qabf, SSIM, MS-SSIM, ΔE and others; means with 95 % intervals.

    Images are read by the options that they were fused with; without --resize, two sizes are an error.
    """
    from ssvif.io.device import lease_device, prepare_cpu
    from ssvif.judging import score as scoring
    from ssvif.report.compare import compare_runs, summary_table
    from ssvif.report.scores import check_comparable

    check_packed("score", pairs, visible, infrared, options=reading.given + pairing.given)
    rules = reading.rules(pairing.both_in_one or "", resize="error")
    names = scoring.choose_metrics(metrics, convention)
    if pairs:
        cases = scoring.packed_cases(pairs, fused, only)
    else:
        cases = scoring.folder_cases(visible, infrared, fused, only, rules, pairing.pairing())
    if shard:
        cases = list(Shard.parse(shard).take(cases))
    if against:
        check_comparable(against, names, [case.pair_id for case in cases])  # before the work, not after
    prepare_cpu(0)
    with lease_device(device) as leased:
        scoring.write_scores(output, cases, dataset=dataset, run=run, metrics=names, device=leased, workers=workers)
    if cases:
        typer.echo(summary_table(output))
    typer.echo(f"{output}: a row for each image and metric", err=True)  # the table alone may be read by a program
    if against:
        typer.echo("\n" + compare_runs([against, output], any_dataset=True))


def probe(
    pairs: Pairs,
    fused: Fused,
    output: Output,
    settings: SettingsText = "",
    assignments: Assignments = None,
    dataset: DatasetName = "",
    run: RunName = "",
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Fit a linear classifier to ImageNet features of the fused images: log-loss, AP and IoU in about a minute."""
    from ssvif.judging.options import ProbeOptions

    job = Job(settings, assignments, device, threads=threads)
    options = job.options(ProbeOptions())
    from ssvif.judging import probe as probing
    from ssvif.judging.fused_images import JudgedRun

    with job.leased_device() as leased:
        probing.probe(JudgedRun(pairs, fused, output, dataset, run, leased), options)
    _show_means(output / "scores.csv")


@with_options
def segment(
    pairs: Pairs, fused: Fused, output: Output, dataset: DatasetName = "", run: RunName = "", *, job: Job
) -> None:
    """Fine-tune SegFormer on the fused images and score it: IoU per class, mIoU."""
    from ssvif.judging.options import SegmentationOptions

    options = job.options(SegmentationOptions())
    from ssvif.judging.fused_images import JudgedRun
    from ssvif.judging.segment import fine_tune

    with job.leased_device() as device:
        fine_tune(JudgedRun(pairs, fused, output, dataset, run, device, job.workers), options)
    _show_means(output / "iou.csv")


@with_options
def detect(
    pairs: Pairs, fused: Fused, output: Output, dataset: DatasetName = "", run: RunName = "", *, job: Job
) -> None:
    """Train YOLO11n on the fused images and score it: AP@0.5 per class, mAP@0.5 (uses ultralytics, AGPL-3.0)."""
    from ssvif.judging.options import DetectionOptions

    options = job.options(DetectionOptions())
    from ssvif.judging.detect import train_and_score
    from ssvif.judging.fused_images import JudgedRun

    with job.leased_device() as device:
        train_and_score(JudgedRun(pairs, fused, output, dataset, run, device, job.workers), options)
    _show_means(output / "ap.csv")


def _show_means(table: Path) -> None:
    """Print the scores over all images and classes that a judge's table holds, and where it lies."""
    from ssvif.io.files import read_csv
    from ssvif.report.sheet import measure_of, print_number

    means = {row["metric"]: row["value"] for row in read_csv(table) if not (row.get("pair_id") or row["class"])}
    shown = []
    for name, value in means.items():
        if value:
            measure = measure_of(name)
            number = print_number(float(value) * measure.scale, f".{measure.decimals}f")
            shown.append(f"{measure.heading} {number} {measure.unit}".rstrip())
    typer.echo(f"{table}: {', '.join(shown) or 'no scores'}")
