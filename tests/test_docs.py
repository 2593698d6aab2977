"""The pages say what is true: their code runs, their commands exist."""

import re
import shlex
import shutil
import sys
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image
from typer.main import get_command

from roadscenes.render import render_scene
from ssvif.cli import app as cli
from ssvif.config.runs import load_runs
from ssvif.data.packed import PairsFile
from ssvif.fusing.api import fuse, load_model
from ssvif.fusing.outputs import video_writer
from ssvif.io.files import read_image, write_png
from ssvif.io.images import read_raw
from ssvif.models import names
from ssvif.models.names import WEIGHTS
from ssvif.models.registry import build_fusion_model, save_fusion_model
from ssvif.pairs.alignment import map_points, read_alignment
from ssvif.pairs.match import find_images
from ssvif.training.options import TrainingOptions

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = get_command(cli.app).commands
ADD_A_NETWORK = "tutorials/add_a_network.md"
QUICK = ["segmenter=b0", "classes=3", "epochs=1", "stages=one", "batch_size=2", "crop_px=32"]


def text_of(page):
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def blocks(page, language):
    """The contents of a page's fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), re.DOTALL | re.MULTILINE)


def shell_lines(page):
    return [line for text in blocks(page, "sh") for line in text.splitlines()]


SHORTENED = {  # what "…" stands for
    "score": ("--visible", "a", "--infrared", "b", "--fused", "c", "--output", "d.csv"),
    "probe": ("--pairs", "a.h5", "--fused", "b", "--output", "c"),
    "train": ("--output", "a"),
}


def commands_in(page):
    """What a page tells to type and begins with `ssvif`: lines of its blocks, and code within its sentences."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    fenced = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    prose = re.sub(r"^```\w*\n.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = re.findall(r"^\s*(?:\$ )?(ssvif .*)$", fenced, re.MULTILINE)
    return lines + re.findall(r"`(ssvif [^`]+)`", prose)


LINES = [pytest.param(line, id=f"{page.name}: {line}") for page in PAGES for line in commands_in(page)]


def parse(line):
    """Let the command line read a line without running it; what it does not know raises."""
    _, *words = shlex.split(line, comments=True)
    if words == ["--help"]:
        return
    verb, *arguments = words
    assert verb in COMMANDS, f"there is no verb {verb}"
    if "…" in arguments:  # stands for the options of a line above
        arguments = [*SHORTENED.get(verb, ()), *(each for each in arguments if each != "…")]
    if arguments and arguments != ["--help"]:  # a bare verb is a mention of it
        COMMANDS[verb].make_context(verb, arguments)


@pytest.mark.parametrize("line", LINES)
def test_commands_on_the_pages_exist(line):
    parse(line)


def test_the_pages_name_commands_in_both_ways():
    assert sum(each.startswith("ssvif fuse VIS IR --") for each in commands_in(ROOT / "docs/own_model.md")) == 1
    assert "ssvif --help" in commands_in(ROOT / "docs/commands.md")
    assert len(LINES) >= 10


@pytest.mark.parametrize(
    ("line", "says"),
    [("ssvif melt", "no verb melt"), ("ssvif fuse --nosuch 3", "--nosuch"), ("ssvif score --fused a", "output")],
)
def test_a_wrong_command_would_be_found(line, says):
    with pytest.raises(Exception, match=says):  # click's own kinds, which typer keeps to itself
        parse(line)


def test_pages_link_to_files_that_exist():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_site_lists_every_page():
    site = (ROOT / "docs/site/mkdocs.yml").read_text(encoding="utf-8")
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:]}
    assert pages <= set(re.findall(r": ([\w/]+\.md)$", site, re.MULTILINE))


@pytest.fixture
def own_folder(tmp_path, monkeypatch, tiny):
    """A user's folder: the tutorial's network and test, packed pairs and two folders of images."""
    module, test = blocks(ADD_A_NETWORK, "python")
    (tmp_path / "my_fusion.py").write_text(module)
    (tmp_path / "test_my_fusion.py").write_text(test)
    (tmp_path / "results/scenes/data").mkdir(parents=True)
    (tmp_path / "results/scenes/data/pairs.h5").symlink_to(tiny / "pairs.h5")
    (tmp_path / "VIS").symlink_to(tiny / "tiny/test/vi")
    (tmp_path / "IR").symlink_to(tiny / "tiny/test/ir")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # a network of one's own is looked for here, and never again
    yield tmp_path
    for name in ("my_fusion", "test_my_fusion"):
        sys.modules.pop(name, None)


@pytest.fixture
def type_in(call):
    """A function that calls `ssvif` by a line of a page: status, output, errors."""
    return lambda line: call(*shlex.split(line)[1:])


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_the_own_network_is_checked_trained_and_fuses(own_folder, type_in):
    check, train, fuse = (line for line in shell_lines("own_model.md") if "ssvif " in line)
    status, output, _ = type_in(check)
    assert status == 0
    assert re.search(r"^my_fusion:MyFusion +3 ", output, re.MULTILINE)
    settings = " ".join(f"--set {each}" for each in QUICK)
    assert type_in(f"{train} {settings} --device cpu")[0] == 0
    assert type_in(f"{fuse} --device cpu")[0] == 0
    fused = {path.stem: path for path in (own_folder / "FUSED").glob("*.png")}
    assert len(fused) == 2
    for name, path in fused.items():
        assert read_image(path).shape == read_image(own_folder / f"VIS/{name}.png").shape


def test_the_own_test_passes_the_own_rows_are_runs_and_the_module_is_short(own_folder):
    sys.path.append(str(own_folder))
    import test_my_fusion

    test_my_fusion.test_keeps_the_size_and_learns_everywhere()
    lines = [line for line in (own_folder / "my_fusion.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 30
    path = own_folder / "mine.tsv"
    path.write_text(blocks(ADD_A_NETWORK, "tsv")[-1])
    runs = {run.name: run for run in load_runs(path, TrainingOptions())}
    assert list(runs) == ["average", "my_fusion_2", "my_fusion"]
    assert runs["my_fusion"].training["fusion_model"] == "my_fusion:MyFusion"


def write_pair(scene, visible, infrared):
    write_png(visible, scene.visible)
    write_png(infrared, scene.infrared)


@pytest.fixture
def cameras(tmp_path, monkeypatch):
    """Two cameras of different resolution beside each other, and a descriptor of their pairs."""
    for number in range(3):
        scene = render_scene(number, 192, 256, "day")
        write_png(tmp_path / f"cameras/visible/{number}.png", scene.visible)
        write_png(tmp_path / f"cameras/infrared/{number}.png", np.roll(scene.infrared, (4, 6), axis=(0, 1))[::2, ::2])
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ntitle: Mine\nfolder: cameras\nlayouts:\n"
        "  - {visible: 'visible/{name}', infrared: 'infrared/{name}'}\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_own_cameras_are_checked_aligned_and_packed(cameras, type_in):
    lines = shell_lines("own_cameras.md")
    assert len(lines) == 6
    for line in lines:
        if "good.csv" in line and "pack" in line:  # the two sizes were errors, so the list is made by `split`
            assert type_in("ssvif split --dataset mine.yaml --data-root . --output good.csv")[0] == 0
        status, _, errors = type_in(line)
        # pairs of two sizes cannot be packed as they are, which --dataset asks for
        assert status == int("--fix-list" in line), errors
    assert {each.name for each in cameras.iterdir()} >= {"findings.csv", "alignment.json", "alignment.png", "pairs.h5"}
    matrix = read_alignment(cameras / "alignment.json").array
    middle = map_points(matrix, np.array([[127.5, 95.5]]))[0]
    assert middle == pytest.approx(((127.5 + 6) / 2, (95.5 + 4) / 2), abs=0.7)


def test_own_pairs_are_trained_on_and_fused(tmp_path, monkeypatch, type_in):
    for number in range(4):
        folder, name = tmp_path / "cameras", f"{number}.png"
        write_pair(render_scene(number, 48, 64, "day"), folder / "visible" / name, folder / "infrared" / name)
    monkeypatch.chdir(tmp_path)
    lines = shell_lines("own_training.md")
    quick = " ".join(f"--set {each}" for each in QUICK)
    for line in lines:
        status, _, errors = type_in(f"{line} {quick}" if " train " in line else line)
        assert status == 0, errors
    named = set(
        re.findall(r"^\| `([a-z_.5]+)/?`.*\|", text_of("own_training.md").partition("Settings")[0], re.MULTILINE)
    )
    assert {"model.safetensors", "history.csv", "record.json", "splits.csv"} <= named
    assert named <= {each.name for each in (tmp_path / "mine").iterdir()}
    assert len(list((tmp_path / "fused").glob("*.png"))) == 4
    assert (tmp_path / "scores.csv").is_file()


@pytest.fixture
def own_data(tmp_path, monkeypatch):
    """Two folders, one folder of both cameras, temperatures and two videos, beside a network in the package."""
    pytest.importorskip("av")
    scenes = [render_scene(number, 48, 64, "day") for number in range(2)]
    for number, scene in enumerate(scenes):
        write_pair(scene, tmp_path / f"VIS/{number}.png", tmp_path / f"IR/{number}.png")
        write_pair(scene, tmp_path / f"cam/{number}_vis.png", tmp_path / f"cam/{number}_ir.png")
        write_pair(
            scene,
            tmp_path / f"flir/rgb/video-B-frame-{number}-c.png",
            tmp_path / f"flir/thermal/video-4-frame-{number}-8.png",
        )
        write_pair(scene, tmp_path / f"left/a{5 + 10 * number}.png", tmp_path / f"right/b{6 + 10 * number}.png")
        wide = render_scene(number, 192, 256, "day")
        write_png(tmp_path / f"dji/2024050110121{3 * number}_W.png", wide.visible)
        write_png(tmp_path / f"dji/2024050110121{3 * number + 1}_T.png", wide.infrared[24:168, 32:224])
        both = np.concatenate([scene.visible, scene.infrared[..., None].repeat(3, axis=2)], axis=1)
        write_png(tmp_path / f"BOTH/{number}.png", both)
        (tmp_path / "THERMAL").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / f"THERMAL/{number}.tif", scene.infrared / np.float32(8) + 280)
    write_pair(scenes[0], tmp_path / "visible.png", tmp_path / "infrared.png")
    (tmp_path / "pairs.csv").write_text("visible,infrared\nVIS/0.png,IR/1.png\nVIS/1.png,IR/0.png\n")
    for name in ("visible", "infrared"):
        with video_writer(tmp_path / f"{name}.mp4", Fraction(25)) as write:
            for scene in scenes:
                image = getattr(scene, name)
                write(image if image.ndim == 3 else image[..., None].repeat(3, axis=2))
    save_fusion_model(build_fusion_model("seafusion"), tmp_path / "w/fast.safetensors", name="seafusion", facts={})
    monkeypatch.setattr(names, "WEIGHTS", tmp_path / "w")
    monkeypatch.setattr("ssvif.fusing.api._load_once", cache(load_model))  # or these networks stay for other tests
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_own_data_is_fused(own_data, type_in):
    lines = shell_lines("own_data.md")
    assert len(lines) == 15
    for line in lines:
        status, _, errors = type_in(line if " align " in line else f"{line} --device cpu")
        assert status == 0, f"{line}\n{errors}"
    made = {each.name for each in own_data.iterdir()}
    assert {"fused.png", "fused.mp4", "steady.mkv", "later.mp4"} <= made
    for folder in ("FUSED", *(f"FUSED{number}" for number in range(2, 11))):
        assert len(find_images(own_data / folder).files) == 2, folder
    wide, fused = (read_image(own_data / each) for each in ("dji/20240501101210_W.png", "FUSED10/20240501101210.png"))
    np.testing.assert_array_equal(fused[:16], wide[:16])  # the thermal camera does not see it
    assert (fused[90:100] != wide[90:100]).any()


def write_annotated(folder, boxes, label):
    """A dataset of one pair with boxes of these names as YOLO text, and a label map."""
    scene = render_scene(0, 96, 128, "day")
    write_pair(scene, folder / "visible/0.png", folder / "infrared/0.png")
    (folder / "boxes").mkdir()
    (folder / "boxes/0.txt").write_text("".join(f"{name} 0.5 0.5 0.2 0.2\n" for name in boxes))
    (folder / "labels").mkdir()
    Image.fromarray(label).save(folder / "labels/0.tif")


PLACES = np.arange(96 * 128).reshape(96, 128)
EXAMPLES = [  # of each example the classes that boxes name, and which they are; a label map, and its class ids
    (["person", "Cyclist", "*", "7", "feright car", "dontcare", "1"], [0, 0, 1, 1, 1], PLACES > 9, []),
    ([], [], PLACES.astype(np.uint8) % 2 * 255, [0, 1]),
    ([], [], np.array([10, 300, 9, -1], np.int32)[PLACES % 4], [0, 1, 255]),
    ([], [], np.array([[0, 0, 0], [192, 0, 128], [255, 255, 255]], np.uint8)[PLACES % 3], [0, 1, 255]),
]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_annotations_are_read_as_the_page_says(tmp_path, type_in, number):
    example = yaml.safe_load(blocks("annotations.md", "yaml")[number])
    boxes, classes, label, ids = EXAMPLES[number]
    layout = {"visible": "visible/{name}", "infrared": "infrared/{name}"}
    layout |= {"boxes": "boxes/{name}.txt"} if boxes else {"label": "labels/{name}"}
    mine = {"name": "mine", "title": "Mine", "folder": "mine", "layouts": [layout], **example}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    write_annotated(tmp_path / "mine", boxes, label)
    dataset = f"--dataset {tmp_path}/mine.yaml --data-root {tmp_path}"
    assert type_in(f"ssvif check {dataset}")[0] == 0
    assert type_in(f"ssvif split {dataset} --output {tmp_path}/splits.csv")[0] == 0
    assert type_in(f"ssvif pack {dataset} --splits {tmp_path}/splits.csv --output {tmp_path}/pairs.h5")[0] == 0
    packed = PairsFile(tmp_path / "pairs.h5")
    if boxes:
        assert packed.boxes("train", "0")[:, 0].tolist() == classes
    else:
        assert np.unique(packed.label("train", "0")).tolist() == ids


def test_every_example_of_annotations_is_tried():
    assert len(blocks("annotations.md", "yaml")) == len(EXAMPLES)


def run_blocks(page):
    """Run a page's Python as one program, and return its names."""
    names = {}
    for text in blocks(page, "python"):
        exec(compile(text, page, "exec"), names)
    return names


def test_the_python_on_the_page_runs(own_data):
    (own_data / "model.safetensors").symlink_to(own_data / "w/fast.safetensors")
    names = run_blocks("python_api.md")
    assert names["first"].size == (64, 48)
    assert names["second"].size == (99, 75)
    np.testing.assert_array_equal(read_image(own_data / "fused.png"), names["fused"])


def test_the_export_on_the_page_is_made_and_used(own_data, type_in, capsys):
    pytest.importorskip("onnxscript", reason="the extra ssvif[onnx] is not installed")
    (own_data / "model.safetensors").symlink_to(own_data / "w/fast.safetensors")
    (own_data / "w/fast.onnx").symlink_to(WEIGHTS / "fast.onnx")
    lines = shell_lines("export.md")
    assert [line.split()[1] for line in lines] == ["export", "export", "fuse", "export"]
    for line in lines:
        assert type_in(line)[0] == 0, line
    run_blocks("export.md")
    assert "lite 3 rgb" in capsys.readouterr().out
    pair = read_image(own_data / "visible.png"), read_image(own_data / "infrared.png")
    np.testing.assert_array_equal(read_image(own_data / "fused.png"), fuse(*pair, load_model(own_data / "fast.onnx")))
    assert sorted(find_images(own_data / "FUSED").files) == ["0", "1"]
    assert (own_data / "model.pt2").is_file()


@pytest.fixture
def thermal(own_data):
    """What thermal cameras write, beside the folders of `own_data`: counts, fill values, time stamps, a deep video."""
    av = pytest.importorskip("av")
    with av.open(str(own_data / "thermal.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "gray16le"
        for number in range(2):
            counts = read_image(own_data / f"IR/{number}.png").astype(np.uint16) * 6 + 21000
            container.mux(stream.encode(av.VideoFrame.from_ndarray(counts, format="gray16le")))
            for folder, image in (("COUNTS", counts), ("FILLED", np.where(np.arange(64) < 6, 0, counts))):
                (own_data / folder).mkdir(exist_ok=True)
                tifffile.imwrite(own_data / folder / f"{number}.tif", image.astype(np.uint16))
            (own_data / "EXTRACTED").mkdir(exist_ok=True)
            Image.fromarray(counts.byteswap()).save(own_data / f"EXTRACTED/{number}.png")
            for side, folder, fraction in (("VIS", "STAMPED_VIS", "000"), ("IR", "STAMPED_IR", "040")):
                (own_data / folder).mkdir(exist_ok=True)
                stamped = own_data / folder / f"20250101_12000{number}.{fraction}.png"
                stamped.write_bytes((own_data / side / f"{number}.png").read_bytes())
        container.mux(stream.encode(None))
    shutil.rmtree(own_data / "VIS")
    for number in range(2):
        scene = render_scene(number, 192, 256, "day")
        write_pair(scene, own_data / f"VIS/{number}.png", own_data / f"unshifted/{number}.png")
        write_png(own_data / f"SHIFTED/{number}.png", np.roll(scene.infrared, (4, 6), axis=(0, 1)))
    return own_data


def test_thermal_images_and_videos_are_fused(thermal, type_in, caplog):
    for line in shell_lines("thermal.md"):
        device = " --device cpu" if " fuse " in line else ""
        status, _, errors = type_in(line + device)
        assert status == 0, f"{line}\n{errors}"
    assert caplog.text.count("the infrared image holds 0 in 9.4% of the pixels") == 1
    assert "of its values are" not in caplog.text
    for folder in ("COUNTS", "KELVIN", "FILLED", "TIME", "ALIGNED"):
        assert len(find_images(thermal / f"FUSED_{folder}").files) == 2
    assert (thermal / "fused.mkv").is_file()
    run_blocks("thermal.md")
    for number in range(2):
        extracted, counts = (
            read_raw(thermal / name).pixels for name in (f"EXTRACTED/{number}.png", f"COUNTS/{number}.tif")
        )
        assert np.array_equal(extracted, counts)
