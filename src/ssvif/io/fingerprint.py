"""Fingerprints of source code, so that changed code reruns what it made and a changed comment does not."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path

from ssvif.io.errors import UserError

ROOT = Path(__file__).parents[2]
PACKAGES = ("ssvif", "roadscenes")
MODULE_PATH = re.compile(rf"({'|'.join(PACKAGES)})(\.\w+)+(:\w+)?")
SCHEMA = "ssvif.schema"  # of which only the imported names count


def fingerprint(*modules: str, without: Collection[str] = ()) -> str:
    """Return a digest of modules and of all that they import from this project.

    Comments, docstrings, descriptions of settings, layout and line numbers do not count. A module named in a string,
    such as "ssvif.models.seafusion:SeAFusion", counts as imported. Of `ssvif.schema`, what is imported from it counts.
    A user's own module counts by its own file; those in `without` do not, nor what only they import.
    """
    reached: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in reached or module in without:
            continue
        name = module.removeprefix(f"{SCHEMA}.") if module.startswith(f"{SCHEMA}.") else ""
        path, modified_ns = _source_file(SCHEMA if name else module)
        if module != SCHEMA and modified_ns is not None:
            reached[module], imports = _read(path, modified_ns, name)
            waiting += imports
    text = "\n".join(f"{module} {code}" for module, code in sorted(reached.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def files_fingerprint(folder: str) -> str:
    """Return a digest of the files in a folder of this package, e.g. "ssvif/report/templates"."""
    paths = sorted(path for path in (ROOT / folder).iterdir() if path.is_file())
    texts = [path.name.encode() + b"\0" + path.read_bytes() for path in paths]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]


def _source_file(module: str) -> tuple[Path, int | None]:
    """Return a module's file and when it was modified; None where there is none, as for an imported function."""
    # a user's own network is a module in the working directory
    root = ROOT if module.partition(".")[0] in PACKAGES else Path.cwd()
    path = root / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    try:
        return path, path.stat().st_mtime_ns
    except OSError:
        return path, None


@cache  # a table of 500 runs asks for a thousand fingerprints
def _read(path: Path, modified_ns: int, name: str) -> tuple[str, list[str]]:
    """Return what counts of a file's code, or of one name in it, and the modules imported there."""
    tree, code = _parse(path, modified_ns)
    if not name:
        return code, _imports([tree])
    nodes = _definition(tree, name)
    return "\n".join(map(ast.dump, nodes)), _imports(nodes)


@cache
def _parse(path: Path, modified_ns: int) -> tuple[ast.Module, str]:
    """Return a file's code without comments and docstrings, and its digest; parsed again when it was modified."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not Python that can be read", got=str(error)) from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [each for each in node.body if not _is_text(each)]
        elif isinstance(node, ast.Call):  # what `Field(description=...)` says of a setting is a docstring too
            node.keywords = [each for each in node.keywords if each.arg != "description"]
    return tree, hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _definition(tree: ast.Module, name: str) -> list[ast.stmt]:
    """Return the statement that gives a name of the schema its value, and those of the names that it uses."""
    for node in tree.body:
        if name in ([node.name] if isinstance(node, ast.ClassDef | ast.FunctionDef) else _names(node, ast.Store)):
            return [node, *(each for used in _names(node, ast.Load) for each in _definition(tree, used))]
    return []


def _names(node: ast.AST, context: type[ast.expr_context]) -> list[str]:
    names = (each for each in ast.walk(node) if isinstance(each, ast.Name))
    return sorted({each.id for each in names if isinstance(each.ctx, context)})


def _imports(nodes: Iterable[ast.AST]) -> list[str]:
    found: list[str] = []
    for node in (each for root in nodes for each in ast.walk(root)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
            found.append(node.module or "")
            found += [f"{node.module}.{each.name}" for each in node.names]
        elif isinstance(node, ast.Import):
            found += [each.name for each in node.names if each.name.split(".")[0] in PACKAGES]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and MODULE_PATH.fullmatch(node.value):
            found.append(node.value.partition(":")[0])
    return found
