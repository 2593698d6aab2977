import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssvif.training.stages import EarlyStopping, Stage, StageSwitch


def switch_epoch(losses, **options):
    """Return after which epoch stage I ends, or None."""
    switch = StageSwitch(Stage.FUSION, **({"may_switch": True} | options))
    switched = [switch.update(loss) for loss in losses]
    assert switched.count(True) == (switch.stage is Stage.JOINT)
    assert switch.epoch == (switched.index(True) + 1 if True in switched else None)
    return switch.epoch


@pytest.mark.parametrize(
    ("losses", "options", "epoch"),
    [
        ([3, 2, 2.5, 1], {}, 3),
        ([3, 3, 3], {}, None),
        ([3, 4, 2, 3], {"min_epochs": 4}, 4),
        ([3, 4, 2, 1], {"min_epochs": 3}, None),
        ([3, 4], {"min_epochs": 2}, 2),
        ([3, 2, 1, 0.5], {"max_epochs": 3}, 3),
        ([3], {"max_epochs": 1}, 1),
        ([3, 4, 2], {"max_epochs": 3}, 2),
        ([3, 4, 5, 6], {"may_switch": False}, None),
        ([3, 4, 5, 6], {"may_switch": False, "max_epochs": 2}, None),
        ([3, math.nan, 2], {}, None),
    ],
)
def test_stage_one_ends_at_the_first_rise_within_its_limits(losses, options, epoch):
    assert switch_epoch(losses, **options) == epoch


@given(st.lists(st.floats(0, 10), min_size=1, max_size=12), st.integers(1, 5))
def test_stage_one_ends_where_the_rule_says(losses, least):
    rises = [i + 1 for i in range(1, len(losses)) if losses[i] > losses[i - 1] and i + 1 >= least]
    assert switch_epoch(losses, min_epochs=least) == (rises[0] if rises else None)


def test_without_a_second_task_the_stage_stays_and_the_switch_is_told():
    switch = StageSwitch(Stage.FUSION, Stage.FUSION, may_switch=True, max_epochs=2)
    assert [switch.update(loss) for loss in (3, 2, 1, 4)] == [False, True, False, False]
    assert (switch.stage, switch.epoch) == (Stage.FUSION, 2)


def test_one_stage_begins_jointly_and_stays():
    switch = StageSwitch(Stage.JOINT, may_switch=True)
    assert not any(switch.update(loss, stalled=True) for loss in (1, 2, 3))
    assert switch.stage is Stage.JOINT
    assert switch.epoch is None


def test_a_stalled_stage_one_moves_on_unless_it_is_the_only_one():
    switch = StageSwitch(Stage.FUSION, may_switch=True, min_epochs=5)
    assert switch.update(3, stalled=True)
    assert switch.stage is Stage.JOINT
    alone = StageSwitch(Stage.FUSION, may_switch=False)
    assert not alone.update(3, stalled=True)


def test_stopping_counts_epochs_without_a_better_loss_and_forgets_the_best_when_restarted():
    stopping = EarlyStopping(2)
    told = [(stopping.update(loss), stopping.exhausted) for loss in (3, 2, 2, 1, 1.5, math.nan)]
    assert told == [(True, False), (True, False), (False, False), (True, False), (False, False), (False, True)]
    for losses, better in (((math.nan, math.nan), [False, False]), ((50, 51, math.nan), [True, False, False])):
        stopping.restart()
        assert not stopping.exhausted
        assert [stopping.update(loss) for loss in losses] == better
        assert stopping.exhausted


@given(st.lists(st.floats(0, 10), max_size=6), st.lists(st.floats(0, 10), min_size=1, max_size=6))
def test_states_come_back_from_plain_values(before, after):
    switch, stopping = StageSwitch(Stage.FUSION, may_switch=True), EarlyStopping(3)
    for loss in before:
        switch.update(loss)
        stopping.update(loss)
    other_switch, other_stopping = StageSwitch(Stage.FUSION, may_switch=True), EarlyStopping(3)
    other_switch.load_state_dict(json.loads(json.dumps(switch.state_dict())))
    other_stopping.load_state_dict(json.loads(json.dumps(stopping.state_dict())))
    for loss in after:
        assert switch.update(loss) == other_switch.update(loss)
        assert stopping.update(loss) == other_stopping.update(loss)
    assert switch.state_dict() == other_switch.state_dict()
    assert stopping.exhausted == other_stopping.exhausted
