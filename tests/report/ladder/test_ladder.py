"""What a ladder concludes from made results, and what its document says."""

import math
import tarfile
from pathlib import Path

import pytest

from report.ladder.made_ladder import OUTCOMES, declare, write_ladder
from ssvif.cli import app as cli
from ssvif.io.errors import UserError
from ssvif.io.files import read_csv
from ssvif.report.ladder.declaration import read_declaration
from ssvif.report.ladder.document import write_document
from ssvif.report.ladder.effects import compare, find
from ssvif.report.ladder.make import make_ladder
from ssvif.report.ladder.measured import read_measured

DOCS = Path(__file__).parents[3] / "docs"
ANSWERS = {
    "helps": "**Yes: label-free consistency helps, in the arm remedy.**",
    "controls": "**Not shown: the gain is not told apart from that of a task without meaning.** Remedy is above",
    "harms": "**No arm is shown to help, and paper does harm.** It is below fusion only",
    "none": "**No effect of interest.**",
    "open": "**Not shown.** None of the 2 label-free arms is above fusion only with evidence",
    "blind": "**This experiment cannot tell, and the ladder stops here.** The positive control, supervised,",
    "unchecked": "**Not decided: there is no positive control.**",
    "missing": "**Not decided: there is nothing to compare yet.**",
}


def text_of(results, declaration) -> str:
    measured = read_measured(results, declaration)
    return write_document(measured, find(measured), charts=False, pictures=())


def answer_of(text: str) -> str:
    return text.split("\n\n")[1]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_first_paragraph_says_what_came_out(tmp_path, outcome):
    results = write_ladder(tmp_path, OUTCOMES[outcome])
    measured = read_measured(results, declare())
    found = find(measured)
    assert found.outcome == outcome
    text = write_document(measured, found, charts=False, pictures=())
    assert answer_of(text).startswith(ANSWERS[outcome])
    assert "nan" not in text.lower()
    assert "inf" not in answer_of(text).lower().replace("infrared", "")
    sees = outcome in ("helps", "controls", "harms", "none", "open")
    assert ("the judge can see what labels teach" in text) is sees
    assert ("verdicts mean nothing" in text) is not sees


def test_an_effect_that_is_shown_has_its_size_its_interval_and_its_controls(tmp_path):
    results = write_ladder(tmp_path, OUTCOMES["helps"])
    answer = answer_of(text_of(results, declare()))
    assert "above fusion only, +2.01 points (95 % interval 1.71 to 2.31) over 3 training seeds" in answer
    assert (
        "+1.79 points (1.34 to 2.24) from random clusters; +1.99 points (1.54 to 2.44) from random gradient" in answer
    )
    assert "p = 0.007 after Holm's correction over the 2 label-free arms" in answer
    assert answer.endswith("The other arms: paper +0.11 points (−0.14 to 0.36), no effect of interest.")


def test_how_small_an_effect_is_excluded(tmp_path):
    results = write_ladder(tmp_path, OUTCOMES["open"])
    measured = read_measured(results, declare())
    found = find(measured)
    assert found.excluded == pytest.approx(max(each.reference.high for each in found.judged))
    answer = answer_of(write_document(measured, found, charts=False, pictures=()))
    assert f"excludes a gain above {found.excluded:.2f} points; smaller ones are not excluded" in answer


def test_one_seed_gives_differences_without_intervals(tmp_path):
    results = write_ladder(tmp_path, OUTCOMES["helps"], seeds=1)
    path = make_ladder(results, declare(seeds=1), tmp_path / "ladder")
    answer = answer_of(path.read_text("utf-8"))
    assert answer.startswith("**Not decided: one training seed is no evidence.**")
    assert "remedy, +2.00 points." in answer
    assert "interval excludes" not in answer
    rows = [row for row in read_csv(path.with_name("effects.csv")) if row["over"] == "seeds"]
    assert {(row["count"], row["low"], row["high"], row["p"]) for row in rows} == {("1", "", "", "")}


def test_what_was_declared_and_is_not_there_is_named(tmp_path):
    results = write_ladder(tmp_path, {name: gain for name, gain in OUTCOMES["helps"].items() if name != "paper"})
    (results / "toy/remedy_seed2/probe/scores.csv").unlink()
    text = text_of(results, declare())
    assert "**Preliminary.** Declared but not there: Paper; Remedy (seed 2)." in text
    assert "2 to 3 training seeds an arm" in text


def test_without_a_negative_control_nothing_is_said_to_help(tmp_path):
    results = write_ladder(tmp_path, {"paper": 0.1, "remedy": 2.0, "supervised": 4.0})
    answer = answer_of(text_of(results, declare()))
    assert answer.startswith("**Not shown")
    assert "but is not compared with every negative control: Random clusters and Random gradient are missing" in answer


@pytest.mark.parametrize("lost", ["random_clusters", "random_gradient"])
def test_an_arm_must_beat_each_declared_control_and_not_just_those_there(tmp_path, lost):
    results = write_ladder(tmp_path, {name: gain for name, gain in OUTCOMES["helps"].items() if name != lost})
    found = find(read_measured(results, declare()))
    assert found.outcome == "controls"
    assert all(math.isnan(judged.p_value) and len(judged.controls) == 1 for judged in found.judged)
    text = text_of(results, declare())
    title = lost.replace("_", " ").capitalize()
    assert f"not compared with every negative control: {title} is missing" in answer_of(text)


def test_one_seed_of_a_control_is_no_comparison(tmp_path):
    results = write_ladder(tmp_path, OUTCOMES["helps"])
    for seed in (1, 2):
        (results / f"toy/random_gradient_seed{seed}/probe/scores.csv").unlink()
    assert find(read_measured(results, declare())).outcome == "controls"


def test_missing_arms_do_not_make_the_tests_of_others_easier(tmp_path):
    whole = find(read_measured(write_ladder(tmp_path / "whole", OUTCOMES["helps"]), declare()))
    part = {name: gain for name, gain in OUTCOMES["helps"].items() if name != "paper"}
    (judged,) = find(read_measured(write_ladder(tmp_path / "part", part), declare())).judged
    assert judged.p_value == whole.judged[1].p_value
    assert judged.reference.p_holm == whole.judged[1].reference.p_holm


def test_differences_are_paired_by_seed(tmp_path):
    """Seeds differ from each other by 0.3 points in every arm, which no paired interval feels."""
    measured = read_measured(write_ladder(tmp_path, OUTCOMES["helps"]), declare())
    arms = {arm.declared.name: arm for arm in measured.arms}
    effect = compare(arms["remedy"], arms["fusion_only"], measured.primary, 0.05)
    differences = [2.0, 2.0 + 0.11 * 6 / 5, 2.0 - 0.09 * 6 / 5]
    mean = sum(differences) / 3
    deviation = math.sqrt(sum((each - mean) ** 2 for each in differences) / 2)
    assert effect.mean == pytest.approx(mean)
    assert effect.high - effect.mean == pytest.approx(4.302653 * deviation / math.sqrt(3), rel=1e-5)
    assert compare(arms["remedy"], arms["visible"], measured.primary, 0.05) is None, "they share no seed"


def test_the_p_of_an_arm_is_the_largest_of_its_comparisons_adjusted_over_the_arms(tmp_path):
    found = find(read_measured(write_ladder(tmp_path, OUTCOMES["helps"]), declare()))
    paper, remedy = found.judged
    assert remedy.p_value == pytest.approx(2 * max(each.p_value for each in (remedy.reference, *remedy.controls)))
    assert paper.p_value == 1, "it is below one of the controls"
    assert remedy.reference.p_holm == pytest.approx(2 * remedy.reference.p_value)
    assert math.isnan(found.positive.p_holm), "the controls are no part of the family"


def test_a_score_whose_lower_values_are_better_decides_likewise(tmp_path):
    results = write_ladder(tmp_path, OUTCOMES["helps"])
    declaration = declare(primary="probe.log_loss", margin=0.005)
    measured = read_measured(results, declaration)
    found = find(measured)
    assert (found.outcome, found.best.arm.declared.name) == ("helps", "remedy")
    assert found.best.reference.mean < 0 < found.best.reference.gain
    text = write_document(measured, found, charts=False, pictures=())
    assert "above fusion only, −0.033 (95 % interval −0.038 to −0.028)" in answer_of(text)


def test_inputs_are_compared_in_the_declared_order(tmp_path):
    results = write_ladder(tmp_path, OUTCOMES["helps"])
    steps = find(read_measured(results, declare())).steps
    assert [(step.below.title, step.above.title) for step in steps] == [
        ("Visible", "Average"),
        ("Infrared", "Average"),
        ("Average", "Released"),
    ]
    assert [step.gain for step in steps] == pytest.approx([9, 8, 1.5])


def test_the_folder_holds_what_was_declared_and_the_same_bytes_twice(tmp_path):
    results, declaration = write_ladder(tmp_path / "results", OUTCOMES["helps"]), declare()
    folders = [make_ladder(results, declaration, tmp_path / name).parent for name in "ab"]
    one, two = ({path.relative_to(each): path.read_bytes() for path in each.rglob("*.*")} for each in folders)
    assert one == two
    assert {str(path) for path in one} == {
        "declaration.json", "arms.csv", "effects.csv", "effects.pdf", "results.md",
        "images/results/toy/effects.png", "images/results/toy/paper.jpg", "images/results/toy/remedy.jpg",
    }  # fmt: skip
    assert read_declaration((folders[0] / "declaration.json").read_text("utf-8")) == declaration
    text = (folders[0] / "results.md").read_text("utf-8")
    assert declaration.digest in text
    linked = {part.split(")")[0] for part in text.split("](")[1:]}
    assert linked == {str(path) for path in one if path.parts[0] == "images"}
    plain = make_ladder(results, declaration, tmp_path / "plain", pictures=False).parent
    assert [path.name for path in (plain / "images").rglob("*.*")] == ["effects.png"]
    assert ".jpg" not in (plain / "results.md").read_text("utf-8")


def test_a_remark_is_a_limit_of_the_result_and_no_part_of_what_is_declared(tmp_path):
    results, declaration = (
        write_ladder(tmp_path, OUTCOMES["helps"]),
        declare(remarks=["The rate was chosen by seed 0."]),
    )
    assert declaration.digest == declare().digest != declare(margin=0.7).digest
    text = make_ladder(results, declaration, tmp_path / "ladder").read_text("utf-8")
    assert "\n* The rate was chosen by seed 0.\n" in text.partition("## Limits")[2]


def test_what_training_recorded_stands_beside_the_scores(tmp_path):
    results = write_ladder(tmp_path, OUTCOMES["helps"])
    make_ladder(results, declare(), tmp_path / "ladder")
    rows = {(row["arm"], row["metric"], row["class"]): row for row in read_csv(tmp_path / "ladder/arms.csv")}
    assert float(rows["remedy", "live_classes", ""]["mean"]) == 11
    assert float(rows["remedy", "cosine", ""]["mean"]) == pytest.approx(0.3)
    assert float(rows["visible", "delta_e76", ""]["mean"]) == 3.5
    assert ("visible", "live_classes", "") not in rows
    assert rows["remedy", "ap", "person"]["seeds"] == "3"


def test_a_damaged_file_of_gradients_is_told(tmp_path):
    results = write_ladder(tmp_path, OUTCOMES["helps"], seeds=1)
    path = results / "toy/remedy_seed0/gradients.csv"
    path.write_text(path.read_text().replace("\n4,", "\nfour,"))
    with pytest.raises(UserError, match=r"gradients\.csv holds a value that is not a number"):
        read_measured(results, declare(seeds=1))


def test_a_damaged_declaration_is_told():
    with pytest.raises(UserError, match=r"ladder.primary.*probe.mean_ap"):
        read_declaration(declare().to_json().replace("probe.mean_ap", "probe.map"))
    with pytest.raises(UserError, match="not a ladder's declaration"):
        read_declaration("{")


def test_the_page_of_results_is_what_its_scores_give(tmp_path):
    with tarfile.open(DOCS / "data" / "ladder_msrs.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    where = ["--results", str(tmp_path), "--declaration", (tmp_path / "declaration.json").read_text("utf-8")]
    cli.app(["ladder", *where, "--no-pictures", "--output", str(tmp_path / "page")], standalone_mode=False)
    made, kept = ((folder / "results.md").read_text("utf-8") for folder in (tmp_path / "page", DOCS))
    assert made == kept
