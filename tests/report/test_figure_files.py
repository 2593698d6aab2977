"""What `make_figures` leaves in its folder, and what it leaves out."""

import shutil

import numpy as np
import pytest
from PIL import Image

from report.made_results import PAIRS, write, write_gradients, write_history, write_metrics
from ssvif.data.descriptor import descriptor_to_json
from ssvif.io.errors import UserError
from ssvif.report.figures.make import make_figures
from ssvif.report.figures.rows import draw_fusion
from ssvif.report.pictures import Album
from ssvif.report.runs import RunLabel
from ssvif.schema import EFFICIENCY_COLUMNS

RUNS = {"toy": [RunLabel("average", "Average"), RunLabel("ours", "Ours, $\\alpha$ and a rather long title")]}
KINDS = ("fusion", "segmentation", "detection", "curves", "projections", "bubble")


@pytest.fixture
def complete(results):
    """Results with everything that can be drawn."""
    write_metrics(results, "average", {"vif": [0.5, 0.7, 0.6, 0.4], "delta_e76": [4.0, 5.0, 3.0, 9.0]})
    write_metrics(results, "ours", {"vif": [0.6, 0.8, 0.7, 0.9], "delta_e76": [3.0, 3.5, "", "nan"]})
    write_history(results / "toy/ours")
    write_gradients(results / "toy/ours", (0.5, -0.1, 0.3, 0.2))
    counts = (("parameters", 166657), ("macs", 1.1e10))
    write(results / "efficiency.csv", EFFICIENCY_COLUMNS, [("seafusion", 3, 256, 256, *count) for count in counts])
    return results


def draw(results, source, output, **choices):
    choices = {"pairs": 2, "networks": {("toy", run): "seafusion 3" for run in ("average", "ours")}} | choices
    return make_figures(
        results, output, RUNS, sources={"toy": source}, efficiency=results / "efficiency.csv", **choices
    )


@pytest.fixture
def unrendered(monkeypatch):
    """Figures are put together and their files named, but not drawn: that takes seconds."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda _, path, **__: path.touch())


def test_every_figure_is_there_as_png_and_pdf_and_the_same_again(complete, source, tmp_path):
    paths = draw(complete, source, tmp_path / "figures")
    assert {path.name for path in paths} == {f"{kind}_toy.{suffix}" for kind in KINDS for suffix in ("png", "pdf")}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {path.name for path in paths}
    for path in paths:
        if path.suffix == ".pdf":
            assert path.read_bytes().startswith(b"%PDF")
            assert not any(word in path.read_bytes() for word in (b"CreationDate", b"Matplotlib"))
            continue
        with Image.open(path) as opened:
            assert opened.info.keys() == {"dpi"}, "neither a date nor a version"
            assert opened.info["dpi"] == pytest.approx((300, 300), abs=0.1)
            assert opened.width <= 7.17 * 300, f"{path.name} is wider than a page's two columns"
            assert opened.height <= 9.21 * 300
            gray = np.asarray(opened.convert("L"))
        assert gray.std() > 5, f"{path.name} is blank"
        for edge in (gray[:2], gray[-2:], gray[:, :2], gray[:, -2:]):
            assert edge.min() == 255, f"{path.name} is cut off at an edge"
    for one, other in zip(paths, draw(complete, source, tmp_path / "again"), strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_what_is_missing_is_left_out_with_a_line(results, source, tmp_path, log):
    for run in ("average", "ours"):
        (results / f"toy/{run}/fusion_metrics.csv").unlink()
        for folder in ("fused/test", "segmentation/predictions"):
            for path in (results / f"toy/{run}" / folder).iterdir():
                path.unlink()
    (results / "toy/ours/detection/boxes.csv").unlink()
    assert draw(results, source, tmp_path / "figures") == []
    assert list((tmp_path / "figures").iterdir()) == []
    assert len(log.messages) == len(KINDS)
    assert all(line.startswith("toy: ") and "left out" in line for line in log.messages)


@pytest.mark.usefixtures("unrendered")
def test_why_there_are_no_bubbles(complete, source, tmp_path, log):
    draw(complete, source, tmp_path / "figures", networks={("toy", "ours"): "densefuse 3"})
    for path in [*complete.glob("toy/ours/*/iou.csv"), *complete.glob("toy/ours/fusion_metrics.csv")]:
        path.unlink()
    draw(complete, source, tmp_path / "figures")
    (complete / "efficiency.csv").unlink()
    draw(complete, source, tmp_path / "figures")
    reasons = ["no run has a network that is counted", "fewer than two counted networks", "there is no /"]
    assert [reason in line for reason, line in zip(reasons, log.messages, strict=True)] == [True] * 3


@pytest.mark.usefixtures("unrendered")
def test_one_runs_missing_parts_leave_empty_frames(complete, source, tmp_path):
    (complete / "toy/average/fused/test/001.png").unlink()
    (complete / "toy/average/segmentation/predictions/001.png").unlink()
    (complete / "toy/average/fusion_metrics.csv").unlink()
    assert len(draw(complete, source, tmp_path / "figures")) == 2 * len(KINDS)


@pytest.mark.usefixtures("unrendered")
def test_without_pairs_the_rows_of_pictures_are_left_out(complete, source, tmp_path):
    names = {path.stem for path in draw(complete, source, tmp_path / "figures", pairs=0)}
    assert names == {f"{kind}_toy" for kind in KINDS[3:]}


@pytest.mark.usefixtures("unrendered")
def test_a_former_figure_does_not_stay(complete, source, tmp_path):
    draw(complete, source, tmp_path / "figures")
    (complete / "efficiency.csv").unlink()
    draw(complete, source, tmp_path / "figures")
    assert not (tmp_path / "figures/bubble_toy.png").exists()
    (tmp_path / "figures/notes.txt").touch()
    with pytest.raises(UserError, match="other files"):
        draw(complete, source, tmp_path / "figures")


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"chosen": {"toy": ["001", "nope"]}}, "no test pair nope"),
        ({"chosen": {"other": ["001"]}}, "Pairs of other"),
        ({"metric": "nope"}, "has the metric 'nope'"),
        ({"metric": "ms_ssim"}, r"(?s)No run on toy has the metric 'ms_ssim'.*vif \| delta_e76 \| aaa\b"),
    ],
)
def test_what_is_chosen_must_be_there(complete, source, tmp_path, choices, says):
    values = {"aaa": [1], "delta_e76": [4.0], "ms_ssim": [""], "vif": [0.5]}
    write_metrics(complete, "average", values)
    with pytest.raises(UserError, match=says):
        draw(complete, source, tmp_path / "figures", **choices)
    assert not (tmp_path / "figures").exists()


def test_a_dataset_needs_its_source(complete, tmp_path):
    with pytest.raises(UserError, match="no source for toy") as caught:
        make_figures(complete, tmp_path / "out", RUNS, sources={}, efficiency=tmp_path)
    assert "--source" in caught.value.remedy


@pytest.mark.parametrize("chosen", [[PAIRS[3], PAIRS[0]], [PAIRS[0], PAIRS[3]]])
def test_chosen_pairs_are_shown_in_their_order(complete, source, chosen):
    album = Album(results=complete / "toy", source=source, runs=RUNS["toy"], chosen=chosen)
    lines = [axes for axes in draw_fusion(album)[0].axes if axes.get_ylabel()]
    assert [axes.get_ylabel() for axes in lines] == chosen
    for axes, row in zip(lines, album.pairs(), strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), album.visible(row))


@pytest.fixture
def figures(complete, source, tmp_path, call):
    """A function that calls `ssvif figures`, for one pair of a dataset with a descriptor: status, output, errors."""
    (tmp_path / "toy.yaml").write_text(descriptor_to_json(source.descriptor))
    (complete / "toy/data").mkdir()
    shutil.copy(source.splits, complete / "toy/data/splits.csv")
    places = ["--results", complete, "--output", tmp_path / "out", "--datasets", tmp_path, "--source"]
    return lambda *more: call("figures", *places, f"toy={source.root}", "--pairs", 1, "--run", "toy/ours", *more)


@pytest.mark.usefixtures("unrendered")
def test_the_command_draws_and_prints_the_files(figures, tmp_path):
    networks = [each for run in ("ours", "average") for each in ("--network", f"toy/{run}=seafusion/3")]
    status, output, _ = figures("--run", "toy/average=Average", *networks)
    assert status == 0
    assert str(tmp_path / "out/bubble_toy.pdf") in output.splitlines()


@pytest.mark.parametrize("text", ["toy/ours", "toy/ours=seafusion", "ours=seafusion/3", "toy/ours=seafusion/three"])
def test_a_network_is_written_in_one_way(figures, text):
    status, _, errors = figures("--network", text)
    assert status == 1
    assert "DATASET/RUN=MODEL/CHANNELS" in errors
