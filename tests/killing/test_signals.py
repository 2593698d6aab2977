"""A training that is asked to end, by Ctrl-C or by a cluster that takes its machine back."""

import os
import re
import signal
import time
from random import Random

import pytest
from commands import contents
from stages import EPOCHS, STAGES, files_of

pytestmark = pytest.mark.slow
TRAIN = STAGES["train"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["alone", "with workers"])
def test_a_training_ends_within_seconds_and_goes_on_after_its_last_epoch(number, status, more, commands, undisturbed):
    """Whatever it computes: the state of the last complete epoch is there already, and is all that is left."""
    folder = undisturbed.folder.with_name(f"{number.name} {len(more)}")
    started = commands.start(folder, *TRAIN.arguments, *more)
    started.wait_until_said("epoch 2/")
    time.sleep(Random(f"{number} {more}").uniform(0, undisturbed.took_s["train"] / (2 * EPOCHS)))
    begin = time.monotonic()
    os.kill(started.process, number)  # and not its workers
    assert started.wait() == status, started.said
    assert time.monotonic() - begin < 5 * max(1, os.getloadavg()[0] / os.cpu_count())  # of a machine for this alone
    done = max(map(int, re.findall(r"epoch (\d+)/", started.said)))
    told = f"ssvif: ended by {number.name}; no half-written file is left; the same command goes on after the last"
    assert told in started.said
    assert "Traceback" not in started.said
    # within a fork Python can raise nothing: the process ends 3 s later, or when so short a training is over
    ended = "trained:" not in started.said
    if ended:
        assert list(files_of(contents(folder))) == ["state.pt"]
    again = commands.run(folder, *TRAIN.arguments, *more)
    assert not ended or re.search(rf"resuming after epoch ({done}|{done + 1})\b", again.said)
    assert files_of(contents(folder)) == files_of(undisturbed.made["train"])
