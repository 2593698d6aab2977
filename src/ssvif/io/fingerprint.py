"""Fingerprints of source code, so that changed code reruns what it made and a changed comment does not."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Collection
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
    text, imports = list[str](), list[str]()
    _write(_definition(_statements(path, modified_ns), name) if name else _parse(path), text, imports)
    return hashlib.sha256(" ".join(text).encode()).hexdigest(), imports


@cache
def _statements(path: Path, modified_ns: int) -> dict[str, ast.stmt]:
    """Return which statement gives each name of a module its value; read again when the file was modified."""
    found: dict[str, ast.stmt] = {}
    for node in _parse(path).body:
        names = [node.name] if isinstance(node, ast.ClassDef | ast.FunctionDef) else _names(node, ast.Store)
        for name in names:
            found.setdefault(name, node)
    return found


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not Python that can be read", got=str(error)) from error


def _write(value: object, text: list[str], imports: list[str]) -> None:
    """Append to `text` what counts of a part of a syntax tree, and to `imports` the modules that it imports.

    One pass, since every start of the workflow waits for it: `ast.walk` and `ast.dump` take more than twice as long.
    """
    if isinstance(value, list):
        text.append("[")
        for each in value:
            _write(each, text, imports)
        text.append("]")
        return
    if not isinstance(value, ast.AST):
        text.append(repr(value))
        return
    text.append(type(value).__name__)
    for field in value._fields:
        part = getattr(value, field, None)
        if isinstance(part, list):
            part = [each for each in part if not _is_description(each, value)]
        # newer Pythons add fields that are empty
        if (part and field != "ctx") or isinstance(value, ast.Constant | ast.MatchSingleton):
            text.append(field)
            _write(part, text, imports)
    text.append(")")
    if isinstance(value, ast.Import | ast.ImportFrom | ast.Constant):
        imports += _imports(value)


def _is_description(node: object, parent: ast.AST) -> bool:
    """Return whether a node is a docstring, or what `Field(description=...)` says of a setting, which is one too."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.keyword) and node.arg == "description" and isinstance(parent, ast.Call)


def _definition(statements: dict[str, ast.stmt], name: str) -> list[ast.stmt]:
    """Return the statement that gives a name of the schema its value, and those of the names that it uses."""
    if name not in statements:
        return []
    used = _names(statements[name], ast.Load)
    return [statements[name], *(each for other in used for each in _definition(statements, other))]


def _names(node: ast.AST, context: type[ast.expr_context]) -> list[str]:
    names = (each for each in ast.walk(node) if isinstance(each, ast.Name))
    return sorted({each.id for each in names if isinstance(each.ctx, context)})


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
        return [node.module or "", *(f"{node.module}.{each.name}" for each in node.names)]
    if isinstance(node, ast.Import):
        return [each.name for each in node.names if each.name.split(".")[0] in PACKAGES]
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and MODULE_PATH.fullmatch(node.value):
        return [node.value.partition(":")[0]]
    return []
