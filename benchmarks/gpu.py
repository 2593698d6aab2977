"""All that is done on a machine with a CUDA device, in one resumable script, within a time limit.

Phases, in this order: `checks` compares the device with the CPU (networks, losses, metrics), `timings` measures
training steps, fusing and metrics, `ladder` makes the runs of a ladder's configuration, and `shipped` those of the
networks inside the package. Each result is written at once, and what is there is not made again: called once more, the
script goes on where it was stopped. Each phase is a process of its own, which the time limit ends.

    python benchmarks/gpu.py --minutes 10 --pairs msrs128=msrs128.h5 --pairs msrs=msrs.h5

Needs Python 3.11 or newer with torch, numpy, h5py, safetensors, pillow and transformers; wheels of other packages are
unpacked from the folder `--wheels`. Without a CUDA device it runs on the CPU: `--tiny` makes everything small.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
PHASES = ("checks", "timings", "ladder", "shipped")
LEAST_S = 5  # left, so that a phase begins
SHARE_OF_TIMINGS = 0.4  # of the time limit at most, while runs are to follow


def main() -> int:
    """Run the phases one after another; return 0 if each of them finished."""
    arguments = parse_arguments()
    if arguments.phase:
        return run_phase(arguments)
    arguments.output.mkdir(parents=True, exist_ok=True)
    end = time.time() + 60 * arguments.minutes
    outcomes = {}
    for phase in arguments.phases.split(","):
        limit = end - time.time()
        if phase == "timings" and phase != arguments.phases.split(",")[-1]:
            limit = min(limit, SHARE_OF_TIMINGS * 60 * arguments.minutes)
        outcomes[phase] = start_phase(phase, arguments, limit) if limit >= LEAST_S else "not begun: no time is left"
        print(f"{phase}: {outcomes[phase]}", flush=True)
    print(f"results and logs: {arguments.output}")
    return 0 if set(outcomes.values()) == {"finished"} else 1


def start_phase(phase: str, arguments: argparse.Namespace, limit_s: float) -> str:
    """Run one phase in a process of its own and say how it ended; its output goes to OUTPUT/PHASE.log."""
    command = [sys.executable, __file__, "--phase", phase, "--deadline", str(time.time() + limit_s), *sys.argv[1:]]
    with (arguments.output / f"{phase}.log").open("a", encoding="utf-8") as log:
        # a group of its own, so that its children end with it
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = process.wait(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            return f"stopped after {limit_s:.0f} s; call again to go on"
    return "finished" if not status else f"ended with {status}; see {phase}.log"


def run_phase(arguments: argparse.Namespace) -> int:
    """Do the work of one phase in this process; return 0 if all of it is done."""
    folders = prepare_imports(arguments)
    os.environ["PYTHONPATH"] = os.pathsep.join([*map(str, folders), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
    if arguments.phase == "checks":
        from gpu_checks import check_all

        return check_all(arguments.output, arguments.tiny)
    if arguments.phase == "timings":
        from gpu_timings import time_all

        return time_all(arguments.output, arguments.deadline, arguments.tiny)
    from gpu_runs import make_runs

    from ssvif.io.errors import UserError

    configuration = arguments.ladder if arguments.phase == "ladder" else arguments.shipped
    given = dict(text.partition("=")[::2] for text in arguments.pairs)
    try:
        return make_runs(configuration, arguments.output, {name: Path(path) for name, path in given.items()})
    except UserError as error:
        print(error)
        return 1


def prepare_imports(arguments: argparse.Namespace) -> list[Path]:
    """Make the package, and what the wheels hold, importable; what is installed comes first. Return the folders."""
    unpacked = arguments.output / "wheels"
    for wheel in sorted(arguments.wheels.glob("*.whl")):
        done = unpacked / f".{wheel.name}"
        if not done.exists():
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(unpacked)
            done.touch()
    folders = [HERE.parent / "src", unpacked.resolve()]
    sys.path[:0] = [str(folders[0])]
    sys.path.append(str(folders[1]))
    return folders


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="time limit")
    parser.add_argument("--output", type=Path, default=Path("results/gpu"), help="folder of results and logs")
    parser.add_argument("--phases", default=",".join(PHASES), help="comma separated, in the order to run them")
    parser.add_argument("--ladder", type=Path, default=HERE.parent / "config/ladder.yaml", help="its configuration")
    parser.add_argument("--shipped", type=Path, default=HERE.parent / "config/shipped.yaml", help="likewise")
    parser.add_argument("--pairs", action="append", default=[], help="DATASET=FILE of `ssvif pack`; may be repeated")
    parser.add_argument("--wheels", type=Path, default=HERE / "wheels", help="folder of wheels of missing packages")
    parser.add_argument("--tiny", action="store_true", help="small images and few repeats, to try the script")
    parser.add_argument("--phase", choices=PHASES, help=argparse.SUPPRESS)
    parser.add_argument("--deadline", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if unknown := sorted(set(arguments.phases.split(",")) - set(PHASES)):
        parser.error(f"unknown phases {', '.join(unknown)}; there are {', '.join(PHASES)}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
