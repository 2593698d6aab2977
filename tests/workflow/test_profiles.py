"""The profiles for clusters, as far as they can be tried without one (`test_slurm.py` has one)."""

import re
import shlex
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from workflow_tools import ROOT, jobs, run_snakemake

PROFILES = ROOT / "workflow/profiles"
PLUGINS = {
    "default": (),
    "gpu": (),
    "slurm": ("snakemake_executor_plugin_slurm",),
    "kubernetes": ("snakemake_executor_plugin_kubernetes", "snakemake_storage_plugin_fs"),
}


@pytest.mark.parametrize("profile", sorted(path.name for path in PROFILES.iterdir()))
def test_every_profile_gives_the_whole_graph(project, profile):
    missing = [name for name in PLUGINS[profile] if find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    arguments = ["--workflow-profile", f"workflow/profiles/{profile}"]
    if profile == "kubernetes":  # what lies on this machine where pods have the volume does not count
        arguments += ["--default-storage-prefix", str(project)]
    assert jobs(run_snakemake(project, "-n", *arguments)) == jobs(run_snakemake(project, "-n"))


def test_each_job_says_what_it_needs_of_a_cluster(project):
    # without messages a dry run shows resources
    for path in (project / "workflow/rules").glob("*.smk"):
        path.write_text(re.sub(r'    message:\n        ".*"\n', "", path.read_text()))
    done = run_snakemake(project, "-n")
    shown = [block for block in (done.stdout + done.stderr).split("\n[") if "benchmark: " in block]
    assert len(shown) > 20
    assert [block for block in shown if not re.search(r"\bruntime=\d+, .*\bmem_mb=\d+", block)] == []


def kubernetes() -> dict:
    return yaml.safe_load((PROFILES / "kubernetes/config.yaml").read_text())


def test_pods_find_project_and_results_on_the_volume():
    profile = kubernetes()
    mount = profile["kubernetes-persistent-volumes"][0].partition(":")[2]
    project = profile["default-storage-prefix"]
    assert Path(project).is_relative_to(mount)
    words = shlex.split(profile["precommand"].replace("&&", " "))
    assert f"{project}/config" in words
    assert words.count(f"{project}/results/.state") == 2  # made, and linked to
    # where the storage plugin puts copies of what lies below the prefix
    assert words.count(f".snakemake/storage/fs{project}/results") == 2


def instructions(kind: str) -> list[list[str]]:
    text = (PROFILES / "kubernetes/Containerfile").read_text().replace("\\\n", " ")
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith(f"{kind} ")]


def test_the_container_gets_what_make_setup_needs():
    copied = {source for *sources, _ in instructions("COPY") for source in sources}
    assert [name for name in copied if not (ROOT / name).exists()] == []
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project, wheel = declared["project"], declared["tool"]["hatch"]["build"]["targets"]["wheel"]
    makefile = (ROOT / "Makefile").read_text()
    [prerequisites] = re.findall(r"^\$\(INSTALLED\): (.*)$", makefile, flags=re.MULTILINE)
    needed = {"Makefile", project["readme"], *project["license-files"], *prerequisites.split()}
    assert needed | {name.partition("/")[0] for name in wheel["packages"]} == copied


def test_the_container_runs_what_there_is():
    commands = [" ".join(words) for words in instructions("RUN")]
    assert "make setup" in commands
    assert re.search(r"^setup:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    [group] = re.findall(r"--group (\w+)", " ".join(commands))
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"][group]
    assert {re.split("[>=]", each)[0].replace("-", "_") for each in wanted} == set(PLUGINS["kubernetes"])
    [[workdir]] = instructions("WORKDIR")
    [environment] = instructions("ENV")
    assert f"PATH={workdir}/.venv/bin:$PATH" in environment
    [wheels] = re.findall(r"--dest (\w+)", " ".join(commands))
    assert f"PIP_FIND_LINKS={workdir}/{wheels}" in environment
