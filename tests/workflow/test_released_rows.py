"""Released weights and released images of one method are two rows with equal scores. Slow: it fuses real pairs."""

from statistics import fmean

import pytest
from workflow_tools import run_snakemake

from ssvif.io.files import read_csv
from ssvif.metrics.collection import STANDARD_SET

RUNS = ("seafusion_released", "seafusion_images")


def values_of(path):
    """Each metric's values in the order of the pairs, which are those of every run."""
    rows = read_csv(path)
    return {metric: [float(row["value"]) for row in rows if row["metric"] == metric] for metric in STANDARD_SET}


@pytest.mark.slow
def test_both_rows_of_the_sample_have_the_same_scores(project, shared):
    """To the two digits that the paper prints, and beyond: single levels of one pixel in ten thousand differ."""
    files = [f"results/msrs_sample/msrs/{run}/fusion_metrics.csv" for run in RUNS]
    settings = [f"data_root={shared / 'data'}", "split={limit: {train: 2, validation: 1}}", "device=cpu"]
    run_snakemake(project, "--cores", "2", *files, "--configfile", "config/msrs_sample.yaml", "--config", *settings)
    made, given = (values_of(project / file) for file in files)
    assert {len(values) for values in made.values()} == {21}
    for metric in STANDARD_SET:
        assert f"{fmean(made[metric]):.2f}" == f"{fmean(given[metric]):.2f}", metric
        assert fmean(made[metric]) == pytest.approx(fmean(given[metric]), abs=5e-5), metric
