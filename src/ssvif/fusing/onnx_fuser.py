"""Networks in ONNX files of `ssvif export` as fusers of NumPy images; torch is not needed."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssvif.fusing.fuser import MEMORY_BYTES, Floats, Reach
from ssvif.io.errors import UserError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SUFFIX = ".onnx"
KEY = "ssvif"  # of the entry of an ONNX file's metadata that holds what ssvif needs to know
CUDA = "CUDAExecutionProvider"
GPU_BATCH = 8
ERRORS_ONLY = 3  # onnxruntime's severity; its warnings are about the device's hardware


class OnnxFuser:
    """A network that ONNX Runtime computes.

    Args:
        path: a file of `ssvif export`.
        device: "auto" (a GPU if this ONNX Runtime can use one), "cpu" or "cuda".
        threads: of the CPU; 0 leaves the choice to ONNX Runtime.

    Attributes:
        facts: what the file says about the network, see `ssvif.fusing.export.describe`.

    Raises:
        UserError: ONNX Runtime is not installed, the file is missing or damaged or not one of ours, or there is no
            such device.
    """

    tileable = True
    memory_bytes = MEMORY_BYTES
    finish: Callable[[Floats], Floats] | None = None

    def __init__(self, path: Path, device: str = "auto", threads: int = 0) -> None:
        self._session = open_session(path, device, threads)
        self.facts = read_facts(path, self._session)
        self.channels: int = self.facts["channels"]
        self.bytes_per_px: int = self.facts["bytes_per_px"]
        self.least_px: int = self.facts["least_px"]
        self.batch = GPU_BATCH if CUDA in self._session.get_providers() else 1

    @property
    def reach(self) -> Reach | None:
        """How far an output pixel sees."""
        reach = self.facts["reach"]
        return Reach(reach["radius_px"], reach["grid_px"]) if reach else None

    def __call__(self, visible: Floats, infrared: Floats) -> Floats:
        """Return fused images (B,H,W,3) of visible (B,H,W,3) and infrared (B,H,W), in [0,1].

        Raises:
            ValueError: the images are of a size that the network cannot take.
        """
        given = {
            "visible": np.ascontiguousarray(visible.transpose(0, 3, 1, 2)),
            "infrared": np.ascontiguousarray(infrared[:, None]),
        }
        try:
            (fused,) = self._session.run(None, given)
        except Exception as error:  # ONNX Runtime's own kinds, which it does not publish
            raise ValueError(str(error).partition("\n")[0]) from error
        found: Floats = fused.transpose(0, 2, 3, 1)
        return np.ascontiguousarray(found)


def open_session(path: Path, device: str = "cpu", threads: int = 0) -> InferenceSession:
    """Return an ONNX Runtime session of a file.

    Args and errors as of `OnnxFuser`.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist", remedy="write it with `ssvif export`, or correct the path")
    if importlib.util.find_spec("onnxruntime") is None:
        raise UserError(f"{path} needs ONNX Runtime", remedy="pip install 'ssvif[onnx]'")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = ERRORS_ONLY
    options.enable_mem_pattern = False  # plans one size in advance and doubles the memory of others
    try:
        return onnxruntime.InferenceSession(path, options, providers=_providers(device))
    except UserError:
        raise
    except Exception as error:  # ONNX Runtime's own kinds, which it does not publish
        raise UserError(
            f"{path} cannot be opened by ONNX Runtime {onnxruntime.__version__}",
            expected="a file of `ssvif export`",
            got=str(error).partition("\n")[0],
            remedy="export the network again",
        ) from error


def _providers(device: str) -> list[str]:
    """Return what ONNX Runtime may compute with, the best first."""
    from onnxruntime import get_available_providers

    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"Unknown device {device!r}", expected="auto | cpu | cuda")
    found = [CUDA] if device != "cpu" and CUDA in get_available_providers() else []
    if device == "cuda" and not found:
        raise UserError(
            "This ONNX Runtime cannot use a GPU", remedy="pip install onnxruntime-gpu, or pass --device cpu"
        )
    return [*found, "CPUExecutionProvider"]


def read_facts(path: Path, session: InferenceSession) -> dict[str, Any]:
    """Return what `ssvif export` wrote about a network into its file.

    Raises:
        UserError: the file is not one of ours.
    """
    try:
        facts: dict[str, Any] = json.loads(session.get_modelmeta().custom_metadata_map[KEY])
        missing = {"channels", "bytes_per_px", "least_px", "reach"} - facts.keys()
    except (KeyError, ValueError) as error:
        raise _foreign(path, f"no such entry or a damaged one: {error}") from error
    if missing:
        raise _foreign(path, f"no {', '.join(sorted(missing))}")
    return facts


def _foreign(path: Path, got: str) -> UserError:
    return UserError(
        f"{path} is not a network exported by ssvif",
        expected=f"an ONNX file whose metadata has an entry {KEY!r}",
        got=got,
        remedy="export the network with `ssvif export`",
    )
