"""Curves of a training while it runs, in the files of TensorBoard, an extra, and of DVCLive.

The training hands over the rows of its history, so that neither its result nor its fingerprint knows of trackers.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ssvif.io.errors import UserError
from ssvif.io.files import make_folder, write_json
from ssvif.io.launch import is_first
from ssvif.training.history import HistoryRow, OnEpoch

Writer = Callable[[int, Mapping[str, float]], None]  # takes an epoch's number and its values by tag


def check_trackers(names: Sequence[str]) -> None:
    """Check that trackers are known, and that what they need is installed.

    Raises:
        UserError: a name is not a key of `TRACKERS`, or TensorBoard is not installed.
    """
    if unknown := [name for name in names if name not in TRACKERS]:
        raise UserError("Unknown tracker", expected=" | ".join(TRACKERS), got=" ".join(unknown))
    if "tensorboard" in names and find_spec("tensorboard") is None:
        raise UserError(
            "--track tensorboard needs TensorBoard, which is not installed",
            remedy="pip install 'ssvif[tensorboard]', or leave it out: history.csv will hold the same numbers",
        )


@contextmanager
def open_trackers(names: Sequence[str], output: Path) -> Iterator[OnEpoch]:
    """Yield a function that hands rows of history.csv to trackers; each has the folder `output/{name}`, made anew.

    Of several processes the first alone writes.
    """
    with ExitStack() as opened:
        writers = [opened.enter_context(TRACKERS[name](output / name)) for name in dict.fromkeys(names) if is_first()]

        def write(row: HistoryRow) -> None:
            values = {name: value for name, value in row.items() if not isinstance(value, str)}
            epoch = int(values.pop("epoch"))
            for each in writers:
                each(epoch, {_tag(name): value for name, value in values.items()})

        yield write


def _tag(column: str) -> str:
    """Return a curve's name, whose first part is its group: "train/loss", "joint/alpha"."""
    group, _, rest = column.partition("_")
    return f"{group}/{rest}" if group in ("train", "validation") else f"joint/{column}"


@contextmanager
def _open_tensorboard(folder: Path) -> Iterator[Writer]:
    from torch.utils.tensorboard import SummaryWriter

    for former in folder.glob("events.out.tfevents.*"):
        former.unlink()
    with SummaryWriter(str(folder)) as events:

        def write(epoch: int, values: Mapping[str, float]) -> None:
            for tag, value in values.items():
                events.add_scalar(tag, value, epoch)
            events.flush()

        yield write


@contextmanager
def _open_dvclive(folder: Path) -> Iterator[Writer]:
    """Write what DVCLive does, without it: it asks git, fails where there is no commit, and may send to its Studio."""
    curves = folder / "plots/metrics"
    shutil.rmtree(curves, ignore_errors=True)

    def write(epoch: int, values: Mapping[str, float]) -> None:
        latest: dict[str, Any] = {"step": epoch}
        for tag, value in values.items():
            group, _, name = tag.partition("/")
            latest.setdefault(group, {})[name] = value if math.isfinite(value) else str(value)
            path = curves / f"{tag}.tsv"
            make_folder(path.parent)
            with path.open("a", encoding="utf-8") as stream:
                stream.write(("" if stream.tell() else f"step\t{name}\n") + f"{epoch}\t{value}\n")
        write_json(folder / "metrics.json", latest)

    yield write


TRACKERS = {"tensorboard": _open_tensorboard, "dvclive": _open_dvclive}
