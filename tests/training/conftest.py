"""Tiny trainings: their options, and functions that run them and stop them."""

from contextlib import contextmanager

import pytest
import torch

from ssvif.training import loop
from ssvif.training.options import TrainingOptions


@pytest.fixture(scope="session")
def options():
    """Two epochs of each stage, of three steps each, with all that a resumed training has to bring back."""
    return TrainingOptions(
        segmenter="b0",
        classes=4,
        epochs=4,
        stage_one_max_epochs=2,
        batch_size=2,
        crop_px=32,
        learning_rate=1e-3,
        branch_learning_rate=3e-3,
        schedule="cosine",
        warmup_steps=3,
        ema_decay=0.5,
        every_n_steps=2,
    )


@pytest.fixture(scope="session")
def train(pairs):
    """A function that trains on the tiny pairs, or on others, and returns the folder of the results."""

    def run(folder, options, *, pairs=pairs, **more):
        loop.train(pairs, folder, folder / "state.pt", options=options, device=torch.device("cpu"), **more)
        return folder

    return run


@pytest.fixture
def halted_after(monkeypatch):
    """A `with` block whose training is stopped once the state after an epoch is written."""

    @contextmanager
    def halt(epoch):
        save_state = loop.save_state

        def save_and_stop(path, key, state):
            save_state(path, key, state)
            if len(state["history"]) == epoch:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(loop, "save_state", save_and_stop)
            with pytest.raises(KeyboardInterrupt):
                yield

    return halt
