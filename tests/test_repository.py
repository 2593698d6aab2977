"""What people and sites look for in a repository agrees with the rest of it."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def without_options(command):
    """Return a linter's command less its options and the folders it is given."""
    words = command.replace("$(BIN)", ".venv/bin").split()
    return " ".join(word for word in words if not word.startswith("-") and word not in (".", "workflow"))


def test_hooks_of_pre_commit_are_the_linters_of_make():
    [repository] = read(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"  # nothing is downloaded
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    [recipe] = re.findall(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    hooks = {without_options(hook["entry"]) for hook in repository["hooks"]}
    assert hooks == {without_options(line) for line in recipe.splitlines()}


def test_the_public_checks_are_those_of_every_change():
    [job] = read(".github/workflows/ci.yml")["jobs"].values()
    assert job["steps"][-1] == {"run": ".ci/run"}
    [python] = [step["with"]["python-version"] for step in job["steps"] if "python-version" in step.get("with", {})]
    assert PROJECT["requires-python"] == f">={python}"


def test_issue_forms_ask_for_something_that_must_be_told():
    forms = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
    assert forms
    for path in forms:
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert set(form) == {"name", "description", "body"}
        asked = [each for each in form["body"] if each["type"] == "textarea"]
        assert all(each["attributes"]["label"] and each["id"] for each in asked)
        assert any(each.get("validations", {}).get("required") for each in asked)


def test_the_citation_is_of_this_version_and_names_the_paper():
    citation = read("CITATION.cff")
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    [paper] = citation["references"]
    assert (paper["journal"], paper["year"]) == ("IEEE Transactions on Image Processing", 2026)
    assert {each["value"].rpartition("/")[2] for each in paper["identifiers"]} == {"arXiv.2509.22450", "2509.22450"}
    assert len(paper["authors"]) == 2


def test_the_catalog_of_snakemake_finds_what_it_requires():
    usage = read(".snakemake-workflow-catalog.yml")["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    assert set(usage["software-stack-deployment"]) == {"conda", "apptainer", "apptainer+conda"}
    assert {"snakemake", "workflow"} < set(re.findall(r"\w+", (ROOT / "README.md").read_text(encoding="utf-8").lower()))
    for name in ("workflow/Snakefile", "config/README.md", "config/config.yaml"):
        assert (ROOT / name).is_file()
    assert list((ROOT / "workflow/rules").glob("*.smk"))
