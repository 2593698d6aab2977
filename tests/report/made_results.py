"""Writers of small results, as the commands before the report would leave them."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from ssvif.data.descriptor import ClassInfo, Descriptor, Layout
from ssvif.report.pictures import PictureSource
from ssvif.schema import BOX_COLUMNS, JUDGE_COLUMNS, METRIC_COLUMNS, PROBE_COLUMNS, SPLIT_COLUMNS

PAIRS = ("001", "002", "003", "004 #4")
HISTORY = ("epoch", "stage", "train_loss", "train_fusion", "validation_fusion", "train_consistency", "alpha")
DIAGNOSTICS = ("live_classes", "class_entropy", "agreement", "collapsed")
INFORMATION = ("pixel_agreement", "position_information", "nmi_color", "nmi_label")


def write(path: Path, columns, rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_scores(run: Path, metrics: dict[str, list], dataset: str = "", pairs=()) -> Path:
    """Write fusion_metrics.csv with the values of each metric for the pairs, "000", "001" and so on, and return it."""
    rows = [
        (dataset or run.parent.name, run.name, pairs[place] if pairs else f"{place:03d}", metric, value)
        for metric, values in metrics.items()
        for place, value in enumerate(values)
    ]
    write(run / "fusion_metrics.csv", METRIC_COLUMNS, rows)
    return run / "fusion_metrics.csv"


def write_metrics(results: Path, run: str, values: dict[str, list]) -> None:
    write_scores(results / "toy" / run, values, pairs=PAIRS)


def write_judged(path: Path, metric: str, mean, weights: str = "scratch", **classes) -> None:
    """Write iou.csv or ap.csv: the metric of each class, and their mean."""
    rows = [("toy", "", metric, name, value, weights) for name, value in classes.items()]
    write(path, JUDGE_COLUMNS, [*rows, ("toy", "", f"m{metric}", "", mean, weights)])


def write_iou(results: Path, run: str, person: float, weights: str = "scratch") -> None:
    path = results / "toy" / run / "segmentation/iou.csv"
    write_judged(path, "iou", (0.9 + person) / 2, weights, sky=0.9, person=person, bike="")


def write_probe(run: Path, log_loss: list[float], person: list[float], labels: str = "boxes") -> None:
    """Write the probe's scores.csv: two values for each pair, and their means as those over all cells."""
    rows = []
    for place, (loss, ap) in enumerate(zip(log_loss, person, strict=True)):
        scores = (("log_loss", "", loss), ("ap", "person", ap), ("iou", "person", ap / 2), ("mean_ap", "", ap))
        rows += [("toy", run.name, f"{place:03d}", *score, labels) for score in scores]
    mean, mean_ap = np.mean(log_loss), np.mean(person)
    pooled = (("log_loss", "", mean), ("ap", "person", mean_ap), ("ap", "bus", ""), ("iou", "person", mean_ap / 2))
    rows += [("toy", run.name, "", *score, labels) for score in (*pooled, ("mean_ap", "", mean_ap), ("miou", "", 0.3))]
    write(run / "probe/scores.csv", PROBE_COLUMNS, rows)


def write_history(folder: Path, *, collapsed: bool = False, joint: bool = True) -> None:
    rows = []
    for epoch in range(8):
        second = joint and epoch >= 3
        loss = 10 / (epoch + 1)
        end = (
            (2.5, 0.1, 5 - epoch // 2, 1.2, 0.8, int(collapsed and epoch > 5), 0.75, 0.3, 0.2, 0.1)
            if second
            else ("",) * 10
        )
        rows.append((epoch, "joint" if second else "fusion", loss, loss, loss * 1.1, *end))
    write(folder / "history.csv", HISTORY + DIAGNOSTICS + INFORMATION, rows)


def picture(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array.astype(np.uint8)).save(path)


def write_gradients(folder: Path, cosines=(0.5, 0.1, 0.3)) -> None:
    columns = ("epoch", "step", "projection_consistency", "projection_fusion", "cosine")
    rows = [(4, step, value / 100, value * 100, value) for step, value in enumerate(cosines, start=1)]
    write(folder / "gradients.csv", columns, rows)


def write_pseudo_labels(folder: Path) -> None:
    write(folder / "pseudo_labels/classes.csv", ("class", "share"), [(3, 0.75), (1, 0.2495), (0, 0.0005)])
    write(
        folder / "pseudo_labels/follows.csv",
        ("cue", "explained"),
        [("visible", 0.2), ("infrared", 0.625), ("row", 0), ("border", 1)],
    )
    picture(folder / "pseudo_labels/001 #1.png", np.zeros((8, 48, 3)))


def make_results(folder: Path) -> Path:
    """Write results/ with the scores of the runs `average` and `ours`."""
    write_metrics(folder, "average", {"en": [6.0, 7.0], "delta_e76": [4.0, 5.0], "ms_ssim": ["", ""]})
    write_metrics(folder, "ours", {"en": [7.0, 7.5], "delta_e76": [3.0, 3.5], "ms_ssim": ["", ""]})
    write_iou(folder, "average", 0.5)
    write_iou(folder, "ours", 0.7)
    return folder


def make_source(root: Path, results: Path, height: int = 24, width: int = 32) -> PictureSource:
    """Write a dataset of four pairs with labels and boxes, and what both runs made of them."""
    generator = np.random.default_rng(0)
    rows = []
    for pair in PAIRS:
        visible = generator.integers(0, 256, (height, width, 3))
        label = generator.integers(0, 3, (height, width))
        picture(root / f"vi/{pair}.png", visible)
        picture(root / f"ir/{pair}.png", visible[..., 0])
        picture(root / f"label/{pair}.png", label)
        (root / f"{pair}.txt").write_text("0 0.5 0.5 0.25 0.5\n", encoding="utf-8")
        rows.append(("test", pair, f"vi/{pair}.png", f"ir/{pair}.png", f"label/{pair}.png", f"{pair}.txt"))
        for run in ("average", "ours"):
            picture(results / f"toy/{run}/fused/test/{pair}.png", visible // 2)
            picture(results / f"toy/{run}/segmentation/predictions/{pair}.png", label)
    rows.append(("train", "000", "vi/none.png", "ir/none.png", "", ""))
    write(root / "splits.csv", SPLIT_COLUMNS, rows)
    write(results / "toy/ours/detection/boxes.csv", BOX_COLUMNS, [("001", "person", 0.876, 8, 6, 16, 18)])
    descriptor = Descriptor(
        "toy",
        "Toy & Co",
        "toy",
        (Layout("vi/{name}", "ir/{name}"),),
        classes=(
            ClassInfo(0, "sky", (10, 20, 30)),
            ClassInfo(1, "person", (200, 0, 0)),
            ClassInfo(2, "bike", (0, 200, 0)),
        ),
        background_id=0,
        detection_classes=("person",),
    )
    return PictureSource(descriptor=descriptor, splits=root / "splits.csv", root=root)
