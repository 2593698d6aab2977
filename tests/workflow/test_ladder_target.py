"""`snakemake ladder`: where a configuration declares one, and where none does."""

from workflow_tools import jobs, run_snakemake

TABLE = """run	kind	fusion_model	framework	seeds	role
average	baseline	average			input
maximum	baseline	maximum
fusion_only	trained	seafusion	fusion_only	0 1	reference
paper	trained	seafusion	ssvif	0 1	arm
"""


def test_a_configuration_without_a_ladder_names_the_one_that_has_it(project):
    done = run_snakemake(project, "--cores", "1", "ladder", check=False)
    told = done.stdout + done.stderr
    assert done.returncode
    assert "The configuration has no section `ladder`" in told
    assert "--configfile config/ladder.yaml" in told
    assert "Traceback" not in told


def test_the_ladder_needs_the_scores_of_runs_with_a_role(project):
    (project / "arms.tsv").write_text(TABLE, encoding="utf-8")
    text = (project / "config/config.yaml").read_text("utf-8")
    ladder = text.replace("config/experiments/demo.tsv", "arms.tsv") + "\nladder: {primary: segmentation.miou}\n"
    (project / "mine.yaml").write_text(ladder, encoding="utf-8")
    done = run_snakemake(project, "-n", "-p", "ladder", "--configfile", "mine.yaml", "--config", "detection=false")
    counted = jobs(done)
    assert (counted["ladder"], counted["ladder_results"], counted["train"]) == (1, 1, 4)
    assert counted["score"] == counted["segment"] == 5, "not the maximum, which has no role"
    assert "report" not in counted
    assert '"role": "reference"' in done.stdout + done.stderr
