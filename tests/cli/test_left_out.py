"""From raw folders to tables where there is little or nothing to judge: each state is legal, and says so."""

import numpy as np
import pytest

from ssvif.io.files import read_csv, write_png
from ssvif.schema import LEFT_OUT, NOTE, RUN_FILES

DESCRIPTOR = """\
name: mine
title: Mine
folder: mine
layouts:
  - {{visible: "{0}vi/{{name}}", infrared: "{0}ir/{{name}}", label: "{0}label/{{name}}", boxes: "{0}box/{{name}}.txt"}}
official_splits: {{{1}}}
classes: [{{id: 0, name: ground, color: [0, 0, 0]}}, {{id: 1, name: car, color: [9, 9, 9]}}]
detection_classes: [car]
"""
NONE = {"segmentation": "no labels", "detection": "no boxes", "probe": "no masks"}


def lacking(split):
    return {judge: f"{reason} in {split}" for judge, reason in NONE.items()}


@pytest.fixture
def raw(tmp_path):
    """Write splits of two pairs each, those named with labels and boxes; "" for no official splits."""

    def make(splits, labeled=(), *, count=2):
        random = np.random.default_rng(0)
        before = "{split}/" if "" not in splits else ""
        official = ", ".join(f"{split}: {split}" for split in splits if split)
        (tmp_path / "mine.yaml").write_text(DESCRIPTOR.format(before, official))
        for split in splits:
            folder = tmp_path / "mine" / split
            for name in range(count):
                write_png(folder / f"vi/{name}.png", random.integers(0, 256, (40, 40, 3), np.uint8))
                write_png(folder / f"ir/{name}.png", random.integers(0, 256, (40, 40), np.uint8))
                if split in labeled:
                    write_png(folder / f"label/{name}.png", random.integers(0, 2, (40, 40), np.uint8))
                    (folder / "box").mkdir(exist_ok=True)
                    (folder / f"box/{name}.txt").write_text("0 0.5 0.5 0.3 0.3\n")
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("splits", "labeled", "count", "reasons"),
    [
        (("train", "test"), (), 2, NONE),
        (("train", "test"), ("train",), 2, lacking("test")),
        (("train", "test"), ("test",), 2, lacking("train")),
        (("train",), ("train",), 2, {"fusion_metrics": "no test pairs", **lacking("test")}),
        (("test",), ("test",), 2, lacking("train")),
        (("",), ("",), 1, {"fusion_metrics": "no test pairs", **lacking("test")}),  # one pair
    ],
    ids=["no labels", "train only", "test only", "no test split", "no train split", "one pair"],
)
def test_what_cannot_be_judged_goes_through_to_the_tables(call, raw, splits, labeled, count, reasons):
    root = raw(splits, labeled, count=count)
    data, run = root / "results/mine/data", root / "results/mine/average"
    of = ("--dataset", root / "mine.yaml", "--data-root", root)
    pairs = ("--pairs", data / "pairs.h5")
    named = ("--dataset", "mine", "--run", "average", "--device", "cpu")
    commands = [
        ("split", *of, "--output", data / "splits.csv"),
        ("pack", *of, "--splits", data / "splits.csv", "--output", data / "pairs.h5"),
        ("fuse", *pairs, "--baseline", "average", "--output", run / "fused", "--device", "cpu"),
        ("score", *pairs, "--fused", run / "fused/test", "--output", run / "fusion_metrics.csv", *named),
        *(
            (verb, *pairs, "--fused", run / "fused", "--output", run / folder, *named)
            for verb, folder in (("segment", "segmentation"), ("detect", "detection"), ("probe", "probe"))
        ),
        ("tables", "--results", root / "results", "--output", root / "tables", "--run", "mine/average"),
    ]
    for command in commands:
        status, _, errors = call(*command)
        assert status == 0, errors
    for kind, file in RUN_FILES.items():
        found = {row.get(NOTE) for row in read_csv(run / file) if row["metric"] == LEFT_OUT}
        assert found == ({reasons[kind]} if kind in reasons else set())
        text = (root / f"tables/{kind}_mine.md").read_text()
        assert (f"average: left out, {reasons.get(kind)}." in text) == (kind in reasons)
