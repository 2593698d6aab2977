"""The self-supervised training; read this file first.

`train` is the command, `train_stage_one` its first part alone. `Trainer` holds everything that changes from epoch to
epoch, so its state is the checkpoint. `Trainer.step` is the method of the paper: forward, losses, weighting, optimizer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import BatchSampler

from ssvif.data.labelled_view import LabelledView
from ssvif.data.loader import Batch, BatchLoader
from ssvif.data.training_view import TrainingView
from ssvif.io.device import device_name
from ssvif.io.errors import UserError, counted
from ssvif.io.files import refuse_unwritable, sha256_of, write_csv
from ssvif.io.launch import is_first, place
from ssvif.io.progress import format_seconds
from ssvif.io.record import Recorder
from ssvif.models.registry import save_fusion_model
from ssvif.ops.processes import batch_size, from_first
from ssvif.ops.seeds import generator, make_deterministic, seed_torch
from ssvif.training.checkpoint import check_like, load_state, not_ours, save_state, state_key
from ssvif.training.diagnostics import COLLAPSED_EPOCHS, ClassUsage, References, read_references
from ssvif.training.divergence import DivergenceWatch, check_validation
from ssvif.training.framework import Framework, Output
from ssvif.training.history import (
    COLUMNS,
    GRADIENT_COLUMNS,
    HistoryRow,
    Means,
    OnEpoch,
    check_rows,
    history_row,
    is_collapsed,
)
from ssvif.training.optimization import WeightAverage, build_optimizer, set_learning_rate
from ssvif.training.options import TrainingOptions, training_code
from ssvif.training.pseudo_label_pictures import write_pseudo_labels
from ssvif.training.stage_one import load_stage_one, no_stage_one, save_stage_one
from ssvif.training.stages import EarlyStopping, Stage, StageSwitch, warn_without_stage_two
from ssvif.training.views import open_views
from ssvif.training.weighting.base import FusionOnly, Weighting
from ssvif.training.weighting.registry import build_weighting

log = logging.getLogger("ssvif")
# attributes of a `Trainer` that make a checkpoint: by their own `state_dict`, and as they are
STATEFUL = ("framework", "optimizer", "average", "switch", "stopping", "weighting")
PLAIN = ("history", "gradients", "best", "best_epoch")


def train(
    pairs: Path,
    output: Path,
    state: Path,
    *,
    options: TrainingOptions,
    device: torch.device,
    workers: int = 0,
    stage_one: Path | None = None,
    on_epoch: OnEpoch = lambda row: None,
) -> None:
    """Train a fusion network on pairs; write the network and its history.

    Killed at any point and called again, it resumes after the last complete epoch and writes the same bytes as an
    uninterrupted training on the same machine.

    Args:
        pairs: HDF5 of `ssvif pack`; its splits "train" and "validation" are used; of labels, by the framework
            "supervised" alone.
        output: folder of model.safetensors, history.csv (an epoch a row), gradients.csv (a measured step a
            row), record.json and pseudo_labels/.
        state: file for the state between epochs; removed at the end.
        options: of the training.
        device: to compute on.
        workers: processes that load pairs; 0 loads in this one. Does not change the result.
        stage_one: file of `train_stage_one` to go on from; does not change the result either. None trains stage I.
        on_epoch: called with each row of history.csv, at first those of epochs that were done before.

    Raises:
        UserError: there is nothing to train on, an image is smaller than the crop, labels are missing, or `stage_one`
            does not belong to these options and pairs.
    """
    recorder = Recorder()
    warn_without_stage_two(options)
    make_deterministic(device)
    view, held_out = open_views(pairs, options)
    if isinstance(view, LabelledView):  # the classes are the dataset's
        options = replace(options, classes=view.num_classes)
    trainer = Trainer(options, device)
    trainer.on_epoch = on_epoch
    if options.framework != "fusion_only":
        trainer.references = read_references(pairs, held_out.names, options.crop_px, options.classes)
    if stage_one:
        try:
            trainer.load_state_dict(load_stage_one(stage_one, trainer.state_dict(), options, view.digest))
        except ValueError as error:
            raise no_stage_one(stage_one, error) from error
    run_epochs(trainer, view, held_out, state, workers, stage_one=sha256_of(stage_one) if stage_one else "")
    if not is_first():
        return
    joint = trainer.history[-1]["stage"] == Stage.JOINT
    if options.has_stage_two and not joint:
        epochs = counted(trainer.epoch, "epoch")
        log.warning(
            "The training ended in stage I, after %s; stage II never began. Set `stage_one_max_epochs`.", epochs
        )
    drawn = trainer.framework if joint and options.has_branches else None
    with trainer.average.applied():
        write_pseudo_labels(drawn, pairs, output / "pseudo_labels")
    network, facts = trainer.framework.fusion_model, {"training": asdict(options)}
    network.load_state_dict(trainer.best)
    save_fusion_model(network, output / "model.safetensors", name=options.fusion_model, facts=facts)
    write_csv(output / "history.csv", trainer.history, COLUMNS)
    write_csv(output / "gradients.csv", trainer.gradients, GRADIENT_COLUMNS)
    recorder.write(
        output / "record.json",
        settings=asdict(options),
        device=device_name(device),
        trained_on=view.dataset,
        data_sha256=view.digest,
        stage_one=str(stage_one or ""),
        processes=place().count,
        switch_epoch=trainer.switch.epoch,
        epochs=trainer.epoch,
        best_epoch=trainer.best_epoch,
        collapsed=any(row.get("collapsed") for row in trainer.history),
    )
    state.unlink(missing_ok=True)


def train_stage_one(
    pairs: Path, output: Path, state: Path, *, options: TrainingOptions, device: torch.device, workers: int = 0
) -> None:
    """Train stage I alone and write it as a file that `train` goes on from.

    Args:
        pairs: as for `train`.
        output: file to write, .safetensors; its record lies beside it, .json.
        state: file for the state between epochs; removed at the end.
        options: of one of the trainings; what stage I does not read does not matter.
        device: to compute on.
        workers: processes that load pairs; 0 loads in this one. Does not change the result.

    Raises:
        UserError: there is nothing to train on, an image is smaller than the crop, or the training has no stage I.
    """
    recorder = Recorder()
    options = options.stage_one()
    make_deterministic(device)
    view, held_out = open_views(pairs, options)
    trainer = Trainer(options, device, stage_one_only=True)
    run_epochs(trainer, view, held_out, state, workers)
    if not is_first():
        return
    save_stage_one(output, trainer.state_dict(), options, view.digest)
    recorder.write(
        output.with_suffix(".json"),
        settings=asdict(options),
        device=device_name(device),
        trained_on=view.dataset,
        data_sha256=view.digest,
        processes=place().count,
        epochs=trainer.epoch,
    )
    state.unlink(missing_ok=True)


def run_epochs(
    trainer: Trainer, view: TrainingView, held_out: TrainingView, state: Path, workers: int, stage_one: str = ""
) -> None:
    """Run the epochs that are left, the trainer's state written after each to `state` and read from there at first.

    `stage_one` is the digest of the file that the trainer goes on from. Of several processes the first reads and writes
    the state, which is that of any number of processes.

    Raises:
        UserError: a loss or a gradient is not finite, or there are fewer pairs than processes.
    """
    processes = place().count
    if len(view) < processes:
        raise UserError(f"{len(view)} training pairs are too few for {processes} processes")
    if is_first():
        refuse_unwritable(state.parent)
    options, device, only = trainer.options, trainer.device, trainer.stage_one_only
    facts = {"data": view.digest, "code": training_code(options), "torch": torch.__version__, "device": device.type}
    key = state_key(options=asdict(options), stage_one=stage_one, stage_one_only=only, **facts)
    if resumed := from_first(load_state(state, key) if is_first() else None):
        try:
            trainer.load_state_dict(resumed)
        except ValueError as error:
            raise not_ours(state, str(error)) from error
        log.info("resuming after epoch %d", trainer.epoch)

    size = options.batch_size * processes
    if processes > 1:
        log.info("%d processes: %d pairs a step, %d in each", processes, size, options.batch_size)
    in_order = list(BatchSampler(range(len(held_out)), size, drop_last=False))
    for row in trainer.history if is_first() else ():
        trainer.on_epoch(row)
    start, first = time.monotonic(), trainer.epoch
    while not trainer.finished:
        view.set_epoch(trainer.epoch)
        order = shuffled_batches(len(view), size, options.seed, trainer.epoch)
        names = [[view.names[index] for index in batch] for batch in order]
        batches = BatchLoader(view, order, workers, device)
        trainer.run_epoch(batches, BatchLoader(held_out, in_order, workers, device), names)
        if is_first():
            save_state(state, key, trainer.state_dict())
            trainer.on_epoch(trainer.history[-1])
        log_epoch(trainer, (time.monotonic() - start) / (trainer.epoch - first))


class Trainer:
    """A training, or its stage I alone; between two epochs its state is what `STATEFUL` and `PLAIN` name."""

    def __init__(self, options: TrainingOptions, device: torch.device, *, stage_one_only: bool = False) -> None:
        self.options, self.device, self.stage_one_only = options, device, stage_one_only
        self.framework = Framework(options, device)
        self.weighting = build_weighting(options, device)
        self.weightings: dict[Stage, Weighting] = {Stage.FUSION: FusionOnly(), Stage.JOINT: self.weighting}
        self.optimizer = build_optimizer(self.framework, self.weighting, options)
        self.average = WeightAverage(self.framework.fusion_model, options.ema_decay)
        joint = options.has_stage_two
        self.switch = StageSwitch(
            Stage.JOINT if joint and options.stages == "one" else Stage.FUSION,
            Stage.JOINT if joint else Stage.FUSION,
            may_switch=options.stages == "two",
            min_epochs=options.stage_one_min_epochs,
            max_epochs=options.stage_one_max_epochs,
        )
        self.stopping = EarlyStopping(options.patience)
        self.history: list[HistoryRow] = []
        self.gradients: list[HistoryRow] = []
        self.best: dict[str, torch.Tensor] = {}  # the fusion network's weights after the last stage's kept epoch
        self.best_epoch = 0
        self.watch = DivergenceWatch(1, (), device)  # over one epoch's steps
        self.on_epoch: OnEpoch = lambda row: None  # called by the first process alone
        self.references: References = {}  # what the diagnostics compare the pseudo labels with

    @property
    def epoch(self) -> int:
        """Number of epochs done."""
        return len(self.history)

    @property
    def finished(self) -> bool:
        """Whether the epochs or the patience are used up, or stage I is over and was all that was wanted."""
        over = self.stage_one_only and self.switch.epoch is not None
        return over or self.epoch >= self.options.epochs or self.stopping.exhausted

    @property
    def most_epochs(self) -> int:
        """Number of epochs after which the training ends in any case."""
        limit = self.options.stage_one_max_epochs if self.stage_one_only else 0
        return min(limit or self.options.epochs, self.options.epochs)

    def run_epoch(
        self,
        train_batches: BatchLoader | Sequence[Batch],
        validation_batches: Iterable[Batch],
        names: Sequence[Sequence[str]] = (),
    ) -> None:
        """Train and validate one epoch, then decide on weights, stage and stopping.

        `names` are those of the pairs of each training batch, for the message of the error.

        Raises:
            UserError: a loss or a gradient is not finite.
        """
        stage = self.switch.stage
        weighting = self.weightings[stage]
        seed_torch(self.options.seed, "epoch", self.epoch)
        self.framework.train()
        means, self.watch = Means(), DivergenceWatch(self.epoch + 1, names, self.device)
        steps = len(train_batches)
        for step, batch in enumerate(train_batches, start=self.epoch * steps):
            set_learning_rate(self.optimizer, self.options, step, self.options.epochs * steps)
            means.add(self.step(batch, stage))
            self.average.update()
        self.watch.look()
        train_means, weights = means.compute(), weighting.weights()
        with self.average.applied():
            # what is decided below follows from the numbers of one process, though all have the same
            train_means, validation_means = from_first((train_means, self.validate(validation_batches, stage)))
        check_validation(self.epoch + 1, validation_means)
        self.gradients += [{"epoch": self.epoch + 1, **row} for row in weighting.measured]
        weighting.end_epoch(train_means)
        row = history_row(self.epoch + 1, stage, train_means, validation_means, weights) | weighting.facts
        self.history.append(row)
        if "live_classes" in row and self.options.has_pseudo_label:  # stage II
            live = [int(each["live_classes"]) for each in self.history if "live_classes" in each]
            row["collapsed"] = int(is_collapsed(live))
        if self.stopping.update(validation_means["loss"]) or self.options.kept_epoch == "last":
            with self.average.applied():
                state = self.framework.fusion_model.state_dict()
                self.best = {name: value.detach().cpu().clone() for name, value in state.items()}
            self.best_epoch = self.epoch
        if self.switch.update(train_means["fusion"], stalled=self.stopping.exhausted):
            self.stopping.restart()

    def step(self, batch: Batch, stage: Stage) -> dict[str, torch.Tensor]:
        """Take one optimization step on images (B,3,H,W) by name; return the named terms and "loss", of shape ()."""
        _, terms = self._forward(batch, stage)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.weightings[stage].backward(terms, self.framework, self.framework.fusion_model)
        terms = {**terms, "loss": loss}
        self.watch.take(terms, (each for group in self.optimizer.param_groups for each in group["params"]))
        self.optimizer.step()
        return terms

    @torch.no_grad()
    def validate(self, batches: Iterable[Batch], stage: Stage) -> dict[str, float]:
        """Return the mean terms and "loss" over the validation pairs and, in stage II, the diagnostics."""
        self.framework.eval()
        means, usage = Means(), ClassUsage(self.options.classes, self.references)
        for batch in batches:
            output, terms = self._forward(batch, stage)
            total = self.weightings[stage].total(terms)
            means.add({**terms, "loss": total}, count=batch_size(len(output.fused)))
            if output.branches:
                usage.update(*output.branches)
        return means.compute() | usage.compute()

    def _forward(self, batch: Batch, stage: Stage) -> tuple[Output, dict[str, torch.Tensor]]:
        visible, infrared = self.framework.inputs(batch)
        target = batch["target"].to(self.device, non_blocking=True) if "target" in batch else None
        mixed = self.options.precision == "bfloat16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=mixed):
            output = self.framework(visible, infrared, stage, target)
        return output, self.framework.losses(output, visible, infrared)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must hold; the random state follows from the epoch's number."""
        stateful = {name: getattr(self, name).state_dict() for name in STATEFUL}
        return stateful | {name: getattr(self, name) for name in PLAIN}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint.

        Raises:
            ValueError: it is not of such a training.
        """
        groups = self.optimizer.state_dict()["param_groups"]  # which follow from the options
        check_like(state, self.state_dict() | {"optimizer": {"state": {}, "param_groups": groups}}, "state")
        check_like(state["best"], self.framework.fusion_model.state_dict(), "state.best")
        check_rows(state["history"], COLUMNS)
        check_rows(state["gradients"], GRADIENT_COLUMNS)
        state = state | {"optimizer": {"state": state["optimizer"]["state"], "param_groups": groups}}
        for name in STATEFUL:
            getattr(self, name).load_state_dict(state[name])
        for parameter, moments in self.optimizer.state.items():
            own = {"step": torch.zeros(()), "exp_avg": parameter, "exp_avg_sq": parameter}
            check_like(moments, own, "state.optimizer")
        for name in PLAIN:
            setattr(self, name, state[name])


def shuffled_batches(count: int, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Return an epoch's batches of indices; an incomplete last batch is left out unless it is the only one."""
    order = torch.randperm(count, generator=generator(seed, "order", epoch)).tolist()
    return list(BatchSampler(order, batch_size, drop_last=count > batch_size))


def log_epoch(trainer: Trainer, seconds: float) -> None:
    """Log the losses and what is left after an epoch, and warn of a collapse; `seconds` is the time of an epoch."""
    row = trainer.history[-1]
    parts = [f"epoch {trainer.epoch}/{trainer.most_epochs} ({row['stage']})"]
    parts += [f"loss {row['train_loss']:.3f}, validation {row['validation_loss']:.3f}"]
    if "alpha" in row:
        parts.append(f"α {row['alpha']:.3g}")
    if "live_classes" in row:
        live, agreed = f"{row['live_classes']} of {trainer.options.classes} classes live", row["pixel_agreement"]
        parts.append(f"{live}, the branches agree on {agreed:.0%} of the pixels")
    left = format_seconds(seconds * (trainer.most_epochs - trainer.epoch))
    parts.append(f"{format_seconds(seconds)} an epoch, at most {left} left")
    log.info("%s", "; ".join(parts))
    if row.get("collapsed"):
        log.warning(
            "THE PSEUDO LABEL HAS COLLAPSED into one class for %d epochs: the consistency loss teaches nothing. "
            "Try `consistency: mutual_information` with `centered_logits: true`, or `balance` above 0.",
            COLLAPSED_EPOCHS,
        )
