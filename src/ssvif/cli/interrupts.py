"""What SIGINT and SIGTERM do to a command: it cleans up, says how to go on, and ends within seconds."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ssvif.io.launch import speaks
from ssvif.io.ownership import remove_parts

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE_S = 3.0  # with a computation outside of Python, which no signal ends
EPOCHS = "the same command goes on after the last complete epoch"
GOES_ON = {
    "train": EPOCHS,
    "stage-one": EPOCHS,
    "fuse": "the same command goes on where images were written one by one into a folder, and otherwise begins again",
}


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the block by KeyboardInterrupt, and then the process with status 130 or 143.

    Where the block has not ended after `PATIENCE_S`, the process ends, its temporary files and its locks removed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner, received, ended = os.getpid(), list[int](), threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if os.getpid() == owner and received:  # a second one must not disturb the cleaning up
            return
        received.append(number)
        raise KeyboardInterrupt

    # as a handler of Python's runs only between instructions of Python, a thread learns of the signal by a pipe
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    threading.Thread(target=_watch, args=(source, interrupt, ended), daemon=True).start()
    former = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in former.items():
        if handler != signal.SIG_IGN:  # as shells set it for SIGINT in the background
            signal.signal(number, interrupt)
    wakeup, tell = signal.set_wakeup_fd(sink, warn_on_full_buffer=False), sys.unraisablehook
    # where nothing can be raised, as within a destructor or a fork, the thread above ends the process
    sys.unraisablehook = lambda raised: None if raised.exc_type is KeyboardInterrupt else tell(raised)
    os.register_at_fork(after_in_child=lambda: owner and signal.set_wakeup_fd(-1))
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(wakeup)
        sys.unraisablehook = tell
        os.close(sink)
        for number, handler in former.items():
            signal.signal(number, handler)
        if received:
            _say(received[0])
            raise SystemExit(128 + received[0])


def _watch(source: int, handler: Callable[[int, FrameType | None], None], ended: threading.Event) -> None:
    while received := os.read(source, 1):
        number = received[0]
        if number in SIGNALS and signal.getsignal(number) is handler and not ended.wait(PATIENCE_S):
            remove_parts()
            _say(number)
            os._exit(128 + number)
    os.close(source)


def _say(number: int) -> None:
    if not speaks():
        return
    verb = sys.argv[1] if len(sys.argv) > 1 else ""
    goes_on = GOES_ON.get(verb, "the same command begins again, and what its output held before is kept")
    sys.stderr.write(f"\nssvif: ended by {signal.Signals(number).name}; no half-written file is left; {goes_on}\n")
    sys.stderr.flush()
