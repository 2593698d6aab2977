"""Python runs this first in each process that has its folder in PYTHONPATH: nothing reaches another machine.

An audit hook sees every way of Python to a socket, whoever imported it before, and stays until the process ends. What
it refuses goes to the file that SSVIF_OFFLINE_LOG names, whatever the program makes of the error, and so does each
process, as a sign that it was watched.
"""

import json
import os
import sys
from typing import Any

BY_NAME = ("socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname")
BY_ADDRESS = ("socket.bind", "socket.connect", "socket.sendmsg", "socket.sendto")
LOCAL = ("127.0.0.1", "::1", "localhost", os.uname().nodename, None)


def note(kind: str, *what: object) -> None:
    file = os.open(os.environ["SSVIF_OFFLINE_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{json.dumps([kind, sys.orig_argv, *map(str, what)])}\n".encode())
    os.close(file)


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in BY_NAME:
        host = arguments[0]
    elif event in BY_ADDRESS and isinstance(arguments[1], tuple):  # others are files
        host = arguments[1][0]
    else:
        return
    if host not in LOCAL:
        note("refused", event, host)
        raise OSError(f"no network in this test: {event} {host}")


note("began")
sys.addaudithook(refuse)
