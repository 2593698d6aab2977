from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from ssvif.io.errors import UserError
from ssvif.io.files import read_csv
from ssvif.judging import cost as complexity
from ssvif.judging.cost import Complexity, LiveBytes, compare, count, measure, to_text
from ssvif.models.base import FusionModel
from ssvif.models.names import channel_choices
from ssvif.models.registry import build_network
from ssvif.schema import FUSION_NETWORKS

PUBLISHED = Path(__file__).parents[2] / "config/published/efficiency.csv"
PIXEL = 4  # bytes of a float32
META = torch.device("meta")
# parameters with the dead ones, multiply-accumulates in G: fvcore's count of the released networks at 256×256
RELEASED = {
    ("swinfusion", 1): (973_681, "75.9801"),
    ("swinfusion", 3): (975_033, "76.0686"),
    ("emma", 1): (1_517_657, "8.6235"),
    ("emma", 3): (1_518_091, "8.6518"),
    ("seafusion", 1): (166_883, "10.8790"),
    ("seafusion", 3): (167_753, "10.9356"),
    ("sage", 1): (135_617, "4.3115"),
    ("sage", 3): (137_347, "4.4247"),
    ("cddfuse", 1): (1_188_272, "117.8578"),
    ("cddfuse", 3): (1_190_000, "118.0466"),
    ("timfusion", 1): (1_232_225, "29.4883"),  # without the two images that it makes besides
    ("timfusion", 3): (1_242_793, "30.1740"),
    ("timfusion_light", 1): (127_358, "8.3378"),
    ("timfusion_light", 3): (130_864, "8.5674"),
    ("segmif", 1): (45_639_243, "69.8579"),  # with the first two stages of its guide, the only ones that it needs
    ("segmif", 3): (45_642_125, "70.0467"),
    ("mrfs", 3): (134_966_426, "25.0863"),  # without what makes logits
    ("lite", 1): (None, "0.6606"),  # ours
    ("lite", 3): (None, "0.7361"),
}
TABLE_FOUR = ("swinfusion", "emma", "seafusion")


class Plain(FusionModel):
    """Keeps the contract: one 1×1 convolution to D channels, one back; the tests change one thing each."""

    feature_channels = 4

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels
        self.into = nn.Conv2d(2 * channels, 4, kernel_size=1, bias=False)
        self.back = nn.Conv2d(4, channels, kernel_size=1, bias=False)

    def backbone(self, visible, infrared):
        return self.into(torch.cat([visible, infrared], dim=1))

    def decoder(self, features):
        return self.back(features)


def bare(kind, channels=3):
    return kind(channels).eval().to(META)


def name_of(kind):
    return f"{kind.__module__}:{kind.__name__}"


@pytest.fixture(scope="module")
def measured():
    """All our networks at the paper's size, by name, channels, height and width: some seconds."""
    keys = [(name, channels, 256, 256) for name in FUSION_NETWORKS for channels in channel_choices(name)]
    return {key: measure(*key) for key in keys}


@pytest.mark.parametrize(("name", "channels"), RELEASED)
def test_networks_cost_what_is_known_of_them_and_printed_in_table_four(measured, name, channels):
    row = measured[name, channels, 256, 256]
    assert (row.released_parameters, f"{row.macs / 1e9:.4f}") == RELEASED[name, channels]
    assert row.parameters == sum(each.numel() for each in build_network(name, channels).parameters())
    assert {key[:2] for key in measured} == set(RELEASED)
    cells = complexity.paper_cells(row, complexity.read_published(PUBLISHED))
    assert bool(cells) == (name in TABLE_FOUR)
    if cells:
        assert cells["parameters_mparam"].endswith(" as printed")
        assert cells["macs_gmac"].endswith(" as printed")
        # less than the paper's allocator, but never less than the network, the pair and the fused image
        own = (row.parameters + 3 * channels * 256 * 256) * PIXEL / 2**20
        assert own < row.peak_bytes / 2**20 < float(cells["peak_memory_mb"].split()[0])


def test_the_papers_figures_are_the_papers(shared):
    printed = complexity.read_published(PUBLISHED)
    rows = read_csv(shared / "paper/table4_efficiency.csv")
    columns = {"parameters_mparam": "params_M", "macs_gmac": "flops_G", "peak_memory_mb": "memory_MB"}
    theirs = {
        (row["model"].lower(), int(row["channels"]), int(row["height"]), int(row["width"]), metric): row[column]
        for row in rows
        for metric, column in columns.items()
    }
    assert printed == theirs
    assert len(printed) == 18


class Layers(Plain):
    """Every kind of layer that counts, and some that do not."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__(channels)
        self.grouped = nn.Conv2d(4, 4, kernel_size=3, stride=2, padding=1, groups=2)
        self.up = nn.ConvTranspose2d(4, 4, kernel_size=4, stride=2, padding=1)
        self.norm = nn.LayerNorm(4)
        self.linear = nn.Linear(4, 12)
        self.batch_norm = nn.BatchNorm2d(4)

    def backbone(self, visible, infrared):
        small = self.batch_norm(self.grouped(super().backbone(visible, infrared)).relu())
        features = self.up(small) * small.mean(dim=(2, 3), keepdim=True) + small.mean(dim=1, keepdim=True).mean()
        features = features + functional.interpolate(small, scale_factor=2, mode="bilinear")
        tokens = self.norm(features.flatten(2).transpose(1, 2))
        query, key, value = self.linear(self.norm(tokens)).unflatten(2, (2, 6)).transpose(1, 2).chunk(3, dim=-1)
        found = self.attend(query, key, value).transpose(1, 2).flatten(2)
        return functional.gelu(found).transpose(1, 2).unflatten(2, visible.shape[-2:]).softmax(dim=1)

    def attend(self, query, key, value):
        return functional.scaled_dot_product_attention(query, key, value)


class WrittenOut(Layers):
    def attend(self, query, key, value):
        return (query @ key.transpose(-1, -2) * 2**-0.5).softmax(dim=-1) @ value


@pytest.mark.parametrize("kind", [Layers, WrittenOut])
@given(rows=st.integers(1, 6), columns=st.integers(1, 6))
def test_multiplications_are_counted_once_each(kind, rows, columns):
    height, width = 2 * rows, 2 * columns
    pixels = height * width
    ends = pixels * (6 * 4 + 4 * 3)
    grouped = pixels // 4 * 4 * 2 * 9  # quarter the pixels, 4 outputs of 2 inputs each
    up = pixels // 4 * 4 * 4 * 16  # each input pixel meets the whole kernel
    norms = 2 * 5 * 4 * pixels + 2 * 4 * pixels // 4
    pooled, resized = 4 * pixels // 4, 4 * 4 * pixels
    linear = pixels * 4 * 12
    attention = 2 * 2 * pixels * pixels * 2  # two heads, scores and values, two channels a head
    macs, _ = count(bare(kind), height, width)
    assert macs == ends + grouped + up + norms + pooled + resized + linear + attention


def test_nothing_is_computed():
    row = measure("seafusion", 3, 1 << 14, 1 << 14)
    assert row.macs == measure("seafusion", 3, 64, 64).macs * (1 << 16)
    assert row.peak_bytes > 100 * 2**30


@given(height=st.integers(1, 40), width=st.integers(1, 40), channels=st.sampled_from([1, 3]))
def test_memory_is_what_lives_at_the_same_time(height, width, channels):
    weights = 2 * channels * 4 + 4 * channels
    at_most = 2 * channels + 2 * channels + 4  # the pair, its concatenation, the features: then the first is let go
    _, peak_bytes = count(bare(Plain, channels), height, width)
    assert peak_bytes == PIXEL * (weights + at_most * height * width)


def test_storages_are_counted_once_and_until_the_last_view_goes():
    with LiveBytes() as counter:
        first = torch.empty(100, device=META)
        view = first.view(10, 10).add_(1)
        assert counter.live == 400
        second = [first * 2, (view + 1).t()]
        assert (counter.live, counter.peak) == (1200, 1200)
        del first, second
        assert (counter.live, counter.peak) == (400, 1200)
        del view
        assert (counter.live, counter.peak) == (0, 1200)


class Coarse(Plain):
    def backbone(self, visible, infrared):
        return functional.avg_pool2d(super().backbone(visible, infrared), 2)

    def decoder(self, features):
        return super().decoder(functional.interpolate(features, scale_factor=2.05))


class Looks(Plain):
    def decoder(self, features):
        return super().decoder(features if features.mean().item() > 0 else -features)


class ColorOnly(Plain):
    def __init__(self, channels: int = 3) -> None:
        if channels != 3:
            raise ValueError("only in color")
        super().__init__(channels)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Coarse, r"Coarse's features do not have the shape it declares\n  expected: .*\n  got:      \(1, 4, 34, 38\)"),
        (Looks, "Looks cannot be counted for 1-channel images of 8×12 pixels"),
        (ColorOnly, "only in color"),
    ],
)
def test_a_broken_contract_is_told(kind, says):
    with pytest.raises(UserError, match=says):
        measure(name_of(kind), 1, 8, 12)


class Padded(Plain):
    """Several maps, on a grid of multiples of 8."""

    feature_channels = multiple = 8

    def backbone(self, visible, infrared):
        height, width = visible.shape[-2:]
        pad = (0, -width % 8, 0, -height % 8)
        features = super().backbone(*(functional.pad(each, pad) for each in (visible, infrared)))
        return [features, functional.avg_pool2d(features, 2)]

    def decoder(self, features):
        return super().decoder(features[0])


def test_padding_and_several_maps_are_within_the_contract():
    row = measure(name_of(Padded), 3, 13, 17)
    assert row.released_parameters is None
    assert row.parameters == 36
    assert row.macs > measure(name_of(Plain), 3, 13, 17).macs


@pytest.mark.parametrize(
    ("value", "printed", "says"),
    [(0.167753, "0.17", "as printed"), (0.966063, "0.98", "(-0.01)"), (105.12, "105.2", "(-0.1)"), (76, "75", "(+1)")],
)
def test_a_figure_is_compared_at_its_printed_digits(value, printed, says):
    assert compare(value, printed) == f"{printed} {says}"


@given(value=st.floats(0, 1e4), digits=st.integers(0, 4))
def test_what_rounds_to_the_printed_number_agrees(value, digits):
    printed = f"{value:.{digits}f}"
    assert compare(value, printed) == f"{printed} as printed"
    assert "as printed" not in compare(value + 2 * 10**-digits, printed)


def row(**changed):
    base = {"model": "seafusion", "channels": 3, "height": 256, "width": 256, "parameters": 166_000}
    counts = {"released_parameters": 167_000, "macs": 10_940_000_000, "peak_bytes": 3 * 2**19}
    return Complexity(**(base | counts | changed))


def test_the_table_is_aligned_and_ends_with_a_verdict():
    published = complexity.read_published(PUBLISHED)
    lines = to_text([row(), row(channels=1, released_parameters=5_000)], published).splitlines()
    assert lines[2].index("MACs, G") == lines[4].index("10.9400")
    assert "166,000      167,000  0.17 as printed  10.9400  10.94 as printed        1.5  106.2 (-104.7)" in lines[4]
    assert "0.17 (-0.17)" in lines[5]
    assert "10.88 (+0.06)" in lines[5]
    assert lines[-1].startswith("2 of 4 parameter and MAC figures are as printed")


def test_columns_without_a_figure_are_left_out():
    text = to_text([row(height=128, released_parameters=None)], complexity.read_published(PUBLISHED))
    assert "paper" not in text
    assert "released" not in text
    assert "GPU" not in text
    assert "GPU, MiB" in to_text([row(gpu_peak_bytes=2**20)], {})


def test_long_form(tmp_path):
    complexity.write_complexity(tmp_path / "c.csv", [row(), row(model="m:Own", released_parameters=None)])
    lines = (tmp_path / "c.csv").read_text().splitlines()
    assert lines == [
        "model,channels,height_px,width_px,quantity,value",
        "seafusion,3,256,256,parameters,166000",
        "seafusion,3,256,256,released_parameters,167000",
        "seafusion,3,256,256,macs,10940000000",
        "seafusion,3,256,256,peak_memory_mb,1.5",
        "m:Own,3,256,256,parameters,166000",
        "m:Own,3,256,256,macs,10940000000",
        "m:Own,3,256,256,peak_memory_mb,1.5",
    ]


@pytest.mark.parametrize("row", ["S,1,256,256,macs_gmac,many", "S,one,256,256,macs_gmac,1", "S,1"])
@pytest.mark.parametrize("header", ["method,channels", "method,channels,height_px,width_px,metric,value"])
def test_a_table_of_another_form_is_named(tmp_path, header, row):
    path = tmp_path / "efficiency.csv"
    path.write_text(f"{header}\n{row}\n")
    with pytest.raises(UserError, match=r"efficiency\.csv cannot be read"):
        complexity.read_published(path)


def test_one_bare_command_gives_table_four(monkeypatch, measured, call):
    monkeypatch.setattr(complexity, "measure", lambda *key: measured[key[:4]])
    monkeypatch.chdir(PUBLISHED.parents[2])
    status, output, _ = call("complexity")
    assert status == 0
    figures = 2 * 2 * len(TABLE_FOUR)
    assert f"{figures} of {figures} parameter and MAC figures are as printed" in output
    assert all(f"\n{name} " in output for name in FUSION_NETWORKS)


def test_one_network_elsewhere_and_as_csv(monkeypatch, tmp_path, call):
    monkeypatch.chdir(tmp_path)
    asked = ["complexity", "seafusion", "--channels=3", "--height=64", "--width=48", "--device=cpu", "--output=c.csv"]
    status, output, _ = call(*asked)
    assert status == 0
    assert "paper" not in output
    values = {line["quantity"]: line["value"] for line in read_csv(tmp_path / "c.csv")}
    assert values["released_parameters"] == "167753"
    first = (tmp_path / "c.csv").read_bytes()
    assert call(*asked)[0] == 0
    assert (tmp_path / "c.csv").read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nosuch"], "Unknown fusion model 'nosuch'"),
        (["seafusion", "--channels", "2"], "1 or 3 channels, not 2"),
        (["seafusion", "--published", "gone.csv"], "gone.csv does not exist"),
    ],
)
def test_a_wrong_call_is_told(call, arguments, says):
    status, output, errors = call("complexity", *arguments)
    assert (status, output) == (1, "")
    assert says in errors


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_allocators_peak_is_near_what_is_counted():
    with_gpu = measure("seafusion", 3, 256, 256, torch.device("cuda"))
    assert with_gpu.gpu_peak_bytes == pytest.approx(with_gpu.peak_bytes, rel=0.5)
    again = measure("seafusion", 3, 256, 256, torch.device("cuda"))
    assert again.gpu_peak_bytes == with_gpu.gpu_peak_bytes
