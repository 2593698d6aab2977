"""The rule that draws the figures, as a dry run shows it."""

import pytest
from workflow_tools import jobs, run_snakemake

from ssvif.config.settings import load_settings
from ssvif.io.errors import UserError


def test_figures_are_a_target_that_knows_the_networks_and_the_pairs(project):
    path = project / "config/config.yaml"
    path.write_text(path.read_text().replace("{title: tiny,", "{title: tiny, figure_pairs: [scenes/50001U],"))
    done = run_snakemake(project, "-n", "-p", "results/figures")
    text = done.stdout + done.stderr
    assert jobs(done)["figures"] == 1
    assert "--metric vif" in text
    assert "--pair=scenes/50001U --network=scenes/seafusion_fusion_only=seafusion/3" in text
    assert "--network=scenes/average" not in text
    assert "--source=scenes=results/scenes/data/scenes" in text


def test_figures_show_a_number_of_pairs_unless_told_which(project):
    done = run_snakemake(project, "-n", "-p", "results/figures", "--config", "report={figure_pairs: 5}")
    assert "--pairs=5" in done.stdout + done.stderr


@pytest.mark.parametrize("pairs", [-1, "many", ["50001U"], ["scenes/a/b"]])
def test_pairs_are_a_number_or_names_with_their_dataset(pairs):
    values = {"datasets": ["scenes"], "experiments": "demo.tsv", "report": {"figure_pairs": pairs}}
    with pytest.raises(UserError, match=r"report\.figure_pairs"):
        load_settings(values)
