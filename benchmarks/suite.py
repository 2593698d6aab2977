"""The benchmarks one after the other, each as a process of its own, into one folder.

    make bench                                                      # everything, an hour or two
    .venv/bin/python benchmarks/suite.py --only metrics,scaling
    .venv/bin/python benchmarks/suite.py --quick --output /tmp/try  # small sizes, a minute or two

The folder then holds NAME.txt, what a benchmark printed; NAME.json, where it writes its numbers; and machine.json, the
machine, its load at the start, versions and commit. A benchmark that fails does not stop the others.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from machine import describe_machine, find_chromium

from ssvif.io.files import write_json

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Benchmark:
    """A script of this folder, and what makes a quick try of it."""

    quick: str  # its options then
    writes_json: bool = False


BENCHMARKS = {
    "metrics": Benchmark("--repeats 1 --pairs 12", writes_json=True),
    "networks": Benchmark("--networks emma --batch 1 --repeats 1", writes_json=True),
    "training_step": Benchmark("--model lite --segmenter b0 --crop 64 --repeats 1"),
    "judges": Benchmark("--epochs 1,2 --side 64"),
    "loading": Benchmark("--pairs 4"),
    "times": Benchmark("--quick"),
    "scaling": Benchmark("--quick", writes_json=True),
    "report": Benchmark("--pairs 24 --runs 3 --width 64 --height 48 --repeats 1"),
}


def main() -> None:
    """Run what is asked for; exit with the names of those that failed."""
    arguments = _parse()
    arguments.output.mkdir(parents=True, exist_ok=True)
    write_json(arguments.output / "machine.json", describe_machine())
    failed = []
    for name in arguments.only.split(","):
        if name == "report" and not find_chromium():
            print("report is left out: it needs playwright and a Chromium", flush=True)
        elif code := run(name, arguments.output, quick=arguments.quick):
            failed.append(f"{name} (exit code {code})")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; what they said stands in {arguments.output}/NAME.txt")


def run(name: str, folder: Path, *, quick: bool = False) -> int:
    """Run one benchmark, showing and writing what it prints as it appears; return its exit code."""
    benchmark = BENCHMARKS[name]
    command = [sys.executable, str(HERE / f"{name}.py"), *(benchmark.quick.split() if quick else [])]
    if benchmark.writes_json:
        numbers = folder / f"{name}.json"
        numbers.unlink(missing_ok=True)  # scaling.py goes on with what it finds
        command.append(f"--output={numbers}")
    print(f"\n{' '.join([name, *command[2:]])}", flush=True)
    # one thread, so that processor times compare; networks.py takes two and the clock
    environment = {"OMP_NUM_THREADS": "1", **os.environ, "PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "encoding": "utf-8"}
    with (
        (folder / f"{name}.txt").open("w", encoding="utf-8") as file,
        subprocess.Popen(command, env=environment, **pipes) as process,
    ):
        for line in process.stdout:
            for stream in (file, sys.stdout):
                stream.write(line)
                stream.flush()
    return process.returncode


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(BENCHMARKS), help=f"comma separated: {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="small sizes, for a try of a minute or two")
    parser.add_argument("--output", type=Path, default=HERE.parent / "results/bench", help="folder")
    arguments = parser.parse_args()
    if unknown := set(arguments.only.split(",")) - set(BENCHMARKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    return arguments


if __name__ == "__main__":
    main()
