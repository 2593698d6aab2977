"""Fusion networks by name and the trained ones inside the package, without importing torch."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ssvif.io.documents import parse_mapping
from ssvif.io.errors import UserError
from ssvif.io.files import sha256_of
from ssvif.io.fingerprint import fingerprint
from ssvif.schema import FUSION_MODELS, FUSION_NETWORKS, PACKAGED_MODELS

WEIGHTS = Path(__file__).parent / "weights"
BEGIN_AT_MAXIMUM = ("seafusion", "lite")  # networks that `initialization: maximum` knows weights of
OWN_PATH = re.compile(r"\w+(\.\w+)*:\w+")


def class_path(name: str) -> str:
    """Return the `package.module:Class` behind a fusion model's name; such a path is its own.

    Raises:
        UserError: the name is unknown.
    """
    if OWN_PATH.fullmatch(name):
        return name
    if name not in FUSION_NETWORKS:
        near = get_close_matches(name.casefold(), FUSION_NETWORKS, n=1)
        raise UserError(
            f"Unknown fusion model {name!r}",
            expected=" | ".join(FUSION_NETWORKS) + " | package.module:Class",
            remedy=f"write {near[0]}, if you mean that" if near else "take one of these",
        )
    return FUSION_NETWORKS[name]


def check_trainable(name: str) -> None:
    """Check that a name is that of a network which SSVIF can train.

    Raises:
        UserError: the name is unknown, or the network only fuses.
    """
    class_path(name)
    if name in FUSION_NETWORKS and name not in FUSION_MODELS:
        raise UserError(
            f"The network {name} cannot be trained here, only used as released",
            expected=" | ".join(FUSION_MODELS) + " | package.module:Class",
            remedy="correct `fusion_model`, or read its released checkpoint: a run of kind published, or --checkpoint",
        )


def check_own_class(name: str) -> None:
    """Check that the module of a `package.module:Class` and, where it lies below this folder, the class are there.

    Nothing is imported: a class that the file has by `from … import *` passes.

    Raises:
        UserError: there is no such module, or no such class in it.
    """
    module, _, kind = name.partition(":")
    path, top = Path(module.replace(".", "/")), module.partition(".")[0]
    file = next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)
    if not file and (Path(top).with_suffix(".py").is_file() or not (top in sys.modules or find_spec(top))):
        raise UserError(
            f"There is no module {module}",
            expected=f"{path.with_suffix('.py')} here, or {top} on the Python path",
            remedy="correct `fusion_model`",
        )
    if file and kind and not re.search(rf"\b{kind}\b|import \*", text := file.read_text(encoding="utf-8")):
        classes = re.findall(r"^class (\w+)", text, re.MULTILINE)
        raise UserError(f"{file} has no class {kind}", expected=" | ".join(classes), remedy="correct `fusion_model`")


def channel_choices(name: str) -> tuple[int, ...]:
    """Return how many channels a network's images may have; the first number is that of the released network."""
    return (3,) if name in FUSION_NETWORKS and name not in FUSION_MODELS else (1, 3)


def network_of_file(path: Path, header: Mapping[str, Any], network: str = "") -> str:
    """Return the name of the network in a file of `save_fusion_model`, as `build_fusion_model` takes it.

    A file never decides what is imported: a class outside of `FUSION_MODELS` counts only if the user names it.

    Args:
        path: the file, for messages.
        header: of the file, see `read_header`.
        network: "", or the `package.module:Class` that the user names for it.

    Raises:
        UserError: the file's network is a class that the user has not named, or not of the kind that was named.
    """
    held: str = header["fusion_model"]
    try:
        is_ours = class_path(held) in FUSION_MODELS.values()
    except UserError as error:
        raise not_ours(path, ValueError(error.what)) from error
    if is_ours and network in ("", held):
        return held
    if not is_ours and OWN_PATH.fullmatch(network):
        return network
    named = f"--network {held}, in Python load_model({str(path)!r}, network={held!r})"
    raise UserError(
        f"{path} is of the network {held}" + (f", not {network}" if network else ", which is not one of ssvif's"),
        expected=f"{' | '.join(FUSION_MODELS)} | package.module:Class, a class of your own",
        remedy="leave --network out"
        if is_ours
        else f"if you trust its code: ssvif fuse VIS IR -o OUT --model {path} {named}",
    )


def path_of_class(kind: type) -> str:
    """Return the `package.module:Class` of a network's class."""
    return f"{kind.__module__}:{kind.__qualname__}"


def name_of_class(kind: type) -> str:
    """Return the name in `FUSION_NETWORKS` of a network's class; "" for a network of the user's own."""
    return next((name for name, known in FUSION_NETWORKS.items() if known == path_of_class(kind)), "")


def network_fingerprint(fusion_model: str, *modules: str, without: Collection[str] = ()) -> str:
    """Return the digest of what modules do with one fusion network; networks it does not use do not count.

    Args:
        fusion_model: a name, or a path whose file counts if it can be found; empty for none at all.
        *modules: such as "ssvif.training.loop".
        without: modules that do not count, nor what only they import.
    """
    network = class_path(fusion_model).partition(":")[0] if fusion_model else ""
    # this module knows every network, and weights to start from are made for several
    others = {path.partition(":")[0] for path in FUSION_NETWORKS.values()} if fusion_model in FUSION_NETWORKS else set()
    return fingerprint(*modules, *filter(None, [network]), without={__name__, *others, *without} - {network})


def packaged_model(name: str = PACKAGED_MODELS[0]) -> Path:
    """Return the file of a trained network inside the package, by default that of `ssvif fuse` without --model.

    Raises:
        UserError: the name is unknown, or this installation lacks the file.
    """
    if name not in PACKAGED_MODELS:
        raise UserError(f"The package holds no network {name!r}", expected=" | ".join(PACKAGED_MODELS))
    path = WEIGHTS / f"{name}.safetensors"
    if not path.is_file():
        raise UserError(
            f"This installation of ssvif lacks its network {name!r}",
            expected=f"{path}",
            remedy="install ssvif again, or pass --model FILE, --checkpoint FILE --network NAME, or --baseline average",
        )
    return path


def find_model(model: Path | None) -> Path:
    """Return the file of a network: that of a name in `PACKAGED_MODELS`, of None the default's, or the path itself.

    Raises:
        UserError: the path is a folder, or has no suffix, as no file of a network has, and is neither a name nor a
            file.
    """
    model = model or Path(PACKAGED_MODELS[0])
    if str(model) in PACKAGED_MODELS:
        return packaged_model(str(model))
    if model.is_dir():
        raise UserError(f"{model} is a folder", expected="the file of a network, .safetensors or .onnx")
    if not (model.suffix or model.exists()):
        raise UserError(
            f"There is no network {str(model)!r}",
            expected=" | ".join((*PACKAGED_MODELS, "the file of a network, .safetensors or .onnx")),
            remedy="correct the name or the path",
        )
    return model


def check_initialization(initialization: str, fusion_model: str, channels: int) -> None:
    """Check that an initialization is one that the network to be trained can begin with.

    Raises:
        UserError: it is a network inside the package and differs in architecture or channels, or no such weights of
            this network are known.
    """
    if initialization == "maximum" and class_path(fusion_model) not in map(class_path, BEGIN_AT_MAXIMUM):
        raise UserError(
            f"No weights are known with which {fusion_model} returns the maximum",
            expected=" or ".join(BEGIN_AT_MAXIMUM),
            remedy="set `initialization` to default or scaled",
        )
    if initialization not in PACKAGED_MODELS:
        return
    held = read_header(packaged_model(initialization))
    if (class_path(held["fusion_model"]), held["channels"]) != (class_path(fusion_model), channels):
        raise UserError(
            f"`initialization: {initialization}` does not fit {fusion_model} with {channels} channels",
            expected=f"`fusion_model: {held['fusion_model']}` and `channels: {held['channels']}`",
            remedy="set these, or `initialization: default`",
        )


def initial_digest(initialization: str) -> str:
    """Return the SHA-256 of the weights inside the package that a training starts from; "" where it takes none."""
    return sha256_of(packaged_model(initialization)) if initialization in PACKAGED_MODELS else ""


def read_header(path: Path) -> dict[str, Any]:
    """Return what a file of `save_fusion_model` says about its network: name, channels and further facts.

    Raises:
        UserError: the file is missing, damaged, or not one of ours.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist", remedy="correct the path, or train the network first")
    try:
        with safe_open(path, framework="numpy") as stream:
            header = parse_mapping((stream.metadata() or {})["ssvif"])
        channels = header["channels"]
        if not (isinstance(header["fusion_model"], str) and isinstance(channels, int) and channels in (1, 3)):
            raise ValueError("metadata without the name and the channels of a network")
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise not_ours(path, error) from error
    return header


def is_ours(path: Path) -> bool:
    """Return whether a file is one of `save_fusion_model`."""
    try:
        read_header(path)
    except UserError:
        return False
    return True


def not_ours(path: Path, error: Exception) -> UserError:
    """Return the error for a file that is damaged or not of `save_fusion_model`."""
    return UserError(
        f"{path} is not a model written by ssvif",
        expected="a .safetensors of `ssvif train` or an .onnx of `ssvif export`",
        got=str(error),
        remedy="of a released checkpoint name the network, too: --checkpoint FILE --network NAME; "
        "a file of ours is damaged: copy it, or train the network, again",
    )
