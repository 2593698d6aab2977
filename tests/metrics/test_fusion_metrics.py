"""Values gathered batch by batch."""

import math

import pytest
import torch

from ssvif.io.errors import UserError
from ssvif.metrics.collection import STANDARD_SET, FusionMetrics, evaluate

NAMES = ["en", "qabf", "psnr"]


def test_batches_equal_one_batch(batch):
    gathered = FusionMetrics(NAMES)
    gathered.update(*(each[:2] for each in batch))
    gathered.update(*(each[2:] for each in batch))
    expected = evaluate(*batch, NAMES)
    for name, values in gathered.per_image().items():
        assert torch.equal(values, expected[name])
        assert gathered.compute()[name] == expected[name].mean().item()
    assert list(gathered.compute()) == NAMES
    assert gathered.names == ["0", "1", "2"]
    assert gathered.nan_images() == {}


def test_sizes_may_differ_between_batches(batch):
    gathered = FusionMetrics(NAMES)
    gathered.update(*batch, ["a", "b", "c"])
    gathered.update(*(each[:1, :, :50, :70] for each in batch))
    assert gathered.names == ["a", "b", "c", "3"]
    assert gathered.per_image()["en"].shape == (4,)


def test_nan_is_named_and_not_averaged_away(batch):
    black = torch.zeros(1, 1, 20, 20, dtype=torch.uint8)
    gathered = FusionMetrics(NAMES)
    gathered.update(*batch)
    gathered.update(black, black, black, ["night"])
    means = gathered.compute()
    assert math.isnan(means["qabf"])
    assert means["psnr"] == math.inf
    assert math.isfinite(means["en"])
    assert gathered.nan_images() == {"qabf": ["night"]}


def test_reset_forgets(batch):
    gathered = FusionMetrics(NAMES)
    gathered.update(*(each[:1] for each in batch))
    gathered.reset()
    gathered.update(*(each[1:2] for each in batch))
    assert gathered.names == ["0"]
    assert torch.equal(gathered.per_image()["en"], evaluate(*(each[1:2] for each in batch), ["en"])["en"])


def test_a_bad_batch_leaves_no_trace(batch):
    gathered = FusionMetrics(NAMES)
    with pytest.raises(ValueError, match="2 names for 3 images"):
        gathered.update(*batch, ["a", "b"])
    with pytest.raises(ValueError, match="uint8"):
        gathered.update(batch[0].float(), *batch[1:])
    assert gathered.names == []
    with pytest.raises(ValueError, match="no image"):
        gathered.compute()


def test_the_standard_set_is_measured_unless_asked_otherwise_and_unknown_metrics_are_refused():
    assert FusionMetrics().metrics == STANDARD_SET
    with pytest.raises(UserError, match="Unknown metric"):
        FusionMetrics(["beauty"])
