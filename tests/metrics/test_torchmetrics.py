"""ssvif's metrics as torchmetrics' are used: in batches, in a collection, in several processes."""

import pickle

import pytest
import torch
from torchmetrics import MetricCollection

from ssvif.io.errors import UserError
from ssvif.metrics import METRICS, evaluate
from ssvif.metrics.torchmetrics import FusionMetric


def draw(number, size=176):
    generator = torch.Generator().manual_seed(number)
    return tuple(
        torch.randint(0, 256, (3, channels, size, size), generator=generator, dtype=torch.uint8)
        for channels in (3, 1, 3)
    )


def test_all_metrics_are_the_means_that_ssvif_reports():
    images = draw(0)
    collection = MetricCollection({name: FusionMetric(name) for name in METRICS})
    collection.update(*(each[:2] for each in images))
    collection.update(*(each[2:] for each in images))
    means = collection.compute()
    for name, values in evaluate(*images, metrics=list(METRICS)).items():
        assert means[name].dtype == torch.float64
        torch.testing.assert_close(means[name], values.mean())
        assert collection[name].higher_is_better == (METRICS[name].better == "up")


def test_a_metric_is_of_a_batch_when_called_and_begins_anew_when_reset():
    metric, first, second = FusionMetric("en"), draw(1, 16), draw(2, 16)
    one, two = metric(*first), metric(*second)
    torch.testing.assert_close(metric.compute(), (one + two) / 2)
    torch.testing.assert_close(two, evaluate(*second, metrics=["en"])["en"].mean())
    metric.reset()
    metric.half()  # which torchmetrics keeps from the states
    metric.update(*first)
    torch.testing.assert_close(metric.compute(), one)
    torch.testing.assert_close(pickle.loads(pickle.dumps(metric)).compute(), one)


def test_what_does_not_fit_is_told():
    with pytest.raises(UserError, match="Unknown metric"):
        FusionMetric("nosuch")
    with pytest.raises(ValueError, match=r"expected uint8, got torch\.float32; round"):
        FusionMetric("en").update(*(each / 255 for each in draw(0, 16)))


def test_processes_have_one_mean():
    """As torchmetrics brings them together: it gathers each state, then reduces it."""
    first, second, there = draw(1, 16), draw(2, 16), FusionMetric("en")
    there.update(*(each[:1] for each in second))
    gathered = {torch.float64: there.total, torch.int64: there.count}
    here = FusionMetric(
        "en",
        distributed_available_fn=lambda: True,
        dist_sync_fn=lambda state, group: [state, gathered[state.dtype]],
    )
    here.update(*first)
    both = [torch.cat([one, two[:1]]) for one, two in zip(first, second, strict=True)]
    torch.testing.assert_close(here.compute(), evaluate(*both, metrics=["en"])["en"].mean())
