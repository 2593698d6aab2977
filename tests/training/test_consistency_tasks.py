"""The tasks of stage II on the tiny pairs, and what state they keep."""

import math
from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch.utils.data import DataLoader, Subset

from ssvif.data.labelled_view import LabelledView, RandomClusterView
from ssvif.data.training_view import TrainingView
from ssvif.io.files import read_csv
from ssvif.losses.consistency import consistency_loss, make_pseudo_label
from ssvif.models.base import FusionModel
from ssvif.schema import ConsistencyName
from ssvif.training import loop
from ssvif.training.consistency_tasks import CONSISTENCIES, Branches, build_task
from ssvif.training.framework import Framework
from ssvif.training.stages import Stage
from ssvif.training.views import open_views

CPU = torch.device("cpu")
CENTERED = {"centered_logits": True, "logit_temperature": 0.5}
REMEDIES = {
    "crop_px": 40,
    "consistency_window": 0.8,
    "consistency_margin_px": 4,
    "consistency_augment": True,
    **CENTERED,
    "gdwa_form": "balanced",
}
CASES = {
    **{name: {"consistency": name} for name in get_args(ConsistencyName)[2:]},
    "remedies": {"consistency": "mutual_information", **REMEDIES},
    "supervised": {"framework": "supervised", **REMEDIES},
}


def draw_branches(seed=0, favored=0.0, shape=(2, 4, 6, 8)):
    """Both branches' results; `favored` is added to the logits of class 1."""
    random = torch.Generator().manual_seed(seed)
    feature, pixel = torch.randn((2, *shape), generator=random)
    feature[:, 1] += favored
    pixel[:, 1] += favored
    return Branches(feature, pixel, make_pseudo_label(feature, pixel))


@pytest.mark.parametrize("name", CASES)
def test_every_task_takes_steps_that_repeat_and_resume_bit_for_bit(name, pairs, options):
    options = replace(options, stages="one", epochs=2, **CASES[name])
    view, _ = open_views(pairs, options)
    options = replace(options, classes=getattr(view, "num_classes", options.classes))

    def go_on(trainer, epochs):
        for _ in range(epochs):
            view.set_epoch(trainer.epoch)
            batches = list(DataLoader(Subset(view, range(4)), batch_size=2))
            trainer.run_epoch(batches, batches[:1])
        return trainer

    whole, halted, resumed = (loop.Trainer(options, CPU) for _ in range(3))
    go_on(whole, 2)
    resumed.load_state_dict(go_on(halted, 1).state_dict())
    go_on(resumed, 1)
    assert whole.history == resumed.history
    ends = [each.framework.state_dict() for each in (whole, resumed)]
    assert all(torch.equal(value, ends[1][key]) for key, value in ends[0].items())
    assert all(math.isfinite(row["train_loss"]) for row in whole.history)
    assert ("live_classes" in whole.history[-1]) == (name != "random_gradient")


@pytest.mark.parametrize("name", ["soft", "mutual_information"])
def test_the_papers_classes_die_where_the_remedys_live(name, pairs, options):
    """Seen with seeds 0 to 4: after 24 steps 2 or 3 of 15 classes live with the paper's task, 10 to 14 with R1."""
    fast = {"fusion_model": "lite", "weighting": "fixed", "fixed_alpha": 1.0, "schedule": "constant", "ema_decay": 0}
    options = replace(options, stages="one", classes=15, batch_size=3, epochs=12, warmup_steps=0, **fast)
    remedy = {} if name == "soft" else CENTERED
    trainer = loop.Trainer(replace(options, consistency=name, **remedy), CPU)
    view, held_out = open_views(pairs, options)
    for epoch in range(options.epochs):
        view.set_epoch(epoch)
        order = loop.shuffled_batches(len(view), options.batch_size, options.seed, epoch)
        trainer.run_epoch(list(DataLoader(view, batch_sampler=order)), DataLoader(held_out))
    live = trainer.history[-1]["live_classes"]
    assert live <= 5 if name == "soft" else live >= 8


@pytest.mark.parametrize("name", ["random_gradient", "supervised"])
def test_a_control_trains_from_end_to_end(name, train, options, tmp_path):
    train(tmp_path, replace(options, epochs=2, stage_one_max_epochs=1, **CASES[name]))
    rows = read_csv(tmp_path / "history.csv")
    assert [row["stage"] for row in rows] == ["fusion", "joint"]
    assert float(rows[1]["alpha"]) > 0
    assert rows[1]["collapsed"] == "", "no label of its own that could collapse"
    drawn = list((tmp_path / "pseudo_labels").glob("*.png"))
    assert bool(drawn) == bool(rows[1]["live_classes"]) == (name == "supervised")
    if drawn:  # the classes are the dataset's two
        assert int(rows[1]["live_classes"]) <= 2
        assert float(rows[1]["train_consistency"]) > 0


def test_a_table_can_name_every_task():
    assert set(CONSISTENCIES) == set(get_args(ConsistencyName))


@pytest.mark.parametrize("name", ["soft", "hard"])
def test_the_papers_task_is_its_loss(name, options):
    task, branches = build_task(replace(options, consistency=name, balance=0.5), torch.nn.Linear(1, 1)), draw_branches()
    label = task.pseudo_label(*branches[:2])
    assert torch.equal(label, make_pseudo_label(*branches[:2], name))
    assert task(Branches(*branches[:2], label), None) == consistency_loss(*branches[:2], label, balance=0.5)
    assert not list(task.buffers())


@pytest.mark.parametrize("name", ["mutual_information", "sinkhorn", "distribution_alignment", "random_clusters"])
def test_what_a_task_has_seen_is_in_its_state_and_changes_in_training_alone(name, options):
    options = replace(options, consistency=name)
    task, branches = build_task(options, torch.nn.Linear(1, 1)), draw_branches(favored=3.0)
    target = torch.ones(2, 6, 8, dtype=torch.int64)
    (before,) = (each.clone() for each in task.buffers())

    def evaluate(task):
        label = task.eval().pseudo_label(*branches[:2])
        return task(Branches(*branches[:2], label), target)

    first = evaluate(task)
    assert torch.equal(evaluate(task), first)
    assert torch.equal(next(task.buffers()), before)
    for _ in range(200):
        task.train()(branches, target)
    after = next(task.buffers())
    assert (after / after.sum())[1] > 0.5 > (before / before.sum())[1]
    resumed = build_task(options, torch.nn.Linear(1, 1))
    resumed.load_state_dict(task.state_dict())
    assert evaluate(resumed) == evaluate(task) != first


def test_an_aligned_label_lifts_classes_that_are_seldom_predicted(options):
    task = build_task(replace(options, consistency="distribution_alignment"), torch.nn.Linear(1, 1))
    branches = draw_branches(favored=3.0)
    for _ in range(300):
        task.train()(branches, None)
    shares = make_pseudo_label(*branches[:2]).mean((0, 2, 3))
    aligned = task.pseudo_label(*branches[:2]).mean((0, 2, 3))
    assert aligned[1] < shares[1]
    assert (aligned[[0, 2, 3]] > shares[[0, 2, 3]]).all()


def test_rare_classes_of_given_labels_weigh_more(options):
    """Classes of 3/4 and 1/4 of the pixels weigh as 1/√3 to 1 in the loss of a pixel."""
    task = build_task(replace(options, framework="supervised", classes=2), torch.nn.Linear(1, 1))
    target = torch.zeros(2, 400, 80, dtype=torch.int64)
    target[..., :20] = 1
    unsure = torch.zeros(2, 2, 400, 80)
    task.train()(Branches(unsure, unsure, unsure), target)
    losses = []
    for only in (0, 1):
        losses.append(task.eval()(Branches(unsure, unsure, unsure), torch.where(target == only, target, 255)).item())
    assert losses[1] / losses[0] == pytest.approx(math.sqrt(3), rel=1e-3)
    assert (3 * losses[0] + losses[1]) / 4 == pytest.approx(math.log(2), rel=1e-3)


def test_only_tasks_of_given_labels_are_handed_some(pairs, options):
    kinds = {}
    for name, case in {"soft": {}, **CASES}.items():
        views = open_views(pairs, replace(options, **case))
        kinds[name] = {type(view) for view in views}
        assert all(("target" in view[0]) == (name in ("random_clusters", "supervised")) for view in views)
    assert kinds.pop("supervised") == {LabelledView}
    assert kinds.pop("random_clusters") == {RandomClusterView}
    assert all(each == {TrainingView} for each in kinds.values())


def test_noise_is_of_the_set_share_and_trains_no_branch(options):
    changes = {"consistency": "random_gradient", "gdwa_form": "balanced", "gradient_share": 2.0}
    trainer = loop.Trainer(replace(options, stages="one", **changes), CPU)
    assert not any(name.startswith(("segment", "task")) for name, _ in trainer.framework.named_parameters())
    batch = {name: torch.rand(2, 3, 32, 32) for name in ("visible", "infrared")}
    terms = trainer.step(batch, Stage.JOINT)
    assert terms["consistency"] == 0
    norms = trainer.weighting.measured[0]
    share = trainer.weighting.weights()["consistency"] * norms["grad_norm_consistency"] / norms["grad_norm_fusion"]
    assert share == pytest.approx(2)
    assert abs(norms["cosine"]) < 0.1


@pytest.mark.parametrize("target", [None, "given"])
def test_branches_and_target_are_cut_alike(target, options):
    framework = Framework(replace(options, framework="supervised", **REMEDIES | {"consistency_augment": False}), CPU)
    images = torch.rand(2, 3, 40, 40)
    places = torch.arange(1600).view(1, 40, 40).expand(2, -1, -1) if target else None
    torch.manual_seed(1)
    output = framework.train()(images, images, Stage.JOINT, places)
    assert output.fused.shape == (2, 3, 40, 40)
    assert {each.shape for each in output.branches} == {(2, 4, 24, 24)}
    if target:
        top = output.target[0, 0, 0]
        assert torch.equal(output.target[0], places[0][top // 40 :, top % 40 :][:24, :24])
    assert framework.eval()(images, images, Stage.JOINT).branches.feature_logits.shape == (2, 4, 40, 40)


def test_the_segmenters_view_is_flipped_and_its_result_flipped_back(options):
    """A segmenter that sees one pixel at a time gives the same result whichever way the image lies."""
    framework = Framework(replace(options, consistency_augment=True), CPU).train()
    framework.segmenter = torch.nn.Conv2d(3, 4, 1)
    seen = []
    framework.segmenter.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    visible, infrared = torch.rand(2, 2, 3, 32, 32)
    with torch.no_grad():
        for _ in range(5):
            output = framework(visible, infrared, Stage.JOINT)
            logits = torch.nn.functional.conv2d(output.fused, framework.segmenter.weight, framework.segmenter.bias)
            correlated = torch.corrcoef(torch.stack([output.branches.pixel_logits.flatten(), logits.flatten()]))[0, 1]
            assert correlated > 0.98
    assert all(not torch.equal(each, output.fused) for each in seen)


def test_centered_logits_have_no_mean_and_one_spread(options):
    framework = Framework(replace(options, **CENTERED), CPU)
    images = torch.rand(2, 3, 32, 32)
    branches = framework.train()(images, images, Stage.JOINT).branches
    for logits in branches[:2]:
        assert logits.mean((0, 2, 3)).tolist() == pytest.approx([0] * 4, abs=1e-3)
        assert logits.std((0, 2, 3)).tolist() == pytest.approx([2] * 4, rel=0.05)
    assert not [name for name, _ in framework.named_parameters() if name.startswith("centers")]


class Flat(FusionModel):
    """A network of a user's own: it views its input as rows, which only images of the usual layout allow."""

    feature_channels = 3

    def __init__(self, channels=3):
        super().__init__()
        self.channels = channels
        self.volume = torch.nn.Parameter(torch.ones(1, 1, 1, 1, 1))

    def backbone(self, visible, infrared):
        rows = visible.view(len(visible), -1) * self.volume.flatten() + infrared.view(len(infrared), -1)
        return rows.view(visible.shape) / 2

    def decoder(self, features):
        return features


def test_a_network_of_ones_own_gets_images_as_it_may_expect_them(options):
    trainer = loop.Trainer(replace(options, fusion_model=f"{__name__}:Flat", channels=3), CPU)
    batch = {name: torch.rand(2, 3, 32, 32) for name in ("visible", "infrared")}
    assert torch.isfinite(trainer.step(batch, Stage.JOINT)["loss"])
