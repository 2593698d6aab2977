import math

import numpy as np
import pytest

from ssvif.io.errors import UserError
from ssvif.io.files import write_csv
from ssvif.metrics.collection import METRICS
from ssvif.report.scores import (
    check_comparable,
    compare_scores,
    comparison_report,
    read_scores,
    summarize_scores,
    summary_table,
)


def write_scores(path, scores):
    """Write metric → pair_id → value as `ssvif score` does."""
    rows = [
        {"dataset": "d", "run": path.stem, "pair_id": pair_id, "metric": metric, "value": value}
        for metric, values in scores.items()
        for pair_id, value in values.items()
    ]
    write_csv(path, rows, ("dataset", "run", "pair_id", "metric", "value"))
    return path


def numbered(values):
    return {f"{i:03d}": value for i, value in enumerate(values)}


def test_a_summary_counts_what_has_a_value(tmp_path):
    path = write_scores(tmp_path / "run.csv", {"en": numbered([6.0, 7.0, 6.5]), "ms_ssim": numbered([None, 1.2, None])})
    found = summarize_scores(path)
    assert list(found) == ["en", "ms_ssim"]
    assert (found["en"].summary.mean, found["en"].summary.median, found["en"].empty) == (6.5, 6.5, 0)
    assert (found["ms_ssim"].summary.count, found["ms_ssim"].summary.mean, found["ms_ssim"].empty) == (1, 1.2, 2)
    lines = summary_table(found, METRICS)
    assert lines[0].split() == ["metric", "mean", "median", "sd", "95", "%", "interval", "n"]
    assert lines[1].split()[:7] == ["en", "EN", "↑", "[bit]", "6.5000", "6.5000", "0.5000"]
    assert lines[2].split()[-5:] == ["1.2000", "1.2000", "–", "–", "1"]
    assert lines[3:] == ["ms_ssim: 2 images are too small for it and do not count"]


def test_what_is_no_number_is_named_and_not_averaged_away(tmp_path):
    scores = {"qabf": numbered([0.5, math.nan, 0.6]), "psnr": numbered([20.0, 21.0, math.inf]), "en": numbered([1.0])}
    found = summarize_scores(write_scores(tmp_path / "run.csv", scores))
    assert math.isnan(found["qabf"].summary.mean)
    assert math.isinf(found["psnr"].summary.mean)
    assert (found["qabf"].undefined, found["psnr"].infinite) == (["001"], ["002"])
    lines = summary_table(found, METRICS)
    assert lines[-2:] == [
        "qabf: not a number, so its mean is not either: 001",
        "psnr: infinite, and so is its mean: 002",
    ]


def test_no_image_has_a_value(tmp_path):
    found = summarize_scores(write_scores(tmp_path / "run.csv", {"ms_ssim": numbered([None])}))
    assert found["ms_ssim"].summary is None
    assert summary_table(found, METRICS)[1].split()[-5:] == ["–", "–", "–", "–", "0"]


def test_a_metric_we_do_not_know_is_summarized_all_the_same(tmp_path):
    found = summarize_scores(write_scores(tmp_path / "run.csv", {"sharpness": numbered([1.0, 3.0])}))
    assert summary_table(found, METRICS)[1].split()[:2] == ["sharpness", "2.0000"]


def test_the_three_columns_are_enough(tmp_path):
    (tmp_path / "run.csv").write_text("pair_id,metric,value\none,en,6.5\n")
    assert read_scores(tmp_path / "run.csv") == {"en": {"one": 6.5}}


HEADER = "dataset,run,pair_id,metric,value\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEADER, "holds no scores"),
        ("", "holds no scores"),
        ("pair_id,value\none,6\n", r"(?s)not a file of scores.*pair_id, metric, value.*pair_id, value"),
        (HEADER + "d,r,one,en\n", "not a file of scores"),
        (HEADER + "d,r,one,en,six\n", "en of one is 'six'"),
        (HEADER + "d,r,one,en,6\nd,s,one,en,7\n", "(?s)en of one stands there twice.*one run"),
    ],
)
def test_a_file_that_holds_no_scores_of_one_run_is_told(tmp_path, text, says):
    (tmp_path / "run.csv").write_text(text)
    for function in (read_scores, summarize_scores, lambda path: compare_scores(path, path)):
        with pytest.raises(UserError, match=says) as caught:
            function(tmp_path / "run.csv")
        assert "run.csv" in str(caught.value)
    with pytest.raises(UserError, match=r"gone\.csv does not exist"):
        read_scores(tmp_path / "gone.csv")


@pytest.fixture
def two_runs(tmp_path):
    """One is better in en by 0.2 for every image but for noise, worse in delta_e76, equal in mi, unclear in vif."""
    random = np.random.default_rng(3)
    base, noise = random.normal(6, 1, 40), random.normal(0, 0.1, 40)
    other = {name: numbered(base.tolist()) for name in ("en", "delta_e76", "mi", "vif", "nabf")}
    this = {
        "en": numbered((base + 0.2 + noise).tolist()),
        "delta_e76": numbered((base + 0.2 + noise).tolist()),
        "mi": other["mi"],
        "vif": numbered((base + noise - noise.mean()).tolist()),
        "qabf": numbered(base.tolist()),
    }
    return write_scores(tmp_path / "this.csv", this), write_scores(tmp_path / "other.csv", other)


def test_paired_differences_find_what_the_spread_of_images_hides(two_runs):
    found = compare_scores(*two_runs)
    assert list(found) == ["en", "delta_e76", "mi", "vif"]
    entropy = found["en"]
    assert entropy.left - entropy.right == pytest.approx(entropy.difference.mean, abs=1e-9)
    assert 0.1 < entropy.difference.low < 0.2 < entropy.difference.high < 0.3
    assert entropy.p_value < 1e-6
    assert (found["mi"].p_value, found["mi"].difference.low, found["mi"].difference.high) == (1.0, 0.0, 0.0)
    assert [each.evidence() for each in found.values()] == [1, 1, 0, 0]
    turned = compare_scores(*two_runs[::-1])
    assert [turned[name].evidence() for name in found] == [-1, -1, 0, 0]
    assert turned["en"].p_value == pytest.approx(entropy.p_value)


def test_a_comparison_says_better_or_worse_only_with_evidence(two_runs):
    lines = comparison_report(*two_runs, METRICS)
    verdicts = {line.split()[0]: line for line in lines[2:6]}
    assert verdicts["en"].endswith("40  better")
    assert verdicts["delta_e76"].endswith("40  worse")
    assert verdicts["mi"].endswith("40  no evidence")
    assert verdicts["vif"].endswith("40  no evidence")
    assert [line for line in lines if "only in" in line] == [
        f"metrics only in this ({two_runs[0]}), not compared: qabf",
        f"metrics only in other ({two_runs[1]}), not compared: nabf",
    ]
    assert [line.split()[-1] for line in comparison_report(*two_runs, {})[2:4]] == ["higher", "higher"]


def test_only_images_of_both_are_compared_and_the_others_named(tmp_path):
    left = write_scores(tmp_path / "left.csv", {"en": {"one": 1.0, "two": 2.0, "four": None}})
    right = write_scores(tmp_path / "right.csv", {"en": {"two": 5.0, "three": 9.0, "four": 1.0}})
    found = compare_scores(left, right)["en"]
    assert (found.left, found.right, found.difference.count, found.difference.mean) == (2.0, 5.0, 1, -3.0)
    assert found.evidence() == 0  # one image proves nothing
    lines = comparison_report(left, right, METRICS)
    assert [line for line in lines if "only in" in line] == [
        f"images only in this ({left}), not compared: one",
        f"images only in other ({right}), not compared: three",
        f"en: values only in other ({right}), not compared: four",
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_comparison_with_what_is_no_number_is_undefined(tmp_path, value):
    left = write_scores(tmp_path / "left.csv", {"psnr": numbered([1.0, value, 3.0])})
    right = write_scores(tmp_path / "right.csv", {"psnr": numbered([0.0, value, 0.0])})
    found = compare_scores(left, right)["psnr"]
    assert math.isnan(found.p_value)
    assert math.isnan(found.difference.mean)
    assert found.evidence() == 0
    lines = comparison_report(left, right, METRICS)
    assert lines[2].endswith("undefined")
    assert lines[3:5] == [
        f"psnr: undefined, for this ({left}) has no finite value of 001",
        f"psnr: undefined, for other ({right}) has no finite value of 001",
    ]


def test_what_is_no_number_in_the_other_run_is_named_in_the_comparison(tmp_path):
    left = write_scores(tmp_path / "left.csv", {"en": numbered([1.0, 2.0]), "qabf": numbered([0.5, 0.6])})
    other = {"en": numbered([1.0, 2.0]), "qabf": numbered([0.5, math.nan]) | {"999": math.nan}}
    right = write_scores(tmp_path / "right.csv", other)
    found = compare_scores(left, right)
    assert [(each.left_undefined, each.right_undefined) for each in found.values()] == [([], []), ([], ["001"])]
    lines = comparison_report(left, right, METRICS)
    assert [line for line in lines if "finite" in line] == [
        f"qabf: undefined, for other ({right}) has no finite value of 001"
    ]
    assert f"images only in other ({right}), not compared: 999" in lines


def test_nothing_in_common_is_told(tmp_path):
    left = write_scores(tmp_path / "left.csv", {"en": {"one": 1.0}})
    for other in ({"mi": {"one": 1.0}}, {"en": {"two": 1.0}}, {"en": {"one": None}}):
        right = write_scores(tmp_path / "right.csv", other)
        with pytest.raises(UserError, match=r"(?s)no score of the same image and metric.*remedy"):
            compare_scores(left, right)


def test_two_runs_without_a_common_metric_are_told_by_their_metrics(tmp_path):
    left = write_scores(tmp_path / "left.csv", {"en": {"one": 1.0}, "mi": {"one": 1.0}})
    right = write_scores(tmp_path / "right.csv", {"vif": {"one": 1.0}})
    with pytest.raises(UserError, match=r"(?s)the same metrics.*en, mi; and vif"):
        compare_scores(left, right)


@pytest.mark.parametrize(
    ("metrics", "images", "says"),
    [
        (["mi", "vif"], ["one"], r"(?s)none of the metrics.*at least one of mi, vif.*got: +en, ms_ssim\n.*--metrics"),
        (["en", "mi"], ["three", "four"], r"(?s)none of the images.*three, four.*got: +one, two\n"),
        (["ms_ssim"], ["one"], r"(?s)none of the images.*no value of these metrics"),
    ],
)
def test_what_could_not_be_compared_is_told_before_it_is_measured(tmp_path, metrics, images, says):
    scores = {"en": {"one": 1.0, "two": math.nan}, "ms_ssim": {"one": None, "two": None}}
    path = write_scores(tmp_path / "other.csv", scores)
    with pytest.raises(UserError, match=says) as caught:
        check_comparable(path, metrics, images)
    assert "other.csv" in str(caught.value)
    check_comparable(path, ["vif", "en"], ["three", "two"])  # one of each is enough


def test_a_path_that_is_no_utf8_can_be_shown(tmp_path):
    try:
        odd = write_scores(tmp_path / "run.csv", {"en": {"one": 1.0}}).rename(tmp_path / "caf\udce9.csv")
    except OSError:
        pytest.skip("this file system takes no such names")
    assert "\n".join(comparison_report(odd, odd, METRICS)).encode("utf-8")


def test_a_run_of_the_full_test_set_is_summarized_in_seconds(tmp_path):
    random = np.random.default_rng(0)
    path = write_scores(tmp_path / "run.csv", {name: numbered(random.gamma(2, 1, 361).tolist()) for name in METRICS})
    found = summarize_scores(path)
    assert all(each.summary.low < each.summary.mean < each.summary.high for each in found.values())
    assert summarize_scores(path) == found  # the resamples are seeded
