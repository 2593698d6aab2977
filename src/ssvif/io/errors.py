"""The exception for everything that a user can correct."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

# extra of pyproject.toml → modules that come with it
EXTRAS = {"figures": ("matplotlib",), "torch": ("h5py", "numba", "torch", "transformers")}
LISTED = 20  # lines of a list
LINE, MOST_LINES = 600, 40  # characters of a line, and lines, of a part of a message


class UserError(Exception):
    """Something the user can fix; the command line prints it whole and exits with status 1.

    `what` is the problem in one sentence, naming the file or setting.
    """

    def __init__(self, what: str, *, expected: str = "", got: str = "", remedy: str = "") -> None:
        self.what, self.expected, self.got, self.remedy = map(_cut, (what, expected, got, remedy))
        what, expected, got, remedy = self.what, self.expected, self.got, self.remedy
        lines = [what]
        for name, text in (("expected", expected), ("got", got), ("remedy", remedy)):
            if text:
                lines.append(f"  {name + ':':<10}{text}")
        super().__init__("\n".join(lines))

    def replace(self, **parts: str) -> Self:
        """Return the same error with some of its parts (what, expected, got, remedy) replaced."""
        own = {"what": self.what, "expected": self.expected, "got": self.got, "remedy": self.remedy}
        return type(self)(**own | parts)

    @property
    def reason(self) -> str:
        """The problem in one line of a list: `what (got)`."""
        return f"{self.what} ({self.got})" if self.got else self.what


class NoImagesError(UserError):
    """A folder or a pattern holds no image."""


def name_extra(error: ModuleNotFoundError) -> UserError:
    """Return the error that tells which extra brings a missing module; raise it again where none does."""
    module = (error.name or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if module in modules:
            remedy = f"pip install 'ssvif[{extra}]', or in the project's folder: pip install '.[{extra}]'"
            return UserError(f"This needs {module}, which is not installed", remedy=remedy)
    raise error


def _cut(text: str) -> str:
    """Return a text of at most a screen: the middle of a long line and of a long text is left out."""
    lines = text.split("\n")
    if len(lines) > MOST_LINES:  # the end stays: it is the message where the text is the traceback of a worker
        lines = [*lines[: MOST_LINES // 2], "…", *lines[-MOST_LINES // 2 :]]
    return "\n".join(f"{line[: LINE // 2]} … {line[-LINE // 2 :]}" if len(line) > LINE else line for line in lines)


def itemize(lines: Sequence[str]) -> str:
    """Return lines as a list in an error message or a log, each on a line of its own, with the number of the others."""
    more = [f"and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
    return "".join(f"\n  - {each}" for each in [*lines[:LISTED], *more])


def shorten(names: list[str], most: int = 5) -> str:
    """Join names for an error message, cutting a long list: 'a, b, c and 7 more'."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def counted(count: int, noun: str) -> str:
    """Return "1 pair", "2 pairs"; for nouns that only take an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
