import math

import numpy as np
import pytest

from ssvif.io.errors import UserError
from ssvif.report.compare import compare_runs, summary_table
from ssvif.report.scores import Sample, check_comparable, compare_scores, read_scores


def sample(*values):
    return Sample({f"{i:03d}": value for i, value in enumerate(values)})


def test_the_three_columns_are_enough(tmp_path):
    (tmp_path / "run.csv").write_text("pair_id,metric,value\none,en,6.5\ntwo,en,\n")
    assert read_scores(tmp_path / "run.csv") == {"en": Sample({"one": 6.5, "two": None})}


HEADER = "dataset,run,pair_id,metric,value\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEADER, "holds no scores"),
        ("", "holds no scores"),
        ("pair_id,value\none,6\n", "cannot be read, line 2.*pair_id, metric, value.*nothing for metric"),
        (HEADER + "d,r,one,en\n", "cannot be read, line 2.*nothing for value"),
        (HEADER + "d,r,one,en,6,7\n", "cannot be read, line 2.*more cells than columns"),
        (HEADER + "d,r,one,en,six\n", "a value that is not a number.*'six'"),
        (HEADER + "d,r,one,en,6\nd,s,one,en,7\n", "en of one occurs twice.*one run"),
    ],
)
def test_a_file_that_holds_no_scores_of_one_run_is_told(tmp_path, text, says):
    run, other = tmp_path / "run.csv", tmp_path / "other.csv"
    run.write_text(text)
    other.write_text(HEADER + "d,r,one,en,1\n")
    for call, *arguments in ((read_scores, run), (summary_table, run), (compare_runs, [other, run])):
        with pytest.raises(UserError, match=rf"(?s)run\.csv.*{says}"):
            call(*arguments)
    with pytest.raises(UserError, match=r"gone\.csv does not exist"):
        read_scores(tmp_path / "gone.csv")


def test_paired_differences_find_what_the_spread_of_images_hides():
    """One is better in en by 0.2 for every image but for noise, worse in delta_e76, equal in mi, unclear in vif."""
    random = np.random.default_rng(3)
    base, noise = random.normal(6, 1, 40), random.normal(0, 0.1, 40)
    other = dict.fromkeys(("en", "delta_e76", "mi", "vif", "nabf"), sample(*base))
    this = {
        "en": sample(*base + 0.2 + noise),
        "delta_e76": sample(*base + 0.2 + noise),
        "mi": other["mi"],
        "vif": sample(*base + noise - noise.mean()),
        "qabf": sample(*base),
    }
    found = compare_scores(this, other)
    assert list(found) == ["en", "delta_e76", "mi", "vif"]
    entropy = found["en"]
    assert entropy.difference.mean == pytest.approx(0.2 + noise.mean(), abs=1e-9)
    assert 0.1 < entropy.difference.low < 0.2 < entropy.difference.high < 0.3
    assert entropy.p_value < 1e-6
    assert (found["mi"].p_value, found["mi"].difference.low, found["mi"].difference.high) == (1.0, 0.0, 0.0)
    assert [each.evidence() for each in found.values()] == [1, 1, 0, 0]
    turned = compare_scores(other, this)
    assert [turned[name].evidence() for name in found] == [-1, -1, 0, 0]
    assert turned["en"].p_value == pytest.approx(entropy.p_value)


def test_only_images_of_both_are_compared():
    this = {"en": Sample({"one": 1.0, "two": 2.0, "four": None})}
    found = compare_scores(this, {"en": Sample({"two": 5.0, "three": 9.0, "four": 1.0})})["en"]
    assert (found.difference.count, found.difference.mean) == (1, -3.0)
    assert found.evidence() == 0  # one image proves nothing


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_comparison_with_what_is_no_number_is_undefined(value):
    other = Sample(sample(0.0, value, 0.0).values | {"999": value})  # "999" is none of this run's images
    found = compare_scores({"psnr": sample(1.0, value, 3.0), "en": sample(1.0)}, {"psnr": other, "en": sample(value)})
    assert math.isnan(found["psnr"].p_value)
    assert math.isnan(found["psnr"].difference.mean)
    assert found["psnr"].evidence() == 0
    assert [each.undefined for each in found.values()] == [(["001"], ["001"]), ([], ["000"])]


@pytest.mark.parametrize(
    ("metrics", "images", "says"),
    [
        (["mi", "vif"], ["one"], "of the same metrics.*got: +en, ms_ssim; and mi, vif\n.*--metrics"),
        (["en", "mi"], ["three", "four"], "of the same images.*got: +one, two; and four, three\n"),
        (["ms_ssim"], ["one"], "of the same images.*got: +none; and one\n"),
    ],
)
def test_what_could_not_be_compared_is_told_before_it_is_measured(tmp_path, metrics, images, says):
    path = tmp_path / "other.csv"
    path.write_text("pair_id,metric,value\none,en,1\ntwo,en,nan\none,ms_ssim,\ntwo,ms_ssim,\n")
    with pytest.raises(UserError, match=rf"(?s)other\.csv and the images to be measured have no.*{says}"):
        check_comparable(path, metrics, images)
    check_comparable(path, ["vif", "en"], ["three", "two"])  # one of each is enough
