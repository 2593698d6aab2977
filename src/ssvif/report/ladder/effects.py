"""Differences between the arms of a ladder: paired by training seed, tested, and put into a verdict for each arm."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from ssvif.ops.statistics import describe, holm, mean_of, student_interval, student_p, wilcoxon_p
from ssvif.report.ladder.declaration import LadderSettings
from ssvif.report.ladder.measured import TRAINING, Arm, Key, Measured
from ssvif.schema import PROBE

COLUMNS = (
    "arm", "role", "against", "score", "metric", "class", "over", "seed", "count", "difference", "low", "high", "p",
    "p_holm",
)  # fmt: skip
LOG_LOSS = Key(PROBE, "log_loss")
OF_IMAGES = ("log_loss", "ap")  # metrics that are compared image by image
# "controls": above the reference, not shown above every negative control; "none": no effect as large as the margin
Verdict = Literal["helps", "controls", "harms", "none", "open", "untested"]
# "blind": the positive control does not win; "unchecked": there is none; "missing": nothing can be compared
Outcome = Literal["missing", "untested", "unchecked", "blind", "helps", "controls", "harms", "none", "open"]


@dataclass(frozen=True)
class Effect:
    """The difference of an arm from another one in one score, in the shown unit; over seeds or, in one seed, images."""

    arm: Arm
    against: Arm
    key: Key
    count: int  # of seeds or images that both have
    mean: float
    low: float | None = None  # ends of the interval; None for a single seed or image
    high: float | None = None
    p_value: float = math.nan  # two-sided; NaN where there is no test
    p_holm: float = math.nan  # adjusted over the arms that are declared, compared with the same other one
    seed: str | None = None  # whose images are compared; None for a comparison over seeds

    @property
    def gain(self) -> float:
        """The mean difference, positive where the arm is better."""
        return -self.mean if self.key.lower_is_better else self.mean

    @property
    def largest_gain(self) -> float:
        """The end of the interval where the arm is best; infinite where there is no interval."""
        if self.low is None or self.high is None:
            return math.inf
        return -self.low if self.key.lower_is_better else self.high

    def is_better(self, level: float) -> bool:
        """Whether the arm is better with evidence, without a correction for several tests."""
        return self.gain > 0 and self.p_value < level

    def is_within(self, margin: float) -> bool:
        """Whether the whole interval lies within ±margin: no effect of interest."""
        return self.low is not None and self.high is not None and -margin <= self.low and self.high <= margin


@dataclass(frozen=True)
class Judged:
    """One arm of the role `arm` with its comparisons in the primary score."""

    arm: Arm
    reference: Effect  # against the reference
    controls: tuple[Effect, ...]  # against each negative control that was run
    lacking: tuple[str, ...]  # titles of the negative controls that were declared and cannot be compared with
    # that it is better than none or not all of these, adjusted over the arms; NaN where a comparison is missing
    p_value: float
    verdict: Verdict


@dataclass(frozen=True)
class Step:
    """One step of the declared order of the inputs: is `above` scored higher than `below`?"""

    below: Arm
    above: Arm
    gain: float  # in the primary score
    images: Effect | None  # of the per-image log-loss, where the judge gives one

    @property
    def evidence(self) -> bool | None:
        """Whether images tell the two apart: True in the declared order, False against it, None not at all."""
        found = self.images
        if found is None or found.low is None or found.high is None or found.low <= 0 <= found.high:
            return None
        return found.gain > 0


@dataclass(frozen=True)
class Findings:
    """What a ladder found in its primary score."""

    outcome: Outcome
    reference: Arm | None
    positive: Effect | None  # of the positive control against the reference
    negatives: tuple[Effect, ...]  # of each negative control against the reference
    judged: tuple[Judged, ...]  # the arms, in the order of the table
    steps: tuple[Step, ...]
    others: tuple[Effect, ...] = ()  # of every arm and control against the reference, in every other score
    images: tuple[Effect, ...] = ()  # of the same, in each seed, over the images: log-loss and AP

    @property
    def controls(self) -> tuple[Effect, ...]:
        """Those of the negative controls, then that of the positive one."""
        return (*self.negatives, *filter(None, [self.positive]))

    @property
    def best(self) -> Judged | None:
        """The arm with the largest gain among those of the best verdict."""
        helping = [each for each in self.judged if each.verdict == "helps"] or self.judged
        return max(helping, key=lambda each: each.reference.gain, default=None)

    @property
    def worst(self) -> Judged | None:
        """The arm with the smallest gain."""
        return min(self.judged, key=lambda each: each.reference.gain, default=None)

    @property
    def excluded(self) -> float:
        """The gain above which no arm's interval against the reference reaches; infinite without intervals."""
        return max((each.reference.largest_gain for each in self.judged), default=math.inf)


def compare(arm: Arm, against: Arm, key: Key, level: float) -> Effect | None:
    """Return the mean difference of the seeds that both arms have, with Student's interval; None without any.

    The interval has the confidence 1 − level; a single seed has neither interval nor test.
    """
    seeds = [seed for seed, run in arm.runs.items() if seed in against.runs]
    pairs = [(arm.runs[seed].whole.get(key), against.runs[seed].whole.get(key)) for seed in seeds]
    differences = [ours - theirs for ours, theirs in pairs if ours is not None and theirs is not None]
    if not differences:
        return None
    effect = Effect(arm, against, key, len(differences), mean_of(differences))
    if len(differences) == 1:
        return effect
    low, high = student_interval(differences, 1 - level)
    return replace(effect, low=low, high=high, p_value=student_p(differences))


def compare_images(arm: Arm, against: Arm, key: Key, seed: str, other: str | None = None) -> Effect | None:
    """Return the mean difference over the images of one seed, with its BCa interval and Wilcoxon's p; None without any.

    `other` is the seed of the other arm where it is not the same.
    """
    ours = arm.runs[seed].images.get(key, {})
    theirs = against.runs[seed if other is None else other].images.get(key, {})
    differences = [ours[name] - theirs[name] for name in sorted(ours.keys() & theirs.keys())]
    differences = [each for each in differences if math.isfinite(each)]
    if not differences:
        return None
    found = describe(differences)
    p_value = wilcoxon_p(differences) if len(differences) > 1 else math.nan
    return Effect(arm, against, key, found.count, found.mean, found.low, found.high, p_value, seed=seed)


def find(measured: Measured) -> Findings:
    """Compare all arms in the primary score and draw the conclusion that the declaration allows."""
    settings, key = measured.declaration.ladder, measured.primary
    steps = tuple(_steps(measured))
    reference = next(iter(measured.of("reference")), None)
    if reference is None:
        return Findings("missing", None, None, (), (), steps)
    arms = measured.of("arm", "negative", "positive")
    effects = [effect for arm in arms if (effect := compare(arm, reference, key, settings.level))]
    asked, negatives, positives = (
        [each for each in effects if each.arm.declared.role == role] for role in ("arm", "negative", "positive")
    )
    positive = next(iter(positives), None)
    controls = [arm for arm in measured.arms if arm.declared.role == "negative"]
    judged = _judge_all(asked, controls, settings, measured.planned)
    outcome = _conclude(positive, judged, settings.level)
    others, images = _describe([each.arm for each in effects], reference, key, settings.level)
    return Findings(outcome, reference, positive, tuple(negatives), judged, steps, others, images)


def _describe(
    arms: Sequence[Arm], reference: Arm, primary: Key, level: float
) -> tuple[tuple[Effect, ...], tuple[Effect, ...]]:
    """Return the effects against the reference in the scores that do not decide: over seeds, and over images."""
    keys = sorted({key for run in reference.runs.values() for key in run.whole if key != primary})
    imaged = sorted({key for run in reference.runs.values() for key in run.images if key.metric in OF_IMAGES})
    over_seeds = (compare(arm, reference, key, level) for arm in arms for key in keys if key.score != TRAINING)
    over_images = (
        compare_images(arm, reference, key, seed)
        for arm in arms
        for key in imaged
        for seed in arm.runs
        if seed in reference.runs
    )
    return tuple(each for each in over_seeds if each), tuple(each for each in over_images if each)


def _judge_all(
    effects: Sequence[Effect], controls: Sequence[Arm], settings: LadderSettings, planned: int
) -> tuple[Judged, ...]:
    adjusted = holm([effect.p_value for effect in effects], planned)
    effects = [replace(effect, p_holm=p_holm) for effect, p_holm in zip(effects, adjusted, strict=True)]
    against = [[compare(effect.arm, control, effect.key, settings.level) for control in controls] for effect in effects]
    # better than all of them: its p is the largest of the single tests (intersection-union test, Berger 1982)
    largest = [
        math.nan
        if None in others or math.isnan(effect.p_value)
        else max(map(_p_of_gain, (effect, *filter(None, others))))
        for effect, others in zip(effects, against, strict=True)
    ]
    judged = []
    for effect, others, p_value in zip(effects, against, holm(largest, planned), strict=True):
        found = tuple(each for each in others if each)
        lacking = tuple(arm.title for arm, each in zip(controls, others, strict=True) if each is None)
        judged.append(Judged(effect.arm, effect, found, lacking, p_value, _verdict(effect, found, p_value, settings)))
    return tuple(judged)


def _p_of_gain(effect: Effect) -> float:
    return effect.p_value if effect.gain > 0 and not math.isnan(effect.p_value) else 1.0


def _verdict(effect: Effect, controls: Sequence[Effect], p_value: float, settings: LadderSettings) -> Verdict:
    if math.isnan(effect.p_value):
        return "untested"
    if controls and p_value < settings.level:
        return "helps"
    if effect.p_holm < settings.level:
        return "controls" if effect.gain > 0 else "harms"
    return "none" if effect.is_within(settings.margin) else "open"


def _conclude(positive: Effect | None, judged: Sequence[Judged], level: float) -> Outcome:
    verdicts = {each.verdict for each in judged}
    if not judged:
        return "missing"
    if verdicts == {"untested"} or (positive and math.isnan(positive.p_value)):
        return "untested"
    if positive is None:
        return "unchecked"
    if not positive.is_better(level):
        return "blind"
    found: Outcome
    for found in ("helps", "controls"):
        if found in verdicts:
            return found
    return "harms" if "harms" in verdicts else "none" if verdicts == {"none"} else "open"


def _steps(measured: Measured) -> Iterator[Step]:
    found = {arm.declared.name: arm for arm in measured.of("input")}
    groups = [[found[name] for name in group if name in found] for group in measured.declaration.ladder.order]
    groups = [group for group in groups if group]
    for lower, upper in pairwise(groups):
        for below in lower:
            for above in upper:
                (one, first), (two, second) = (next(iter(arm.runs.items())) for arm in (above, below))
                gain = first.whole[measured.primary] - second.whole[measured.primary]
                gain = -gain if measured.primary.lower_is_better else gain
                yield Step(below, above, gain, compare_images(above, below, LOG_LOSS, one, two))
