"""The images of the Containerfile, as far as they can be tried without building them."""

import re
import shlex
import tomllib

import yaml
from workflow_tools import ROOT, jobs, run_snakemake

DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()


def instructions(stage: str, kind: str) -> list[list[str]]:
    """The words of each instruction of a kind in one stage."""
    text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
    [lines] = re.findall(rf"^FROM \S+ AS {stage}\n(.*?)(?=^FROM|\Z)", text, re.MULTILINE | re.DOTALL)
    return [shlex.split(line)[1:] for line in lines.splitlines() if line.startswith(f"{kind} ")]


def test_images_get_what_make_setup_and_the_workflow_need():
    copied = {source for *sources, _ in instructions("source", "COPY") for source in sources}
    project, wheel = DECLARED["project"], DECLARED["tool"]["hatch"]["build"]["targets"]["wheel"]
    [prerequisites] = re.findall(r"^\$\(INSTALLED\): (.*)$", MAKEFILE, flags=re.MULTILINE)
    needed = {"Makefile", project["readme"], *project["license-files"], *prerequisites.split()}
    assert needed | {name.partition("/")[0] for name in wheel["packages"]} == copied
    _, *folders = instructions("demo", "COPY")
    assert folders == [["config", "config"], ["workflow", "workflow"]]
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sent == copied | {"config", "workflow"}
    assert [name for name in sent if not (ROOT / name).exists()] == []


def test_the_image_for_pods_installs_what_there_is():
    commands = [" ".join(words) for words in instructions("cluster", "RUN")]
    assert "make setup" in commands
    assert re.search(r"^setup:", MAKEFILE, flags=re.MULTILINE)
    [group] = re.findall(r"--group (\w+)", " ".join(commands))
    assert any("storage-plugin-fs" in each for each in DECLARED["dependency-groups"][group])
    [[workdir]] = instructions("source", "WORKDIR")
    [environment] = instructions("cluster", "ENV")
    assert f"PATH={workdir}/.venv/bin:$PATH" in environment
    [wheels] = re.findall(r"--dest (\w+)", " ".join(commands))
    assert f"PIP_FIND_LINKS={workdir}/{wheels}" in environment


def test_the_image_of_the_demo_runs_all_but_what_it_does_not_install(project):
    [extras] = re.findall(r"\.\[([\w,]+)\]", str(instructions("installed", "RUN")))
    assert set(extras.split(",")) == {"workflow", "probe"}
    [words] = instructions("demo", "CMD")
    program, *arguments = yaml.safe_load(" ".join(words))
    assert program == "snakemake"
    run, everything = jobs(run_snakemake(project, "-n", *arguments)), jobs(run_snakemake(project, "-n"))
    assert {"probe", "segment"} < set(run)
    assert set(everything) - set(run) == {"detect"}
