"""Whatever is wrong with an input, the user is told so: no traceback, no hang, no memory, and nothing run or read.

`FUZZED=10000 pytest -m slow tests/fuzzing` tries so many inputs, of all kinds together, and `FUZZ_SEED=1` other ones.
What fails is told, and kept in the test's folder as KIND-NUMBER.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="the extra ssvif[onnx] is not installed")
pytest.importorskip("av", reason="the extra ssvif[video] is not installed")
from fuzzing.bad import BAD
from fuzzing.kinds import KINDS

FUZZED, SEED = int(os.environ.get("FUZZED", "1200")), os.environ.get("FUZZ_SEED", "0")
GOOD = ("ok", "refused")
ROOT = Path(__file__).parents[2]


def journal_of(folder: Path, kind: str) -> list[dict]:
    path = folder / f"{kind}.journal"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def fuzz(folder: Path, kind: str, count: int) -> list[dict]:
    """Hand inputs to a process, and to another where one ends it; return the outcome of each input."""
    paths = os.pathsep.join(map(str, (ROOT / "src", ROOT / "tests")))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    folder.mkdir(parents=True, exist_ok=True)
    first, ended = 0, []
    while first < count:
        command = [sys.executable, "-W", "ignore", "-m", "fuzzing.worker", folder, kind, str(first), str(count), SEED]
        with (folder / "errors").open("w+") as errors:
            done = subprocess.run(command, cwd=folder, stdout=errors, stderr=errors, env=environment, check=False)
            errors.seek(0)
            told = errors.read()[-3000:]
        if not done.returncode:
            break
        begun = journal_of(folder, kind)
        assert begun, f"{kind}: no input was read\n{told}"
        last = begun[-1]["number"]
        outcome = "hang" if "Timeout (" in told else f"died with status {done.returncode}"
        ended.append({"number": last, "outcome": outcome, "told": told, "file": ""})
        first = last + 1
    return ended + [line for line in journal_of(folder, kind) if "outcome" in line]


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_whatever_is_wrong_with_an_input_is_told(tmp_path, capsys):
    total, counts, failed = sum(kind.share for kind in KINDS.values()), {}, []
    for name, kind in KINDS.items():
        found = fuzz(tmp_path / name, name, max(10, round(FUZZED * kind.share / total)))
        counts[name] = Counter(each["outcome"] for each in found)
        failed += [(name, each) for each in found if each["outcome"] not in GOOD]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(f"{name:<12}{dict(count)}" for name, count in counts.items()) + "\n")
    listed = [
        f"{name} {each['number']}: {each['outcome']} {each['file']}\n{each['told'][-1500:]}" for name, each in failed
    ]
    assert not listed, f"{len(listed)} of {FUZZED}, kept in {tmp_path}:\n" + "\n".join(listed[:20])
    assert all(count["refused"] for count in counts.values()), "an input that is not spoiled proves nothing"


@pytest.mark.parametrize("bad", BAD)
def test_the_harness_notices(tmp_path, bad):
    (found,) = fuzz(tmp_path, bad, 1)
    assert found["outcome"] == {"claim": "memory", "died": "died with status -11"}.get(bad, bad)
