import itertools
import math

import pytest

from report.made_results import write_judged, write_probe, write_scores
from ssvif.io.errors import UserError
from ssvif.report.compare import compare_runs, summary_table


def run_of(folder, *, dataset="toy", **metrics):
    """A run's folder with the metrics' values image by image."""
    return write_scores(folder, metrics, dataset).parent


def summary_of(tmp_path, **metrics):
    """The lines below the head of a run's summary."""
    return summary_table(run_of(tmp_path / "run", **metrics) / "fusion_metrics.csv").splitlines()[2:]


def test_a_summary_counts_what_has_a_value(tmp_path):
    lines = summary_of(tmp_path, en=[6.0, 7.0, 6.5], ms_ssim=["", 1.2, ""], sharpness=[1.0, 3.0], fmi=[""])
    assert lines[0].split()[:7] == ["en", "EN", "↑", "[bit]", "6.5000", "6.5000", "0.5000"]
    assert lines[0].split()[-1] == "3"
    assert lines[1].split()[-5:] == ["1.2000", "1.2000", "–", "–", "1"]
    assert lines[2].split()[:2] == ["sharpness", "2.0000"]  # not one of our metrics
    assert lines[3].split()[-5:] == ["–", "–", "–", "–", "0"]
    assert lines[4:] == [
        "ms_ssim: 2 images too small for it, without a value",
        "fmi: 1 image too small for it, without a value",
    ]


def test_a_summary_names_what_is_no_number_and_does_not_average_it_away(tmp_path):
    lines = summary_of(tmp_path, qabf=[0.5, math.nan, 0.6], psnr=[20.0, 21.0, math.inf], en=[1.0])
    assert [line.split()[3] for line in lines[:2]] == ["NaN", "[dB]"]
    assert "inf" in lines[1].split()
    assert lines[3:] == [
        "qabf: the mean is NaN because the value is NaN for 001",
        "psnr: the mean is infinite because the value is infinite for 002",
    ]


@pytest.fixture
def runs(tmp_path):
    values = [0.5, 0.52, 0.48, 0.51, 0.49, 0.53, 0.47, 0.5]
    first = run_of(tmp_path / "toy/first", vif=values, delta_e76=[4.0] * 8, ms_ssim=[""] * 8)
    better = [value + 0.1 + i / 1000 for i, value in enumerate(values)]
    second = run_of(tmp_path / "toy/second", vif=better, delta_e76=[5.0 + i / 10 for i in range(8)], ms_ssim=[""] * 8)
    third = run_of(tmp_path / "toy/third", vif=values, delta_e76=[4.5] * 8, own=[1.0] * 8)
    return first, second, third


def compared(runs, **options):
    return compare_runs(runs, **options).splitlines()


def cells(lines, title):
    """The rows below a metric's title, as words."""
    rows = lines[next(i for i, line in enumerate(lines) if line.startswith(title)) + 1 :]
    return [line.split() for line in itertools.takewhile(lambda line: line.startswith("  "), rows)]


def test_metric_by_metric_means_best_and_difference_to_the_first(runs):
    lines = compared(runs)
    first, second, third = cells(lines, "VIF ↑")
    assert first == ["first", "0.5000", "second"]
    assert second[:4] == ["second", "0.6035", "best", "+0.1035"]
    assert second[-3:] == ["0.008", "8", "better"]
    assert third[:3] == ["third", "0.5000", "second"]
    assert third[-2:] == ["no", "evidence"]
    assert cells(lines, "ΔE76 ↓ [CIELAB]")[1][-1] == "worse"
    assert cells(lines, "ΔE76 ↓ [CIELAB]")[0] == ["first", "4.0000", "best"]
    assert "p is not corrected" in lines[-1]


def test_a_metric_that_only_some_have_is_shown_and_one_without_values_is_not(runs):
    lines = compared(runs)
    assert [row[1] for row in cells(lines, "own")] == ["–", "–", "1.0000"]
    assert not any("MS-SSIM" in line for line in lines)


def test_means_are_of_the_images_that_all_runs_have_and_the_others_are_told(tmp_path):
    whole = run_of(tmp_path / "toy/whole", vif=[0.5, 0.6, 0.7, 0.8], en=[1.0, 2.0, 3.0, 4.0])
    half = run_of(tmp_path / "toy/half", vif=[0.9, 0.9], en=[1.0, 2.0, 3.0, 5.0])
    lines = compared([whole, half])
    assert cells(lines, "VIF ↑")[0] == ["whole", "0.5500"]
    assert cells(lines, "VIF ↑")[1][:4] == ["half", "0.9000", "best", "+0.3500"]
    assert "best" in cells(lines, "EN ↑ [bit]")[1]
    assert "vif: values only in whole, not compared: 002, 003" in lines


def test_a_mean_that_is_no_number_is_neither_best_nor_second(tmp_path):
    names = ("a", "b", "c")
    folders = [run_of(tmp_path / f"toy/{name}", vif=[place / 10, 0.5]) for place, name in enumerate(names)]
    undefined = run_of(tmp_path / "toy/d", vif=["nan", 0.5])
    lines = compared([*folders, undefined])
    marks = [[word for word in row if word in ("best", "second")] for row in cells(lines, "VIF ↑")]
    assert marks == [[], ["second"], ["best"], []]
    assert cells(lines, "VIF ↑")[3][1] == "NaN"
    assert "vif: undefined, for d has no finite value of 000" in lines
    assert cells(lines, "VIF ↑")[3][2:] == ["NaN", "–", "–", "2", "undefined"]


def test_a_run_without_the_metric_does_not_keep_the_others_from_being_ranked(tmp_path):
    first = run_of(tmp_path / "toy/first", en=[1.0, 2.0])
    others = [run_of(tmp_path / f"toy/{name}", en=[1.0, 2.0], vif=[value] * 2) for name, value in (("a", 1), ("b", 2))]
    assert cells(compared([first, *others]), "VIF ↑")[2][:3] == ["b", "2.0000", "best"]


@pytest.mark.parametrize("width", [70, 80, 100, 200])
def test_the_table_fits_the_terminal_and_says_the_same(runs, width):
    long = [run.rename(run.with_name(f"{run.name}_with_a_long_name")) for run in runs]
    for run, miou in zip(long, (0.5, 0.4), strict=False):
        write_judged(run / "segmentation/iou.csv", "iou", miou)
    lines = compared(long, width=width)
    assert max(map(len, lines[1:-3])) <= width
    words = " ".join(lines).replace("─", "").replace("metric, run", "").split()
    assert sorted(words) == sorted(" ".join(compared(long)).replace("─", "").replace("metric, run", "").split())


def test_a_narrow_terminal_has_names_above_their_numbers(runs):
    lines = compared(runs, width=70)
    start = lines.index("VIF ↑")
    assert lines[start + 1 : start + 4 : 2] == ["  first", "  second"]
    assert lines[start + 2].split() == ["0.5000", "second"]
    assert lines[start + 4].split()[:2] == ["0.6035", "best"]
    assert lines[start + 4].endswith("better")


def test_scores_of_one_number_have_a_difference_and_no_interval(runs):
    first, second, _ = runs
    write_judged(first / "segmentation/iou.csv", "iou", 0.5)
    write_judged(second / "segmentation/iou.csv", "iou", 0.625)
    write_judged(second / "detection/ap.csv", "ap50", 0.25)
    lines = compared(runs)
    assert cells(lines, "mIoU ↑ [%]") == [
        ["first", "50.00"],
        ["second", "62.50", "best", "+12.50"],
        ["third", "–", "–"],
    ]
    assert cells(lines, "mAP@0.5 ↑ [%]")[1] == ["second", "25.00", "–"]


def test_the_probes_scores_are_compared_image_by_image(runs):
    losses = [1.0, 1.1, 0.9, 1.05, 0.95, 1.2, 1.3, 1.0]
    write_probe(runs[0], losses, [0.5] * 8)
    write_probe(runs[1], [loss - 0.1 - place / 1000 for place, loss in enumerate(losses)], [0.5] * 8)
    lines = compared(runs, width=400)
    _, second, third = cells(lines, "log-loss ↓")
    assert second[1:4] == ["0.9590", "best", "−0.1035"]
    assert second[-2:] == ["8", "better"]
    assert third[1] == "–"  # was not probed
    assert cells(lines, "AP (cells) person ↑ [%]")[1][1] == "50.0000"
    assert cells(lines, "mean AP (cells) ↑ [%]")[1][-2:] == ["no", "evidence"]
    assert not any("IoU" in line for line in lines)


def test_probes_of_other_labels_are_not_compared(runs):
    write_probe(runs[0], [1.0], [0.5], labels="masks")
    write_probe(runs[1], [0.9], [0.5])
    lines = compared(runs)
    assert "probe: not compared, the classes are from boxes and from masks" in lines
    assert not any("log-loss" in line for line in lines)


def test_runs_of_one_name_are_told_apart(runs, tmp_path):
    other = run_of(tmp_path / "other/toy/first", vif=[0.4] * 8)
    lines = compared([runs[0], other])
    assert "results" not in lines[0]
    assert [row[0] for row in cells(lines, "VIF ↑")] == [f"{tmp_path.name}/toy/first", "other/toy/first"]


def test_what_cannot_be_compared_is_told(runs, tmp_path):
    with pytest.raises(UserError, match="nothing to compare"):
        compared(runs[:1])
    with pytest.raises(UserError, match="given twice"):
        compared([runs[0], runs[0]])
    with pytest.raises(UserError, match="gone is not a run that was scored"):
        compared([runs[0], tmp_path / "gone"])
    write_judged(runs[1] / "segmentation/iou.csv", "iou", "much")
    with pytest.raises(UserError, match=r"iou\.csv holds a value that is not a number"):
        compare_runs(runs)
    other = run_of(tmp_path / "scenes/first", dataset="scenes", vif=[0.5] * 8)
    with pytest.raises(UserError, match="not of the same dataset") as caught:
        compared([runs[0], other])
    assert "toy/first: toy, scenes/first: scenes" in str(caught.value)
    assert cells(compared([runs[0], other], any_dataset=True), "VIF ↑")


def test_of_two_files_a_metric_we_do_not_know_is_higher_or_lower_and_a_small_p_not_spelled_out(tmp_path):
    base = [i / 10 for i in range(12)]
    files = [write_scores(tmp_path / f"{up}", {"own": [each * 1.01 + up for each in base]}) for up in (0, 1)]
    assert cells(compared(files), "own")[1][-3:] == ["<0.001", "12", "higher"]
    assert cells(compared(files[::-1]), "own")[1][-1] == "lower"


def test_what_only_one_run_has_is_named(tmp_path):
    first = run_of(tmp_path / "toy/first", en=["1.0", "2.0", "", "1.0"], mi=[1, 2, 3, 4])
    second = run_of(tmp_path / "toy/second", en=["", "2.0", "1.0"], qabf=[1, 2, 3])
    lines = compared([first, second])
    assert [line for line in lines if "only in" in line] == [
        "metrics only in second, not compared: qabf",
        "en: values only in second, not compared: 002",
        "metrics only in first, not compared: mi",
        "images only in first, not compared: 003",
        "en: values only in first, not compared: 000",
    ]


@pytest.mark.parametrize(
    ("others", "says"),
    [
        ({"vif": [1.0]}, r"(?s)no score of the same image and metric.*the same metrics.*vif; and en, mi.*remedy"),
        ({"en": ["", 1.0]}, r"(?s)no score of the same image and metric.*the same images.*001; and 000\n.*remedy"),
    ],
)
def test_nothing_in_common_is_told(tmp_path, others, says):
    folders = [run_of(tmp_path / "toy/one", en=[1.0], mi=[1.0]), run_of(tmp_path / "toy/two", **others)]
    with pytest.raises(UserError, match=says):
        compare_runs(folders)


def test_a_path_that_is_no_utf8_can_be_shown(tmp_path):
    first = run_of(tmp_path / "run", en=[1.0])
    try:
        odd = run_of(tmp_path / "odd", en=[1.0]).rename(tmp_path / "caf\udce9")
    except OSError:
        pytest.skip("this file system takes no such names")
    assert compare_runs([first, odd]).encode("utf-8")
