"""The measured part of the cards of the networks inside the package, as Markdown: cost, speed, scores.

    .venv/bin/python benchmarks/packaged_networks.py                                    # on generated scenes
    .venv/bin/python benchmarks/packaged_networks.py --visible MSRS/test/vi --infrared MSRS/test/ir \
        --published MSRS/published/SeAFusion --write                                    # into the card, too

Scores are the means over the pairs; a difference comes with its 95 % interval (BCa bootstrap) and p (Wilcoxon), as
from `ssvif score --against`. Frames a second are the best of the repeats, in which the networks take turns.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from roadscenes.write import write_scenes
from ssvif.fusing.api import fuse, load_model
from ssvif.io.device import device_name, prepare_cpu
from ssvif.io.files import read_image, write_png
from ssvif.judging.cost import measure as count
from ssvif.judging.score import Case, folder_cases, measure
from ssvif.metrics.collection import METRICS, STANDARD_SET, of_convention
from ssvif.models.names import WEIGHTS, packaged_model, read_header
from ssvif.ops.statistics import describe, wilcoxon_p
from ssvif.schema import MEASURES, PACKAGED_MODELS

HEIGHT, WIDTH = 480, 640
PAPER_SEVEN = of_convention(STANDARD_SET, "paper")  # the paper's table of fusion quality
SCENES = 40  # generated test scenes, none of which anything is trained on
SCENES_SEED = 20_000
FRAMES = (4, 44)  # of two calls of `ssvif fuse`, whose difference is free of the start
CARD = WEIGHTS / "README.md"
MARKS = ("<!-- measured by benchmarks/packaged_networks.py -->\n", "<!-- end of what is measured -->\n")
Values = Mapping[str, Sequence[float]]  # metric → one value a pair


def main() -> None:
    """Print the tables, and write them into the card where that is asked for."""
    arguments = _parse()
    prepare_cpu(arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        scenes = Path(name) / "scenes"
        write_scenes(scenes, train=0, test=SCENES, height=HEIGHT, width=WIDTH, seed=SCENES_SEED)
        sources = scenes / "test/vi", scenes / "test/ir"
        parts = [costs(Path(name), arguments.threads, arguments.repeats, *sources)]
        title = f"{SCENES} generated scenes of {WIDTH}×{HEIGHT}, beside the average of both images"
        parts.append(scores(title, *sources, None))
    if arguments.visible:
        title = "Pairs of MSRS's test part, beside the images that SeAFusion's authors released"
        parts.append(scores(title, arguments.visible, arguments.infrared, arguments.published))
    text = "\n".join(parts)
    print(text)
    if arguments.write:
        before, _, rest = CARD.read_text(encoding="utf-8").partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        CARD.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}", encoding="utf-8")


def costs(folder: Path, threads: int, repeats: int, visible: Path, infrared: Path) -> str:
    """Return a table of size, multiplications and speed at 640×480."""
    networks = {name: load_model(name, device="cpu") for name in PACKAGED_MODELS}
    random = np.random.default_rng(0)
    pair = random.random((1, HEIGHT, WIDTH, 3), np.float32), random.random((1, HEIGHT, WIDTH), np.float32)
    least = dict.fromkeys(networks, float("inf"))
    for _ in range(repeats):
        for name, network in networks.items():
            start = time.perf_counter()
            network(*pair)
            least[name] = min(least[name], time.perf_counter() - start)
    lines = []
    for name in networks:
        header = read_header(packaged_model(name))
        cost = count(header["fusion_model"], header["channels"], HEIGHT, WIDTH)
        whole = _frames_a_second(folder, name, threads, visible, infrared)
        cells = (f"`{header['fusion_model']}`", f"{cost.parameters:,}", f"{cost.macs / 1e9:.2f} G")
        lines.append(_row(f"`{name}`", *cells, f"{1 / least[name]:.2f}", f"{whole:.2f}"))
    cores = f"{threads} thread{'s' * (threads > 1)}"
    headings = "network", "architecture", "parameters", "MACs", "frames/s, network alone", "frames/s, `ssvif fuse`"
    where = f"Pairs of {WIDTH}×{HEIGHT}, {cores}, {device_name(torch.device('cpu'))}, torch {torch.__version__}:\n"
    return "\n".join([where, _row(*headings), _row(*["---"] * 6), *lines, ""])


def _frames_a_second(folder: Path, network: str, threads: int, visible: Path, infrared: Path) -> float:
    """Return how many pairs a second `ssvif fuse` reads, fuses and writes once it has started."""
    command = [sys.executable, "-m", "ssvif", "fuse", "--model", network, "--device=cpu", f"--threads={threads}"]
    seconds = []
    for count_ in FRAMES:
        ends = []
        for side, source in (("vi", visible), ("ir", infrared)):
            copies = folder / f"{network}_{count_}_{side}"
            copies.mkdir()
            images = sorted(source.iterdir())
            for i in range(count_):
                os.link(images[i % len(images)], copies / f"{i}.png")
            ends.append(str(copies))
        start = time.perf_counter()
        subprocess.run([*command, *ends, "-o", str(folder / f"{network}_{count_}")], check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return (FRAMES[1] - FRAMES[0]) / (seconds[1] - seconds[0])


def scores(title: str, visible: Path, infrared: Path, published: Path | None) -> str:
    """Return a table of the metrics of both networks and of what they stand beside: a folder's images or the average.

    Only pairs that the folder holds images of are measured.
    """
    with tempfile.TemporaryDirectory() as name:
        other = published or Path(name)
        if not published:
            for path in sorted(visible.iterdir()):
                pair = read_image(path), read_image(infrared / path.name)
                write_png(other / f"{path.stem}.png", fuse(*pair, load_model("average")))
        cases = folder_cases(visible, infrared, other)
        beside = "SeAFusion" if published else "average"
        found = {each: _measure(cases, each) for each in PACKAGED_MODELS} | {beside: _measure(cases, "")}
    changes = [f"{each} − {beside}" for each in PACKAGED_MODELS]
    headings = ["", *found, *(cell for change in changes for cell in (change, "p"))]
    lines = [_row(*headings), _row(*["---"] * len(headings))]
    for metric in PAPER_SEVEN:
        shown, last = MEASURES[metric], found[beside][metric]
        means = [f"{np.mean(values[metric]):.{shown.decimals}f}" for values in found.values()]
        differences = [cell for each in PACKAGED_MODELS for cell in _difference(found[each][metric], last)]
        lines.append(_row(f"{METRICS[metric].title} {shown.arrow}", *means, *differences))
    return "\n".join([f"{title} ({len(cases)} pairs):\n", *lines, ""])


def _measure(cases: Sequence[Case], network: str) -> Values:
    """Return the metrics of a network's images, or without one of those that the cases name."""
    fuser = load_model(network) if network else None
    found: dict[str, list[float]] = {metric: [] for metric in PAPER_SEVEN}
    for case in cases:
        visible, infrared = case.read_sources()
        fused = fuse(visible, infrared, fuser) if fuser else read_image(case.fused)
        for metric, value in measure(visible, infrared, fused, PAPER_SEVEN).items():
            found[metric].append(float("nan") if value is None else value)
    return found


def _difference(values: Sequence[float], others: Sequence[float]) -> tuple[str, str]:
    differences = np.subtract(values, others).tolist()
    summary, p_value = describe(differences), wilcoxon_p(differences)
    return f"{summary.mean:+.3f} ({summary.low:+.3f} … {summary.high:+.3f})", f"{p_value:.1g}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visible", type=Path, help="folder of real visible images")
    parser.add_argument("--infrared", type=Path, help="folder of their infrared images")
    parser.add_argument("--published", type=Path, help="folder of SeAFusion's released images of these pairs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--write", action="store_true", help=f"replace the measured part of {CARD.name}")
    arguments = parser.parse_args()
    if len({bool(arguments.visible), bool(arguments.infrared), bool(arguments.published)}) > 1:
        parser.error("--visible, --infrared and --published go together")
    return arguments


if __name__ == "__main__":
    main()
