"""Every kind of input that users hand to the project: a valid file of it, how it is spoiled, and what reads it."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

import torch
import yaml

from fuzzing import commands, containers, readers, samples
from fuzzing.mutations import TOKENS, Kind, mutate_bytes, mutate_text, mutate_values, mutate_yaml
from ssvif.pairs.alignment import Alignment, write_alignment
from ssvif.training import loop

Spoil = Callable[[Random, Path], None]  # a file in place
Make = Callable[[Path], Iterable[Path]]  # files in a folder; returns those to be spoiled


def in_bytes(mutate: Callable[..., bytes], *, canary: bool = False) -> Spoil:
    """Return a function that replaces a file's bytes; with `canary`, `mutate` is told where nothing may be touched."""
    return lambda random, path: path.write_bytes(mutate(random, path.read_bytes(), *[canary_of(path)] * canary))


def in_text(mutate: Callable[[Random, str], str]) -> Spoil:
    """Return a function that replaces a file's text, or now and then its bytes."""

    def spoil(random: Random, path: Path) -> None:
        if random.random() < 0.2:
            path.write_bytes(mutate_bytes(random, path.read_bytes()))
        else:
            path.write_bytes(mutate(random, path.read_text("utf-8")).encode("utf-8", "surrogateescape"))

    return spoil


def canary_of(path: Path) -> Path:
    """Return the folder in which nothing may be touched."""
    return next(parent for parent in path.parents if (parent / "canary").is_dir()) / "canary"


# images and videos


def make_images(folder: Path) -> Iterable[Path]:
    """Write images, and one that stays as it is."""
    files = samples.write_images(folder)
    shutil.copy(folder / "deep.png", folder / "good.png")
    return files


# datasets


def make_boxes(folder: Path) -> Iterable[Path]:
    """Write boxes in three forms."""
    (folder / "tiny.yaml").write_text(samples.DESCRIPTOR, "utf-8")
    for name, text in (("a.xml", samples.VOC), ("b.txt", samples.YOLO), ("c.txt", samples.KAIST)):
        (folder / name).write_text(text, "utf-8")
        yield folder / name


def mutate_boxes(random: Random, path: Path) -> None:
    """Spoil boxes; XML also by entities."""
    secret, text = (canary_of(path) / "secret").as_uri(), path.read_text("utf-8")
    levels = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 40))
    bombs = [f'<!ENTITY e0 "x">{levels}', f'<!ENTITY e39 "{"x" * 60_000}">']
    bombs += [f'<!ENTITY e39 SYSTEM "{secret}">', f'<!ENTITY % e39 SYSTEM "{secret}"> %e39;']
    if path.suffix == ".xml" and random.random() < 0.2:
        text = text.replace("<annotation>", f"<!DOCTYPE annotation [{random.choice(bombs)}]><annotation>")
        path.write_text(text.replace("person", "&e39;" * random.choice((1, 60))), "utf-8")
    elif path.suffix == ".xml" and random.random() < 0.1:
        path.write_text(text.replace("<object>", "<a>" * random.choice((100, 5000, 100_000)) + "<object>", 1), "utf-8")
    else:
        in_text(mutate_text)(random, path)


# networks


def make_state(folder: Path) -> Iterable[Path]:
    """Write the training's state after its last epoch."""
    samples.write_dataset(folder)
    unlink, Path.unlink = Path.unlink, lambda self, missing_ok=False: None  # the state is removed at the end
    try:
        readers.train(folder)
    finally:
        Path.unlink = unlink
    return [folder / "state.pt"]


def make_stage_one(folder: Path) -> Iterable[Path]:
    """Write a stage I."""
    samples.write_dataset(folder)
    path = folder / "one.safetensors"
    loop.train_stage_one(
        folder / "pairs.h5", path, folder / "state.pt", options=samples.OPTIONS, device=torch.device("cpu")
    )
    return [path]


# settings and results


def make_results(folder: Path) -> Iterable[Path]:
    """Write results of two runs; return everything that tables and report read."""
    samples.write_results(folder)
    places = ("--results", folder / "results", "--output", folder / "out/tables", "--published", folder / "published")
    commands.ssvif("tables", *places, "--run", "toy/ours")
    read = (path for path in sorted(folder.rglob("*")) if "out" not in path.parts)
    return [path for path in read if path.suffix in (".csv", ".yaml", ".json")]


def mutate_results(random: Random, path: Path) -> None:
    """Spoil a file by its suffix."""
    mutate = {".csv": mutate_text, ".yaml": mutate_yaml, ".json": mutate_json}[path.suffix]
    in_text(mutate)(random, path)


def mutate_json(random: Random, text: str) -> str:
    """Return JSON of another text, of other values, or nested deeply."""
    match random.randrange(8):
        case 0:
            return random.choice(("[" * 100_000, '{"a":' * 100_000, "1" * 10_000, text * 2))
        case 1 | 2:
            return mutate_text(random, text)
        case _:
            return json.dumps(mutate_values(random, json.loads(text)))


def make_alignment(folder: Path) -> Iterable[Path]:
    """Write an alignment, and the pair it is for."""
    samples.write_images(folder)
    size = (samples.WIDTH, samples.HEIGHT)
    matrix = ((1.0, 0.02, 1.5), (-0.02, 1.0, 0.5), (0.0, 0.0001, 1.0))
    write_alignment(folder / "alignment.json", Alignment(matrix, "homography", size, size, pairs=3))
    return [folder / "alignment.json"]


def make_record(folder: Path) -> Iterable[Path]:
    """Fuse a folder, whose record says what was fused with which settings."""
    samples.write_dataset(folder)
    (folder / "fused").mkdir()
    readers.use_record(folder / "fused/.ssvif-fuse.jsonl")
    return [folder / "fused/.ssvif-fuse.jsonl"]


def make_settings(folder: Path) -> Iterable[Path]:
    """Write settings of a training."""
    (folder / "settings.json").write_text(json.dumps(dataclasses.asdict(samples.OPTIONS)), "utf-8")
    arm = {"name": "a", "role": "arm", "title": "A", "runs": {"0": "a_seed0"}}
    ladder = {"primary": "probe.mean_ap", "order": [["a"]]}
    declared = {"ladder": ladder, "dataset": "toy", "title": "Toy", "arms": [arm]}
    (folder / "ladder.json").write_text(json.dumps(declared), "utf-8")
    return [folder / "settings.json", folder / "ladder.json"]


def mutate_packed(random: Random, path: Path) -> None:
    """Spoil a packed file."""
    containers.mutate_hdf5(random, path, canary_of(path))


def mutate_splits(random: Random, path: Path) -> None:
    """Spoil a list of splits, perhaps by paths that leave the dataset."""
    canary = canary_of(path)
    places = [f"{canary}/secret.png", f"../../{canary.name}/secret.png", f"tiny/../../../{canary.name}/secret.png"]
    in_text(lambda random, text: mutate_text(random, text, [*TOKENS, *places * 5]))(random, path)


def mutate_descriptor(random: Random, path: Path) -> None:
    """Spoil a descriptor, perhaps by folders that leave the data root."""
    canary = canary_of(path)
    places = [f"../../{canary.name}", f"../{canary.name}", str(canary), f"../../{canary.name}/vi/{{name}}"]
    if random.random() < 0.2:
        values = yaml.safe_load(path.read_text("utf-8"))
        inside = {"visible": "vi/{name}", "infrared": "ir/{name}"}
        outside = {"visible": f"{{split}}/../../../{canary.name}/vi/{{name}}", "infrared": "{split}/ir/{name}"}
        away: list[dict[str, object]] = [
            {"official_splits": {"train": places[0]}},
            {"folder": places[1]},
            {"folder": places[2], "layouts": [inside], "official_splits": {}},
            {"layouts": [outside]},
        ]
        path.write_text(yaml.safe_dump(values | random.choice(away)))
    else:
        in_text(lambda random, text: mutate_yaml(random, text, places * 5))(random, path)


def network(name: str, write: Callable[[Path], None]) -> Make:
    """Return a function that writes a network, and a pair of images for it."""

    def make(folder: Path) -> Iterable[Path]:
        samples.write_images(folder)
        write(folder / name)
        return [folder / name]

    return make


def dataset(name: str) -> Make:
    """Return a function that writes a dataset, of which one file is to be spoiled."""

    def make(folder: Path) -> Iterable[Path]:
        samples.write_dataset(folder)
        return [folder / name]

    return make


def config(*names: str) -> Make:
    """Return a function that copies the project's configuration, of which some files are to be spoiled."""

    def make(folder: Path) -> Iterable[Path]:
        shutil.copytree(samples.ROOT / "config", folder / "config")
        return [folder / "config" / name for name in names]

    return make


SETTINGS = ("config.yaml", "paper.yaml", "ladder.yaml", "published/tables.yaml")
TABLES = ("experiments/demo.tsv", "experiments/paper.tsv")
mutate_checkpoint, mutate_onnx = (
    in_bytes(mutate, canary=True) for mutate in (containers.mutate_checkpoint, containers.mutate_onnx)
)
mutate_network = in_bytes(containers.mutate_safetensors)
KINDS: dict[str, Kind] = {
    "image": Kind(make_images, in_bytes(containers.mutate_image), readers.read_image, 4),
    "video": Kind(samples.write_videos, in_bytes(mutate_bytes), readers.read_video),
    "packed": Kind(dataset("pairs.h5"), mutate_packed, readers.use_packed, 3),
    "network": Kind(network("a.safetensors", samples.write_network), mutate_network, readers.fuse_with, 2),
    "released": Kind(network("a.pth", samples.write_released), mutate_checkpoint, readers.read_released),
    "state": Kind(make_state, mutate_checkpoint, lambda path: readers.train(path.parent)),
    "stage-one": Kind(make_stage_one, mutate_network, lambda path: readers.train(path.parent, path)),
    "onnx": Kind(network("a.onnx", samples.write_onnx), mutate_onnx, readers.fuse_with, 2),
    "splits": Kind(dataset("splits.csv"), mutate_splits, readers.use_splits),
    "pair-list": Kind(dataset("pairs.csv"), in_text(mutate_text), readers.use_pair_list),
    "experiments": Kind(config(*TABLES), in_text(mutate_text), readers.use_config),
    "config": Kind(config(*SETTINGS), in_text(mutate_yaml), readers.use_config, 2),
    "descriptor": Kind(dataset("tiny.yaml"), mutate_descriptor, readers.use_descriptor, 2),
    "boxes": Kind(make_boxes, mutate_boxes, readers.use_boxes, 4),
    "alignment": Kind(make_alignment, in_text(mutate_json), readers.use_alignment),
    "record": Kind(make_record, in_text(mutate_text), readers.use_record),
    "results": Kind(make_results, mutate_results, readers.use_results, 0.5),
    "settings": Kind(make_settings, in_text(mutate_json), readers.use_settings),
    "names": Kind(commands.make_names, commands.mutate_names, commands.use_names, 0.5),
    "command": Kind(commands.make_commands, commands.mutate_command, commands.use_command, 4),
}
