"""How time and memory grow: with image, batch, dataset, table of runs, and report.

    .venv/bin/python benchmarks/scaling.py --cases image,batch --output scaling.json
    .venv/bin/python benchmarks/scaling.py --output scaling.json --figure docs/images/scaling.png

Every point is a process of its own, and its processor time counts, so that what else the machine does matters little.
Points that the output holds already are not measured again: one that was stopped goes on, and a complete one only draws
the figure. A curve ends where its next point would take longer than the limit, judged by the points before.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machine import describe_machine
from scaling_cases import CASES, Case
from scaling_figure import UNITS, Point, curve_of, draw, growth, markdown

from ssvif.io.files import write_json
from ssvif.io.record import git_commit


def main() -> None:
    """Measure what is not there yet, print it, write the output and the figure."""
    arguments = _parse()
    if arguments.single:
        case, size, curves = arguments.single
        print(json.dumps(CASES[case].measure(int(size), curves.split(","))))
        return
    written = arguments.output and arguments.output.is_file()
    result: dict[str, Any] = json.loads(arguments.output.read_text()) if written else {"points": []}
    result.setdefault("machine", describe_machine())
    failed = []
    for name in arguments.cases.split(","):
        for size in CASES[name].quick if arguments.quick else CASES[name].sizes:
            for curves in _missing(result["points"], name, size, arguments.limit):
                try:
                    result["points"] += measure(name, size, curves)
                except subprocess.CalledProcessError as error:
                    failed.append(f"{name} {','.join(curves)} {size}")
                    print(f"{failed[-1]} failed:\n{error.stderr[-2000:]}", flush=True)
                if arguments.output:
                    write_json(arguments.output, result)
    print("\n" + markdown(result["points"], CASES))
    if arguments.figure:
        draw(result["points"], CASES, arguments.figure)
    if failed:
        sys.exit(f"failed: {'; '.join(failed)}")


def measure(name: str, size: int, curves: Sequence[str]) -> list[Point]:
    """Return the points of some curves at a size, measured in a process of their own, and print them.

    Raises:
        CalledProcessError: the measurement failed.
    """
    command = [sys.executable, __file__, "--single", name, str(size), ",".join(curves)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    taken = {"case": name, "size": size, "commit": git_commit()}  # a file may be completed on a later commit
    points = [{**taken, "curve": curve, **found[curve]} for curve in curves]
    for point in points:
        units = [f"{point[quantity]:10.3f} {unit}" for quantity, unit in UNITS.items() if quantity in point]
        print(f"{name:7} {point['curve']:12} {size:7,}{' '.join(units)}", flush=True)
    return points


def predict(points: Sequence[Point], case: Case, size: int) -> float:
    """Return the seconds that a curve's next point will take: in proportion, or as the last two points grew if more."""
    timed = [point for point in points if "seconds" in point]
    if not timed:
        return 0.0
    exponent = max(1.0, growth(timed, case, "seconds") or 1.0)
    return float(timed[-1]["seconds"]) * (size / timed[-1]["size"]) ** (case.power * exponent)


def _missing(points: Sequence[Point], name: str, size: int, limit_s: float) -> list[list[str]]:
    """Return the curves that have no point of this size and may take one, as groups that one process measures."""
    case, wanted = CASES[name], []
    for curve in case.curves:
        before = curve_of(points, name, curve)
        if any(point["size"] == size for point in before):
            continue
        seconds = predict([point for point in before if point["size"] < size], case, size)
        if seconds <= limit_s:
            wanted.append(curve)
        else:
            print(f"{name:7} {curve:12} {size:7,} left out: about {seconds:.0f} s, the limit is {limit_s:.0f}")
    return [wanted] * bool(wanted) if case.together else [[curve] for curve in wanted]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES), help="comma separated")
    parser.add_argument("--limit", type=float, default=60, help="seconds of processor time that a point may take")
    parser.add_argument("--quick", action="store_true", help="small sizes, for a try")
    parser.add_argument("--output", type=Path, help="JSON file of the points, which a later call completes")
    parser.add_argument("--figure", type=Path, help="PNG file to draw")
    parser.add_argument("--single", nargs=3, metavar=("CASE", "SIZE", "CURVES"), help="only print these points")
    return parser.parse_args()


if __name__ == "__main__":
    main()
