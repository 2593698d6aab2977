"""Every stage is killed by SIGKILL at random moments; the same command again ends with the same bytes.

`SSVIF_KILLS` is the number of kills of each stage, a few by default; `SSVIF_KILL_SEED` gives other moments.
"""

import logging
import os
import re
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from commands import Commands, Started, contents
from stages import EPOCHS, STAGES, StageToKill, check_nothing_half, files_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]
KILLS, SEED = int(os.environ.get("SSVIF_KILLS", "2")), os.environ.get("SSVIF_KILL_SEED", "0")
log = logging.getLogger("kills")


class Killer:
    """Starts a stage and kills it at a moment of a kind."""

    def __init__(self, commands: Commands, stage: StageToKill, took_s: float, operations: int, random: Random) -> None:
        self._commands, self._stage, self._took_s = commands, stage, took_s
        self._operations, self._random = operations, random

    def kill(self, kind: str, folder: Path, replaced: int) -> tuple[Started, bool]:
        """Return the stage that was started, and whether it was killed; it may have ended first.

        Kinds are "file", before one of its file operations, "switch", in the epoch at whose end a training changes
        stages or in the next, and "time". `replaced` is the number of files and folders that it deletes besides.
        """
        moment = {"operation": self._random.randint(1, self._operations + replaced), "signal": signal.SIGKILL}
        started = self._commands.start(folder, *self._stage.arguments, **(moment if kind == "file" else {}))
        if kind != "file":
            if kind == "switch":
                started.wait_until_said(self._stage.said_before_switch, 10 * self._took_s)
            time.sleep(self._random.uniform(0, 1.5 / EPOCHS if kind == "switch" else 0.9) * self._took_s)
            with suppress(ProcessLookupError):  # it has ended
                os.killpg(started.process, signal.SIGKILL)
        status = started.wait()
        assert status in (-signal.SIGKILL, 0), started.said
        return started, status != 0


def leave_former(whole: Path, folder: Path, made: dict[str, str]) -> dict[str, str]:
    """Leave a former result in place of each file that a stage makes; return what then lies in the folder."""
    for name in made:
        if (whole / name).is_dir():
            (folder / name).mkdir(parents=True, exist_ok=True)
    for name, digest in made.items():
        if digest not in ("folder", "record"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((whole / name).read_bytes() + b"former")
    return contents(folder)


def last_epoch(said: str, before: str) -> int:
    return max(map(int, re.findall(rf"{before} (\d+)", said)), default=0)


@pytest.mark.parametrize("name", STAGES)
def test_a_killed_stage_ends_with_the_same_bytes(name, commands, undisturbed):
    """It leaves no half of a result, loses at most the epoch that it was killed in, and removes what was left."""
    stage, made = STAGES[name], undisturbed.made[name]
    random = Random(f"{SEED} {name}")
    killer = Killer(commands, stage, undisturbed.took_s[name], undisturbed.operations[name], random)
    kinds = ["file", "time", *["switch"] * bool(stage.said_before_switch)]
    kills: Counter[str] = Counter()
    for attempt in range(3 * KILLS):
        if kills.total() == KILLS:
            break
        kind = kinds[attempt % len(kinds)]
        folder = undisturbed.folder.with_name(f"{name} {attempt}")
        folder.mkdir()
        replaces = not stage.completes and random.random() < 0.5
        former = leave_former(undisturbed.folder, folder, made) if replaces else {}
        started, killed = killer.kill(kind, folder, len(former))
        kills[kind] += killed
        check_nothing_half(stage, contents(folder), former, made)
        again = commands.run(folder, *stage.arguments)
        assert files_of(contents(folder)) == files_of(made), f"{kind}, {attempt}"
        if "trained: " not in started.said and "stage I: " not in started.said:
            assert last_epoch(again.said, "resuming after epoch") >= last_epoch(started.said, "epoch")
        shutil.rmtree(folder)
    log.info("%s: killed %s; %.1f s undisturbed", name, dict(kills), undisturbed.took_s[name])
    assert kills.total() >= KILLS / 2


def test_a_folder_that_is_replaced_is_never_half_there(commands, undisturbed):
    """Killed before each second operation from the last image on, those of removing the former ones among them."""
    stage, made, last = STAGES["fuse"], undisturbed.made["fuse"], undisturbed.operations["fuse"]
    for operation in range(last - 5, last + 12, 2):
        folder = undisturbed.folder.with_name(f"replaced {operation}")
        former = leave_former(undisturbed.folder, folder, made)
        commands.start(folder, *stage.arguments, operation=operation, signal=signal.SIGKILL).wait()
        check_nothing_half(stage, contents(folder), former, made)
        shutil.rmtree(folder)
