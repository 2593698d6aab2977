"""`snakemake --lint`, less the remarks that we disagree with; prints the rest and fails on any."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
REASONED_EXCEPTIONS = (
    "Specify a conda environment or container",  # one locked environment serves all rules (make setup)
    'Absolute path "/dev/nvidiactl"',  # how Linux says that there is a GPU, without importing torch
)


def main() -> int:
    command = [str(Path(sys.executable).with_name("snakemake")), "--lint"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    remarks = [line for line in lines if line.startswith(("Lints for", "    * "))]
    left = [line for line in remarks if not line.strip(" *").startswith(REASONED_EXCEPTIONS)]
    left = [line for line, after in zip(left, [*left[1:], "Lints"], strict=True) if "* " in line or "* " in after]
    if not remarks:  # a broken Snakefile gives no remarks at all
        print(*lines, sep="\n")
        return done.returncode
    print(*left, sep="\n")
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
