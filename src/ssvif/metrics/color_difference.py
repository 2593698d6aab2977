"""Color difference of the fused to the visible image in CIELAB."""

from __future__ import annotations

import torch

from ssvif.metrics.base import Triple, metric


def lab(image: torch.Tensor) -> torch.Tensor:
    """Convert 8-bit sRGB (B,C,H,W) to CIELAB under D65, unrounded; one channel counts as R = G = B.

    Returns:
        (B,3,H,W) float64: L* 0..100, a*, b*. Source: IEC 61966-2-1; CIE 15.
    """
    from ssvif.metrics.compiled_pixels import lab_of_shares

    return torch.stack(lab_of_shares(*_shares(image)), dim=1)


def _light(device: torch.device | str) -> torch.Tensor:
    # linear light of the 256 levels
    values = torch.arange(256, dtype=torch.float64) / 255
    return torch.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).to(device)


def _shares(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    # (B,C,H,W) to f(X/Xn), f(Y/Yn), f(Z/Zn), (B,H,W) each
    from ssvif.metrics.compiled_pixels import lab_shares

    levels = image.expand(-1, 3, -1, -1)
    light = _light(image.device).index_select(0, levels.to(torch.int32).flatten()).view(levels.shape)
    return lab_shares(light[:, 0], light[:, 1], light[:, 2])


def _mean(images: Triple, newer: bool) -> torch.Tensor:
    differences_of = means_by_loops if images.fused.device.type == "cpu" else means_by_maps
    return differences_of(images.visible, images.fused, newer)


def means_by_loops(visible: torch.Tensor, fused: torch.Tensor, newer: bool) -> torch.Tensor:
    """Return the mean color difference of images (B,C,H,W), (B,), on a CPU: CIEDE2000 or the distance in CIELAB."""
    from ssvif.metrics.compiled_pixels import color_sums

    sums = torch.zeros(len(fused), fused.shape[3], dtype=torch.float64)
    before, after = (each.contiguous().numpy() for each in (visible, fused))
    color_sums(before, after, _light("cpu").numpy(), newer, sums.numpy())
    return sums.sum(dim=1) / fused[0, 0].numel()


def means_by_maps(visible: torch.Tensor, fused: torch.Tensor, newer: bool) -> torch.Tensor:
    """Return the same (B,) as `means_by_loops`, on any device, from maps of the whole images."""
    from ssvif.metrics.compiled_pixels import delta_e76_of

    if newer:
        return ciede2000(lab(visible), lab(fused)).mean(dim=(1, 2))
    differences = (after - before for before, after in zip(_shares(visible), _shares(fused), strict=True))
    return delta_e76_of(*differences).mean(dim=(1, 2))


@metric(convention="paper")
def delta_e76(images: Triple) -> torch.Tensor:
    """Mean Euclidean distance in CIELAB of fused and visible pixels.

    A gray image counts as R = G = B; the infrared image plays no part. Range ≥ 0 CIELAB units,
    lower is better. Source: CIE 1976. Convention: the formula behind published fusion tables, even
    where their text names CIEDE2000; `delta_e2000` is the newer one.
    """
    return _mean(images, newer=False)


@metric(convention="standard")
def delta_e2000(images: Triple) -> torch.Tensor:
    """Mean CIEDE2000 color difference of fused and visible pixels.

    A gray image counts as R = G = B; the infrared image plays no part. Range ≥ 0 CIELAB units,
    lower is better. Source: Sharma et al. 2005, k_L = k_C = k_H = 1.
    """
    return _mean(images, newer=True)


def ciede2000(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the CIEDE2000 difference (B,...) ≥ 0 of CIELAB colors (B,3,...), in float64; see `delta_e2000_of`."""
    from ssvif.metrics.compiled_pixels import delta_e2000_of

    return delta_e2000_of(*first.unbind(dim=1), *second.unbind(dim=1))
