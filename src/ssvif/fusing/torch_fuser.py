"""Networks of PyTorch as fusers of NumPy images."""

from __future__ import annotations

import math
from contextlib import nullcontext
from functools import cached_property

import numpy as np
import torch
from torch import nn

from ssvif.fusing.fuser import GPU_BATCH, MEMORY_BYTES, Floats, Fuser, Reach
from ssvif.fusing.tiles import GLOBAL_GRID_PX
from ssvif.io.errors import UserError
from ssvif.models.base import FusionNetwork
from ssvif.models.inference import INFERENCES
from ssvif.models.names import name_of_class

# receptive field, and bytes of live tensors per pixel at the peak; tests measure both again
KNOWN: dict[str, tuple[Reach | None, int]] = {
    "seafusion": (Reach(9), 1450),
    "sage": (Reach(40, 4), 880),
    "swinfusion": (Reach(72, 8), 3600),
    "emma": (None, 500),
    "lite": (Reach(12, 2), 96),
    "cddfuse": (None, 3600),
    "timfusion": (None, 2150),
    "timfusion_light": (None, 1160),
    "segmif": (None, 3100),
    "mrfs": (None, 1200),
}
UNKNOWN_BYTES_PER_PX = 5000  # like the network above that needs most
PROBE_SIDES_PX = (96, 224)


def stretch_down(fused: Floats) -> Floats:
    """Stretch an image (H,W,3) to [0,1] and round down to 8-bit levels / 255, the last step of SeAFusion's script."""
    least, greatest = fused.min(), fused.max()
    if not greatest > least:  # a uniform image is not stretched
        least, greatest = np.float32(0), np.float32(1)
    stretched: Floats = fused - least
    stretched /= greatest - least
    stretched *= np.float32(255)
    np.floor(stretched, out=stretched)  # in place: images of a hundred megabytes pass here
    stretched /= np.float32(255)
    return stretched


class TorchFuser(Fuser):
    """A network on a device.

    Args:
        inference: a key of `ssvif.models.inference.INFERENCES`, whose script to follow.
        precision: "float32", or "bfloat16" for autocast.
        channels_last: memory layout of the convolutions; a fifth faster than channels first on a CPU, and one value
            in 50,000 differs from it by one 8-bit level.
    """

    def __init__(
        self,
        model: FusionNetwork,
        device: torch.device,
        inference: str = "plain",
        precision: str = "float32",
        *,
        channels_last: bool = True,
    ) -> None:
        self._model, self._device = model.to(device).eval(), device
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=self._layout)
        # this stretch is over the whole image: the network's part can be computed in tiles, the stretch at the end
        self.finish = stretch_down if inference == "seafusion" else None
        self._infer = INFERENCES["plain" if self.finish else inference]
        self.half = precision == "bfloat16"
        self.channels = model.channels
        self.tileable = self._infer.tileable
        _, self.bytes_per_px = KNOWN.get(name_of_class(type(model)), (None, UNKNOWN_BYTES_PER_PX))
        self.least_px = 1 if self._infer.pads == "600x800" else model.smallest
        on_gpu = device.type == "cuda"
        self.memory_bytes = torch.cuda.mem_get_info(device)[0] // 2 if on_gpu else MEMORY_BYTES
        # other scripts stretch over their whole batch
        self.batch = GPU_BATCH if on_gpu and self.tileable else 1

    @cached_property
    def reach(self) -> Reach | None:
        """Receptive field; `probe_reach` finds that of a network outside `KNOWN`."""
        name = name_of_class(type(self._model))
        return KNOWN[name][0] if name in KNOWN else probe_reach(self._model, self._device)

    @torch.inference_mode()
    def __call__(self, visible: Floats, infrared: Floats) -> Floats:
        """Return fused images (B,H,W,3) in [0,1] of visible (B,H,W,3) and infrared (B,H,W).

        Raises:
            ValueError: the images have a size that the network does not accept.
            UserError: the GPU's memory is not enough.
        """
        colors = torch.from_numpy(visible).to(self._device).permute(0, 3, 1, 2).contiguous(memory_format=self._layout)
        gray = torch.from_numpy(infrared).to(self._device)[:, None].expand(-1, 3, -1, -1)
        narrow = torch.autocast(self._device.type, torch.bfloat16) if self.half else nullcontext()
        try:
            with narrow:
                fused = self._infer(self._model, colors, gray.contiguous(memory_format=self._layout))
        except torch.OutOfMemoryError as error:
            raise UserError(
                "The GPU's memory is not enough",
                got=str(error).partition("\n")[0],
                remedy="pass --tile 512, --batch 1 or --device cpu",
            ) from error
        return fused.float().permute(0, 2, 3, 1).contiguous().cpu().numpy()


@torch.no_grad()
def probe_reach(model: FusionNetwork, device: torch.device) -> Reach | None:
    """Return how far a block of NaN spreads in a network, on a grid that suits strides and windows up to 32 pixels.

    None if it reaches the border even of the largest image that is tried.
    """
    grid = math.lcm(GLOBAL_GRID_PX, model.multiple)
    for side in PROBE_SIDES_PX:
        margin = side // grid * grid // 2 // grid * grid
        image = torch.full((1, model.channels, side, side), 0.5, device=device)
        image[..., margin : margin + grid, margin : margin + grid] = math.nan
        touched = model(image, image)[0].isnan().any(dim=0)
        places = torch.cat([touched.any(dim=1).nonzero(), touched.any(dim=0).nonzero()])
        if not len(places):  # the network hides NaN, so nothing can be said
            return None
        nearest, farthest = int(places.min()), int(places.max())
        if nearest > 0 and farthest < side - 1:
            return Reach(max(margin - nearest, farthest - (margin + grid - 1)), grid)
    return None
