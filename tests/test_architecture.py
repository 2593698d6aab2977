"""The rules of the house, read off the source: who may import whom, and how large things get.

That all is annotated is for mypy to say, and that all is documented and nothing printed for ruff.
"""

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
FILES = sorted((SOURCE / "ssvif").rglob("*.py"))
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# top to bottom; those of one level never import each other
LEVELS = (
    {"__main__"},
    {"cli"},
    {"config", "app"},
    {"fusing", "judging", "inspecting", "report"},
    {"training"},
    {"models", "losses", "metrics", "data"},
    {"pairs"},
    {"ops"},
    {"io"},
    {"schema"},
)
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
LOOSE = {"ssvif", "ssvif.__main__", "ssvif.schema"}  # modules that lie in no room
ONLY_IN = {
    "h5py": "data/",
    "ultralytics": "judging/detect.py",
    "numba": "ops/compiling.py",
    "typer": "cli/",
    "gradio": "app/",
    "torchmetrics": "metrics/torchmetrics.py",
}


def name_of(path):
    return path.relative_to(SOURCE).as_posix()


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def module_of(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def imports_of(path):
    """Yield (module, names, line, inside a function) of imports, by `importlib` too; relative ones begin with dots."""
    inside = {id(each) for node in ast.walk(tree_of(path)) if isinstance(node, FUNCTIONS) for each in ast.walk(node)}
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            for each in node.names:
                yield each.name, [], node.lineno, id(node) in inside
        elif isinstance(node, ast.ImportFrom):
            names = [each.name for each in node.names]
            yield "." * node.level + (node.module or ""), names, node.lineno, id(node) in inside
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in ("importlib.import_module", "__import__")
            and isinstance(node.args[0], ast.Constant)
        ):
            yield node.args[0].value, [], node.lineno, id(node) in inside


def own_imports(path):
    """Yield (module of ours, line) of each import, `from ssvif import fusion` as ssvif.fusing.packed."""
    for module, names, line, _ in imports_of(path):
        if module.partition(".")[0] == "ssvif":
            below = [f"{module}.{each}" for each in names if f"{module}.{each}" in MODULES]
            for each in below or [module]:
                yield each, line


def part_of(module):
    return module.split(".")[1] if "." in module else "ssvif"


def test_no_module_lies_loose():
    assert {module for module, path in MODULES.items() if path.parent.name == "ssvif"} == LOOSE


def test_the_scenes_know_nothing_of_ssvif():
    files = sorted((SOURCE / "roadscenes").rglob("*.py"))
    assert files
    assert [name_of(path) for path in files for module, *_ in imports_of(path) if module.startswith("ssvif")] == []


def test_every_part_has_one_level():
    parts = sorted(part for names in LEVELS for part in names)
    assert sorted({part_of(module) for module in MODULES} - {"ssvif"}) == parts


def test_imports_go_down_only():
    wrong = []
    for module, path in MODULES.items():
        here = part_of(module)
        for imported, line in own_imports(path):
            there = part_of(imported)
            if here != "ssvif" and there != here and LEVEL[here] >= LEVEL[there]:
                wrong.append(f"{name_of(path)}:{line} imports {imported}")
    assert wrong == []


def test_only_the_command_line_reads_configuration():
    imports = [(part_of(module), part_of(each)) for module, path in MODULES.items() for each, _ in own_imports(path)]
    assert {reader for reader, imported in imports if imported == "config"} == {"cli", "config"}


def test_configuration_knows_options_and_names_alone():
    """It is read by the Snakefile at every start, so it reaches only modules that import nothing heavy."""
    reading = [path for module, path in MODULES.items() if part_of(module) == "config"]
    reached = {each for path in reading for each, _ in own_imports(path)} - {"ssvif.schema"}
    reached = {each for each in reached if part_of(each) != "config"}
    assert reached == {
        "ssvif.data.descriptor",
        "ssvif.fusing.method_images",  # inside a function, for runs of given images alone
        "ssvif.judging.options",
        "ssvif.models.names",
        "ssvif.models.released_names",
        "ssvif.io.documents",
        "ssvif.io.errors",
        "ssvif.io.fingerprint",
        "ssvif.io.progress",  # with the next and report.runs, by the forecast, which the Snakefile does not read
        "ssvif.io.terminal",
        "ssvif.io.validation",
        "ssvif.report.ladder.declaration",
        "ssvif.report.runs",
        "ssvif.report.specs",
        "ssvif.training.options",
    }


def test_nobody_imports_through_a_package():
    packages = {module_of(path) for path in FILES if path.name == "__init__.py"}
    wrong = []
    for path in FILES:
        for module, names, line, _ in imports_of(path):
            modules = names and all(f"{module}.{each}" in MODULES for each in names)
            if module.startswith(".") or (module in packages and not modules):
                wrong.append(f"{name_of(path)}:{line} imports {', '.join(names)} from {module}")
    assert wrong == []


def test_packages_hold_a_docstring_and_at_most_lazy_exports():
    for path in FILES:
        if path.name == "__init__.py" and path.parent.name != "ssvif":
            body = [ast.unparse(node) for node in tree_of(path).body[1:]]
            lazy = "from lazy_loader import attach"
            assert not body or (body[0], len(body)) == (lazy, 2), name_of(path)


def test_what_a_package_exports_exists_and_costs_nothing_until_asked_for():
    code = """
import sys, pytest
import ssvif.models, ssvif.metrics
assert "torch" not in sys.modules
from ssvif.models import FusionModel, build_fusion_model, load_fusion_model, load_published
from ssvif.metrics import METRICS, evaluate
assert build_fusion_model("seafusion", channels=1).channels == 1
with pytest.raises(AttributeError, match="nosuch"):
    ssvif.models.nosuch
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("path", sorted((SOURCE.parent / "benchmarks").rglob("*.py")), ids=lambda path: path.name)
def test_benchmarks_import_what_there_is(path):
    nodes = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    for node in nodes:
        if (node.module or "").partition(".")[0] == "ssvif":
            module = import_module(node.module)
            for name in node.names:
                assert hasattr(module, name.name) or find_spec(f"{node.module}.{name.name}"), name.name


def test_there_is_no_circle():
    below = {module: {each for each, _ in own_imports(path)} for module, path in MODULES.items()}
    assert len([*TopologicalSorter(below).static_order()]) >= 60  # it raises CycleError, with the circle's modules


@pytest.mark.parametrize(("library", "place"), ONLY_IN.items())
def test_a_library_stays_where_it_belongs(library, place):
    users = {name_of(path) for path in FILES for module, *_ in imports_of(path) if module.split(".")[0] == library}
    assert users
    assert all(user.startswith(f"ssvif/{place}") for user in users)


def test_slow_libraries_are_imported_when_needed():
    """transformers takes ten seconds and more, ultralytics has side effects."""
    for path in FILES:
        for module, _, line, inside in imports_of(path):
            if module.split(".")[0] in ("transformers", "ultralytics"):
                assert inside, f"{name_of(path)}:{line}"


def test_nothing_reaches_for_the_network_or_unpickles():
    forbidden = {"requests", "urllib.request", "http.client", "socket", "wget", "huggingface_hub", "torch.hub"}
    for path in FILES:
        used = forbidden.intersection(module for module, *_ in imports_of(path))
        # looks up the machine on which the processes of a training meet
        assert used == ({"socket"} if name_of(path) == "ssvif/ops/processes.py" else set()), name_of(path)
        for call in calls_in(path):
            if called(call) == "torch.load":
                assert any(each.arg == "weights_only" and each.value.value is True for each in call.keywords)
            assert called(call) not in ("pickle.load", "pickle.loads", "eval", "exec"), name_of(path)


def test_tables_and_page_need_no_torch():
    modules = [module for module in MODULES if part_of(module) == "report"]
    assert len(modules) >= 5
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert set(modules) <= loaded
    assert loaded.isdisjoint({"torch", "transformers", "h5py", "ultralytics", "pandas", "scipy"})
    verbs = {part_of(module) for module, _ in own_imports(MODULES["ssvif.cli.results"])}
    assert verbs.isdisjoint({"metrics", "models", "judging"})


def calls_in(path):
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]


def called(call):
    return ast.unparse(call.func)


def test_nothing_is_put_on_a_gpu_by_name():
    calls = [(called(call), f"{name_of(path)}:{call.lineno}") for path in FILES for call in calls_in(path)]
    assert [where for name, where in calls if name.endswith(".cuda")] == []


def functions_in(path):
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, FUNCTIONS)]


def body_lines(node):
    """Lines of a function's body without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return body[-1].end_lineno - body[0].lineno + 1


def test_files_and_functions_stay_small():
    long_files = [name_of(path) for path in FILES if len(path.read_text(encoding="utf-8").splitlines()) > 400]
    assert long_files == []
    functions = [(body_lines(node), f"{name_of(path)}:{node.name}") for path in FILES for node in functions_in(path)]
    assert [each for each in functions if each[0] > 60] == []
    lengths = sorted(length for length, _ in functions)
    assert lengths[len(lengths) // 2] <= 12


def test_names_are_words():
    """One letter long are only i, j, the axes' letters, and CIE's and the plane's coordinates."""
    allowed = set("ijBCHWKD_xyzab")
    short = []
    for path in FILES:
        for node in ast.walk(tree_of(path)):
            stored = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            name = node.id if stored else node.arg if isinstance(node, ast.arg) else ""
            if len(name) == 1 and name not in allowed:
                short.append(f"{name_of(path)}:{node.lineno} {name}")
    assert short == []


def test_nothing_is_left_undone():
    words = ("TODO", "FIXME", "NotImplementedError", "XXX")
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert not [word for word in words if word in text], name_of(path)


def test_nothing_stands_twice():
    """No two functions of some length have the same body."""
    seen: dict[str, str] = {}
    for path in FILES:
        for node in functions_in(path):
            if body_lines(node) >= 5:
                body = node.body[1:] if ast.get_docstring(node) else node.body
                code, where = "\n".join(map(ast.dump, body)), f"{name_of(path)}:{node.name}"
                assert code not in seen, f"{where} is {seen.get(code)}"
                seen[code] = where
    assert len(seen) > 100


SHAPE = re.compile(
    r"\((?:\*|…|\.\.\.|\w{1,12})(?: ?[,x×|] ?[^\s,()]{1,12}){1,5},?\)|of shape \(\)|\(\w,\)|a scalar|\bshape\b"
)


def test_docstrings_of_tensor_functions_name_shapes():
    """In at least 60 % of the functions that take or return tensors or arrays."""
    named = without = 0
    for path in FILES:
        for node in functions_in(path):
            notes = [*(each.annotation for each in node.args.args + node.args.kwonlyargs), node.returns]
            arrays = re.search(
                r"\b(Tensor|NDArray|Floats|Matrix)\b", " ".join(ast.unparse(each) for each in notes if each)
            )
            if arrays and (text := ast.get_docstring(node)):
                named, without = (named + 1, without) if SHAPE.search(text) else (named, without + 1)
    assert named >= 0.6 * (named + without)
