"""Color difference of the fused to the visible image in CIELAB."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from ssvif.metrics.base import Triple, metric

# IEC 61966-2-1 primaries; each row is divided by the white (0.95047, 1, 1.08883) in `_lab_shares`
RGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
WHITE = (0.95047, 1.0, 1.08883)
# CIE 15: below this share of white the cube root is continued by its tangent
LINEAR_LIMIT = (6 / 29) ** 3
LINEAR_SLOPE = (29 / 6) ** 2 / 3
CHROMA_SEVENTH = 25.0**7
STRIP_PIXELS = 2**16


def lab(image: torch.Tensor) -> torch.Tensor:
    """Convert 8-bit sRGB (B,C,H,W) to CIELAB under D65, unrounded; one channel counts as R = G = B.

    Returns:
        (B,3,H,W) float64: L* 0..100, a*, b*. Source: IEC 61966-2-1; CIE 15.
    """
    levels = image.expand(-1, 3, -1, -1)
    return _lab_of_shares(_lab_shares(levels.flatten(2), *_light(image.device))).view(levels.shape)


def _lab_of_shares(shares: torch.Tensor) -> torch.Tensor:
    x, y, z = shares.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def _light(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    # linear light of the 256 levels, and the matrix from it to X/Xn, Y/Yn, Z/Zn
    values = torch.arange(256, dtype=torch.float64) / 255
    linear = torch.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    matrix = torch.tensor(RGB_TO_XYZ, dtype=torch.float64) / torch.tensor(WHITE, dtype=torch.float64)[:, None]
    return linear.to(device), matrix.to(device)


def _lab_shares(levels: torch.Tensor, linear: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    # (B,3,S) to f(X/Xn), f(Y/Yn), f(Z/Zn), from which L*, a*, b* are differences
    light = linear.index_select(0, levels.to(torch.int32).flatten()).view(levels.shape)
    shares = matrix @ light
    clamped = torch.clamp(shares, min=LINEAR_LIMIT, out=light)
    # the tangent is the cube root at the limit plus the slope times what is missing to it: no branch
    missing = shares.sub_(clamped)
    # a root in float32 and one step of Newton's in float64 err by 1e-13 and cost less than one in float64
    root = clamped.to(torch.float32).log_().div_(3).exp_().to(torch.float64)
    clamped.div_(root).div_(root).add_(root, alpha=2)
    return missing.mul_(LINEAR_SLOPE).add_(clamped, alpha=1 / 3)


def shares_of_both(images: Triple) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return f(X/Xn), f(Y/Yn), f(Z/Zn) of the visible and of the fused image, part by part, (B,3,S) each."""
    visible, fused = (each.expand(-1, 3, -1, -1).flatten(2) for each in (images.visible, images.fused))
    light = _light(fused.device)
    # temporary maps of a part are small on a CPU; a GPU is busy only with the whole images
    size = STRIP_PIXELS if fused.device.type == "cpu" else fused.shape[2]
    pairs = zip(torch.split(visible, size, dim=2), torch.split(fused, size, dim=2), strict=True)
    return [(_lab_shares(before, *light), _lab_shares(after, *light)) for before, after in pairs]


def _mean(images: Triple, difference: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> torch.Tensor:
    # over all pixels, (B,), of a function (B,S) of both images' shares (B,3,S)
    sums = [difference(*pair).sum(dim=1) for pair in images.share(shares_of_both)]
    return torch.stack(sums).sum(dim=0) / images.fused[0, 0].numel()


@metric(convention="paper")
def delta_e76(images: Triple) -> torch.Tensor:
    """Mean Euclidean distance in CIELAB of fused and visible pixels.

    A gray image counts as R = G = B; the infrared image plays no part. Range ≥ 0 CIELAB units,
    lower is better. Source: CIE 1976. Convention: the formula behind published fusion tables, even
    where their text names CIEDE2000; `delta_e2000` is the newer one.
    """
    return _mean(images, _distance)


def _distance(visible: torch.Tensor, fused: torch.Tensor) -> torch.Tensor:
    # L*, a*, b* themselves are not needed: their differences are sums of the shares' differences
    x, y, z = (fused - visible).unbind(dim=1)
    squares = (x - y).mul_(500).square_().addcmul_(y, y, value=116**2)
    return squares.add_((y - z).mul_(200).square_()).sqrt_()


@metric(convention="standard")
def delta_e2000(images: Triple) -> torch.Tensor:
    """Mean CIEDE2000 color difference of fused and visible pixels.

    A gray image counts as R = G = B; the infrared image plays no part. Range ≥ 0 CIELAB units,
    lower is better. Source: Sharma et al. 2005, k_L = k_C = k_H = 1.
    """
    return _mean(images, lambda *shares: ciede2000(*map(_lab_of_shares, shares)))


def ciede2000(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the CIEDE2000 difference (B,...) ≥ 0 of CIELAB colors (B,3,...), in float64.

    Source: Sharma et al. 2005, equations 2 to 22, k_L = k_C = k_H = 1.
    """
    chromas, hues = _adjusted(first, second)
    lightness = (first[:, 0] + second[:, 0]).div_(2).sub_(50).square_()
    chroma = (chromas[0] + chromas[1]).div_(2)
    turn, hue = _turn_and_mean(chromas, hues)
    scale_lightness = (0.015 * lightness).div_(lightness.add_(20).sqrt_()).add_(1)
    scale_chroma = chroma.mul(0.045).add_(1)
    scale_hue = _hue_factor(hue).mul_(chroma).mul_(0.015).add_(1)
    difference = (second[:, 0] - first[:, 0]).div_(scale_lightness).square_()
    by_chroma = (chromas[1] - chromas[0]).div_(scale_chroma)
    by_hue = (chromas[0] * chromas[1]).sqrt_().mul_(turn.div_(2).sin_()).mul_(2).div_(scale_hue)
    rotation = _rotation(hue, chroma).mul_(by_chroma).mul_(by_hue)
    difference.addcmul_(by_chroma, by_chroma).addcmul_(by_hue, by_hue).sub_(rotation)
    return difference.clamp_(min=0).sqrt_()


def _adjusted(first: torch.Tensor, second: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    # equations 2 to 7: chroma and hue (radians, 0..2π) of both after stretching a*
    plain = [(each[:, 1].square() + each[:, 2].square()).sqrt_() for each in (first, second)]
    stretch = 1.5 - 0.5 * _saturation((plain[0] + plain[1]) / 2)
    chromas, hues = [], []
    for each in (first, second):
        a, b = each[:, 1] * stretch, each[:, 2]
        hue = torch.atan2(b, a)
        chromas.append(a.square_().addcmul_(b, b).sqrt_())
        hues.append(hue.add_((hue < 0).to(hue.dtype), alpha=2 * math.pi))
    return chromas, hues


def _turn_and_mean(chromas: list[torch.Tensor], hues: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    # equations 10 and 14; without chroma the turn's factor is 0 and the mean does not matter
    turn = hues[1] - hues[0]
    around = (turn < -math.pi).to(turn.dtype) - (turn > math.pi).to(turn.dtype)
    mean = (hues[0] + hues[1]).div_(2)
    # past half a circle the mean lies opposite, on whichever side keeps it within 0..2π
    opposite = around.abs().mul_(math.pi)
    opposite = torch.where(mean < math.pi, opposite, -opposite)
    return turn.add_(around, alpha=2 * math.pi), mean.add_(opposite)


def _hue_factor(hue: torch.Tensor) -> torch.Tensor:
    # T, equation 15, with cosines of multiples made from one cosine and one sine
    cosine, sine = hue.cos(), hue.sin()
    cosine2, sine2 = cosine.square().mul_(2).sub_(1), (cosine * sine).mul_(2)
    cosine3 = (cosine * cosine2).addcmul_(sine, sine2, value=-1)
    sine3 = (sine * cosine2).addcmul_(cosine, sine2)
    cosine4, sine4 = cosine2.square().mul_(2).sub_(1), (cosine2 * sine2).mul_(2)
    factor = cosine2.mul_(0.24).add_(1)
    terms = ((-0.17, cosine, sine, -30.0), (0.32, cosine3, sine3, 6.0), (-0.2, cosine4, sine4, -63.0))
    for weight, cosines, sines, shift in terms:
        factor.add_(cosines, alpha=weight * math.cos(math.radians(shift)))
        factor.add_(sines, alpha=-weight * math.sin(math.radians(shift)))
    return factor


def _rotation(hue: torch.Tensor, chroma: torch.Tensor) -> torch.Tensor:
    # −R_T, equations 16, 17 and 21
    angle = hue.mul(180 / math.pi).sub_(275).div_(25).square_().neg_().exp_().mul_(math.radians(60))
    return angle.sin_().mul_(_saturation(chroma)).mul_(2)


def _saturation(chroma: torch.Tensor) -> torch.Tensor:
    # sqrt(C⁷/(C⁷ + 25⁷)); pow(7) would cost ten times as much
    square = chroma * chroma
    seventh = (square * square).mul_(square).mul_(chroma)
    return seventh.div_(seventh + CHROMA_SEVENTH).sqrt_()
