"""`snakemake --lint`, less the remarks that we disagree with; prints the rest and fails on any."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
REASONED_EXCEPTIONS = {
    "Specify a conda environment or container for each rule.": "one locked environment serves all rules (make setup)",
    "Environment variable assigned in workflow": "PATH must find `ssvif` beside the Python that runs Snakemake",
    "Mixed rules and functions in same snakefile.": "functions stand in common.smk, which has no rules",
}


def main() -> int:
    command = [str(Path(sys.executable).with_name("snakemake")), "--lint", "json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    start = done.stdout.find("{")
    if start < 0:
        print(done.stdout, done.stderr, sep="\n")
        return done.returncode
    report = json.loads(done.stdout[start:])
    left = [
        (group.get("rule") or group.get("snakefile"), each["title"], each["body"])
        for kind in ("rules", "snakefiles")
        for group in report.get(kind, [])
        for each in group["lints"]
        if each["title"] not in REASONED_EXCEPTIONS
    ]
    for where, title, body in left:
        print(f"{where}: {title}\n    {body}")
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
