"""A script that has everything imported, and forks a process for each `ssvif` command that it is given.

It reads a JSON object a line: `arguments`, `folder` to work in, `log` for what the command says, and optionally
`operation` and `signal`, by which the process ends or stops itself before this of its file operations in the folder;
`opens`, a text: the same before it opens a path that holds it; `memory_mb`, a limit on what is allocated from now on;
`clock_back_s`, by which the clock jumps back whenever it is asked. The number of file operations is written beside the
log. It answers with the process's id and, once that has ended, with its exit status. What runs in the forked process
is the command as `ssvif` starts it; only the seconds of its imports are saved.
"""

import atexit
import gc
import json
import os
import pkgutil
import resource
import shutil
import signal
import sys
import time
from importlib import import_module
from itertools import count
from pathlib import Path

CHANGING = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")
LEFT_TO_THE_COMMANDS = ("ssvif.__main__", "ssvif.app", "ssvif.models.weights")
IMPORTED_LATE = (
    "matplotlib.backends.backend_pdf", "matplotlib.pyplot", "rich.console", "rich.table", "roadscenes.write",
    "skimage.measure", "transformers.models.segformer.modeling_segformer",
)  # fmt: skip


def import_everything() -> None:
    import torch

    import ssvif

    modules = [each.name for each in pkgutil.walk_packages(ssvif.__path__, "ssvif.")]
    for name in (*(each for each in modules if not each.startswith(LEFT_TO_THE_COMMANDS)), *IMPORTED_LATE):
        import_module(name)
    from ssvif.judging.detect import load_ultralytics

    load_ultralytics()
    atexit.unregister(shutil.rmtree)  # the folder that it writes its settings to is every command's
    torch.set_num_threads(1)
    gc.freeze()  # or each process would look through all that is imported
    assert len([*Path("/proc/self/task").iterdir()]) == 1, "a forked process would wait for other threads"


def next_order() -> dict:
    """Answer orders; return in a forked process with its own."""
    for line in sys.stdin:
        order = json.loads(line)
        if not (process := os.fork()):
            return order
        os.setpgid(process, process)  # as the process itself does: whoever is first
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    raise SystemExit


def begin(order: dict) -> None:
    if os.getpgid(0) != os.getpid():
        os.setpgid(0, 0)
    os.chdir(order["folder"])
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if memory_mb := order.get("memory_mb"):
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + memory_mb * 2**20,) * 2)
    if back_s := order.get("clock_back_s"):
        now, asked = time.time, count(1)
        time.time = lambda: now() - back_s * next(asked)
    watch_operations(order)
    sys.argv = ["ssvif", *order["arguments"]]


def watch_operations(order: dict) -> None:
    """Count what changes names or begins to write in the folder, and signal this process where it is told to."""
    process, done, opens = os.getpid(), 0, order.get("opens")

    def watch(event: str, arguments: tuple) -> None:
        nonlocal done, opens
        if os.getpid() != process:
            return
        writes = event in CHANGING or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if writes and in_folder(arguments[0], order["folder"]):
            done += 1
            if done == order.get("operation"):
                os.killpg(process, order["signal"])
        if opens and event == "open" and opens in str(arguments[0]):
            opens = None
            os.killpg(process, order["signal"])

    def tell() -> None:
        Path(order["log"]).with_suffix(".operations").write_text(f"{done}")

    sys.addaudithook(watch)
    atexit.register(tell)


def in_folder(path: object, folder: str) -> bool:
    named = isinstance(path, str | bytes | os.PathLike)  # and no number of an open file
    return named and os.path.normpath(os.path.join(folder, os.fsdecode(path))).startswith(f"{folder}/")  # noqa: PTH118


if __name__ == "__main__":
    import_everything()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    begin(next_order())
    from ssvif.cli.app import main

    main()
