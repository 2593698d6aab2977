"""Networks of PyTorch as fusers of NumPy images; the one module here that imports torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property

import numpy as np
import torch
from torch import nn

from ssvif.fusing.fuser import MEMORY_BYTES, Floats, Reach
from ssvif.fusing.tiles import GLOBAL_GRID_PX
from ssvif.io.errors import UserError
from ssvif.models.base import FusionModel
from ssvif.models.emma import EMMA
from ssvif.models.emma import SMALLEST as EMMA_LEAST_PX
from ssvif.models.inference import INFERENCES
from ssvif.models.sage import SAGE, SMALLEST_SIDE_PX
from ssvif.models.seafusion import SeAFusion
from ssvif.models.swinfusion import SMALLEST as SWIN_LEAST_PX
from ssvif.models.swinfusion import SwinFusion
from ssvif.schema import PRECISIONS

# tests/frames/test_reach.py finds these again by following single values through the networks
REACHES: dict[type[FusionModel], Reach | None] = {
    SeAFusion: Reach(9),
    SAGE: Reach(40, 4),
    SwinFusion: Reach(72, 8),
    EMMA: None,
}
# live tensors at the peak; tests compare them with `ssvif complexity`
BYTES_PER_PX: dict[type[FusionModel], int] = {SeAFusion: 1450, SAGE: 880, SwinFusion: 4800, EMMA: 500}
LEAST_PX: dict[type[FusionModel], int] = {SAGE: SMALLEST_SIDE_PX, SwinFusion: SWIN_LEAST_PX, EMMA: EMMA_LEAST_PX}
UNKNOWN_BYTES_PER_PX = 5000  # as the hungriest network here
PROBE_SIDES_PX = (96, 224)
GPU_BATCH = 8
WHOLE_IMAGE_SCRIPTS = ("emma",)  # has tiles of its own, and stretches what they give


def stretch_down(fused: Floats) -> Floats:
    """Stretch an image to [0,1] and cut its 8-bit levels off downwards, which SeAFusion's script ends with.

    Args:
        fused: (H,W,3); one of a single value is not stretched.

    Returns:
        (H,W,3), 8-bit levels / 255.
    """
    least, greatest = fused.min(), fused.max()
    stretched = (fused - least) if greatest > least else fused.copy()
    stretched /= greatest - least if greatest > least else np.float32(1)
    stretched *= np.float32(255)
    np.floor(stretched, out=stretched)  # in place: images of a hundred megabytes pass here
    stretched /= np.float32(255)
    return stretched


class TorchFuser:
    """A network on a device.

    Args:
        model: with C = 1 or 3.
        device: to compute on.
        inference: "plain", or whose script to follow, of `ssvif.models.inference.INFERENCES`.
        precision: "float32", or "bfloat16" for autocast.

    Raises:
        UserError: the inference or the precision is unknown.
    """

    finish: Callable[[Floats], Floats] | None

    def __init__(
        self, model: FusionModel, device: torch.device, inference: str = "plain", precision: str = "float32"
    ) -> None:
        for kind, name, known in (("inference", inference, INFERENCES), ("precision", precision, PRECISIONS)):
            if name not in known:
                raise UserError(f"Unknown {kind} {name!r}", expected=" | ".join(known))
        self._model, self._device = model.to(device).eval(), device
        for module in model.modules():
            if isinstance(module, nn.Conv2d):  # NumPy's images have their channels last, and so it is a fifth faster
                module.to(memory_format=torch.channels_last)
        # its stretch is over a whole image: the network's part can be done in tiles, the stretch at the end
        self.finish = stretch_down if inference == "seafusion" else None
        self._infer = INFERENCES["plain" if inference == "seafusion" else inference]
        self._half = precision == "bfloat16"
        self.channels = model.channels
        self.tileable = inference not in WHOLE_IMAGE_SCRIPTS
        self.bytes_per_px = BYTES_PER_PX.get(type(model), UNKNOWN_BYTES_PER_PX)
        self.least_px = LEAST_PX.get(type(model), 1)
        on_gpu = device.type == "cuda"
        self.memory_bytes = torch.cuda.mem_get_info(device)[0] // 2 if on_gpu else MEMORY_BYTES
        # what the scripts of `INFERENCES` stretch is their whole batch
        self.batch = GPU_BATCH if on_gpu and self.tileable else 1

    @cached_property
    def reach(self) -> Reach | None:
        """How far an output pixel sees; of a network that is not ours, found out by `probe_reach`."""
        kind = type(self._model)
        return REACHES[kind] if kind in REACHES else probe_reach(self._model, self._device)

    @torch.inference_mode()
    def __call__(self, visible: Floats, infrared: Floats) -> Floats:
        """Return fused images (B,H,W,3) of visible (B,H,W,3) and infrared (B,H,W), in [0,1].

        Raises:
            ValueError: the images are of a size that the network cannot take.
            UserError: the GPU's memory is not enough.
        """
        bright = torch.from_numpy(visible).to(self._device).permute(0, 3, 1, 2)
        warm = torch.from_numpy(infrared).to(self._device)[:, None].expand(-1, 3, -1, -1)
        narrow = torch.autocast(self._device.type, torch.bfloat16) if self._half else nullcontext()
        try:
            with narrow:
                fused = self._infer(self._model, bright, warm)
        except torch.OutOfMemoryError as error:
            raise UserError(
                "The GPU's memory is not enough",
                got=str(error).partition("\n")[0],
                remedy="pass --tile 512, --batch 1 or --device cpu",
            ) from error
        return fused.float().permute(0, 2, 3, 1).contiguous().cpu().numpy()


@torch.no_grad()
def probe_reach(model: FusionModel, device: torch.device) -> Reach | None:
    """Find out how far a network sees, by following a block of NaN through it.

    Args:
        model: in evaluation mode, on the device.
        device: its device.

    Returns:
        The distance to which NaN spreads beyond the block, on a grid that suits strides and windows up to 32
        pixels; or None if it reaches the border even of the largest image that is tried.
    """
    grid = math.lcm(GLOBAL_GRID_PX, model.multiple)
    for side in PROBE_SIDES_PX:
        margin = side // grid * grid // 2 // grid * grid
        image = torch.full((1, model.channels, side, side), 0.5, device=device)
        image[..., margin : margin + grid, margin : margin + grid] = math.nan
        touched = model(image, image)[0].isnan().any(dim=0)
        places = torch.cat([touched.any(dim=1).nonzero(), touched.any(dim=0).nonzero()])
        if not len(places):  # it hides NaN, so nothing can be said
            return None
        nearest, farthest = int(places.min()), int(places.max())
        if nearest > 0 and farthest < side - 1:
            return Reach(max(margin - nearest, farthest - (margin + grid - 1)), grid)
    return None
