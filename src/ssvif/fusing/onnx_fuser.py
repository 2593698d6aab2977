"""Fuser for ONNX files written by `ssvif export`; needs no torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from ssvif.fusing.fuser import GPU_BATCH, MOST_REACH_PX, Floats, Fuser, Reach
from ssvif.io.errors import UserError
from ssvif.io.validation import invalid
from ssvif.schema import DEVICES

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SUFFIX = ".onnx"
KEY = "ssvif"  # the metadata entry of an ONNX file that describes the network
CUDA = "CUDAExecutionProvider"
WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
ERRORS_ONLY = 3  # onnxruntime's severity; its warnings are about the device's hardware


class NetworkFacts(BaseModel):
    """What fusing needs of the metadata that `ssvif.fusing.export.describe` makes."""

    channels: Literal[1, 3]
    bytes_per_px: Annotated[int, Field(ge=1, le=10**6)]
    least_px: Annotated[int, Field(ge=1, le=MOST_REACH_PX)]
    reach: Reach | None


class OnnxFuser(Fuser):
    """A network in a file of `ssvif export` that ONNX Runtime computes.

    The device "auto" is a GPU if this ONNX Runtime can use one; with 0 threads it chooses how many the CPU takes.

    Raises:
        UserError: the file is missing, damaged or not of `ssvif export`, or the device cannot be used.
    """

    def __init__(self, path: Path, device: str = "auto", threads: int = 0) -> None:
        self._session = _open_session(path, device, threads)
        self._facts = _read_facts(path, self._session)
        self.channels, self.bytes_per_px = self._facts.channels, self._facts.bytes_per_px
        self.least_px = self._facts.least_px
        self.batch = GPU_BATCH if CUDA in self._session.get_providers() else 1

    @property
    def reach(self) -> Reach | None:
        """Receptive field of the network."""
        return self._facts.reach

    def __call__(self, visible: Floats, infrared: Floats) -> Floats:
        """Return fused images (B,H,W,3) in [0,1] of visible (B,H,W,3) and infrared (B,H,W).

        Raises:
            ValueError: the images have a size that the network does not accept, or what it returns is no such image.
        """
        given = {
            "visible": np.ascontiguousarray(visible.transpose(0, 3, 1, 2)),
            "infrared": np.ascontiguousarray(infrared[:, None]),
        }
        try:
            (fused,) = self._session.run(None, given)
        except Exception as error:  # ONNX Runtime's exception types are not public
            raise ValueError(str(error).partition("\n")[0]) from error
        wanted = (len(visible), 3, *visible.shape[1:3])
        if not (isinstance(fused, np.ndarray) and fused.dtype.kind == "f" and fused.shape == wanted):
            got = f"{fused.dtype} of shape {fused.shape}" if isinstance(fused, np.ndarray) else type(fused).__name__
            raise ValueError(f"it returns {got} in place of floats of shape {wanted}")
        found: Floats = fused.transpose(0, 2, 3, 1)
        return np.ascontiguousarray(found)


def _open_session(path: Path, device: str, threads: int) -> InferenceSession:
    if not path.is_file():
        raise UserError(f"{path} does not exist", remedy="write it with `ssvif export`, or correct the path")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = ERRORS_ONLY
    options.enable_mem_pattern = False  # plans one size in advance and doubles the memory of others
    providers = _providers(device, onnxruntime.get_available_providers())
    try:
        # the bytes, and a folder that is none: weights in other files, which ONNX allows, are not read
        options.add_session_config_entry(WEIGHTS_FOLDER, f"{path}{os.sep}none")
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=providers)
    except Exception as error:  # ONNX Runtime's exception types are not public
        raise UserError(
            f"{path} cannot be opened by ONNX Runtime {onnxruntime.__version__}",
            expected="a file of `ssvif export`, with all its weights inside",
            got=str(error).partition("\n")[0],
            remedy="export the network again",
        ) from error


def _providers(device: str, available: list[str]) -> list[str]:
    """Return the execution providers of ONNX Runtime to use, best first."""
    if device not in DEVICES:
        raise UserError(f"Unknown device {device!r}", expected=" | ".join(DEVICES))
    found = [CUDA] if device != "cpu" and CUDA in available else []
    if device == "cuda" and not found:
        raise UserError(
            "This ONNX Runtime cannot use a GPU", remedy="pip install onnxruntime-gpu, or pass --device cpu"
        )
    return [*found, "CPUExecutionProvider"]


def _read_facts(path: Path, session: InferenceSession) -> NetworkFacts:
    """Return the metadata that `ssvif export` wrote into a file."""
    try:
        return NetworkFacts.model_validate_json(session.get_modelmeta().custom_metadata_map.get(KEY, "{}"))
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is damaged: its metadata is no text",
            got=str(error),
            remedy="export the network with `ssvif export`",
        ) from error
    except ValidationError as error:
        what = f"{path} is not a network exported by ssvif; in the metadata entry {KEY!r}"
        raise invalid(what, error, remedy="export the network with `ssvif export`") from error
