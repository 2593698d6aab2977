import math

import numpy as np
import pytest

from ssvif.io.errors import UserError
from ssvif.io.files import write_csv
from ssvif.metrics.collection import METRICS
from ssvif.report.compare import compare_runs, summary_table
from ssvif.report.scores import check_comparable, compare_scores, read_scores, summarize


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
        (HEADER + "d,r,one,en,6\nd,s,one,en,7\n", "(?s)en of one occurs twice.*one run"),
    ],
)
def test_a_file_that_holds_no_scores_of_one_run_is_told(tmp_path, text, says):
    (tmp_path / "run.csv").write_text(text)
    other = write_scores(tmp_path / "other.csv", {"en": {"one": 1.0}})
    for call in (read_scores, lambda path: summary_table(path, {}), lambda path: compare_runs([other, path], {})):
        with pytest.raises(UserError, match=says) as caught:
            call(tmp_path / "run.csv")
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


def compared(this, other):
    return compare_scores(read_scores(this), read_scores(other))


def test_paired_differences_find_what_the_spread_of_images_hides(two_runs):
    found = compared(*two_runs)
    assert list(found) == ["en", "delta_e76", "mi", "vif"]
    entropy = found["en"]
    means = [summarize(read_scores(path)["en"]).mean for path in two_runs]
    assert means[0] - means[1] == pytest.approx(entropy.difference.mean, abs=1e-9)
    assert 0.1 < entropy.difference.low < 0.2 < entropy.difference.high < 0.3
    assert entropy.p_value < 1e-6
    assert (found["mi"].p_value, found["mi"].difference.low, found["mi"].difference.high) == (1.0, 0.0, 0.0)
    assert [each.evidence() for each in found.values()] == [1, 1, 0, 0]
    turned = compared(*two_runs[::-1])
    assert [turned[name].evidence() for name in found] == [-1, -1, 0, 0]
    assert turned["en"].p_value == pytest.approx(entropy.p_value)


def test_only_images_of_both_are_compared(tmp_path):
    this = write_scores(tmp_path / "this.csv", {"en": {"one": 1.0, "two": 2.0, "four": None}})
    other = write_scores(tmp_path / "other.csv", {"en": {"two": 5.0, "three": 9.0, "four": 1.0}})
    found = compared(this, other)["en"]
    assert (found.difference.count, found.difference.mean) == (1, -3.0)
    assert found.evidence() == 0  # one image proves nothing


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_comparison_with_what_is_no_number_is_undefined(value):
    found = compare_scores({"psnr": numbered([1.0, value, 3.0])}, {"psnr": numbered([0.0, value, 0.0])})["psnr"]
    assert math.isnan(found.p_value)
    assert math.isnan(found.difference.mean)
    assert found.evidence() == 0
    assert found.undefined == (["001"], ["001"])


def test_an_undefined_value_counts_where_both_runs_have_the_image():
    other = {"en": numbered([1.0, 2.0]), "qabf": numbered([0.5, math.nan]) | {"999": math.nan}}
    found = compare_scores({"en": numbered([1.0, 2.0]), "qabf": numbered([0.5, 0.6])}, other)
    assert [each.undefined for each in found.values()] == [([], []), ([], ["001"])]


@pytest.mark.parametrize("other", [{"mi": {"one": 1.0}}, {"en": {"two": 1.0}}, {"en": {"one": None}}])
def test_nothing_in_common_gives_no_comparison(other):
    assert compare_scores({"en": {"one": 1.0}}, other) == {}


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


def test_a_run_of_the_full_test_set_is_summarized_in_seconds():
    random = np.random.default_rng(0)
    scores = {name: numbered(random.gamma(2, 1, 361).tolist()) for name in METRICS}
    found = [summarize(values) for values in scores.values()]
    assert all(each.low < each.mean < each.high for each in found)
    assert [summarize(values) for values in scores.values()] == found  # the resamples are seeded
