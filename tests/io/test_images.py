import struct
import tracemalloc
from importlib.util import find_spec

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from reference.images import write_png_of
from ssvif.io.errors import UserError
from ssvif.io.files import read_image
from ssvif.io.images import depth_of, read_raw, upright

DRAW = np.random.default_rng(0)
DEEP = DRAW.integers(0, 65536, (13, 17, 4), np.uint16)
WARM = DRAW.normal(300, 5, (13, 17))


def write_png16(path, array):
    """A PNG of 16 bits per channel, which Pillow does not write: each row led by the filter 'up' or none."""
    height, width, channels = array.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = array.astype(">u2").view(np.uint8).reshape(height, -1)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    filtered = np.where(np.arange(height)[:, None] % 2, rows - above, rows)
    lines = np.hstack([np.arange(height, dtype=np.uint8)[:, None] % 2 * 2, filtered])
    write_png_of(path, width, height, 16, kind, lines.tobytes())


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_of_a_png_are_all_read(tmp_path, channels):
    """Pillow alone keeps the upper byte of color; readers of 8 bits refuse them."""
    write_png16(tmp_path / "deep.png", DEEP[..., :channels])
    read = read_raw(tmp_path / "deep.png")
    assert read.pixels.dtype == np.uint16
    assert np.array_equal(read.pixels, DEEP[..., 0] if channels == 1 else DEEP[..., :3])
    assert read.notes == (("fourth channel",) if channels == 4 else ())
    with pytest.raises(UserError, match=r"deep\.png is not an 8-bit image(?s:.*)16"):
        read_image(tmp_path / "deep.png")


def test_sixteen_bit_gray_with_alpha_is_told_to_lose_its_lower_byte(tmp_path):
    write_png16(tmp_path / "deep.png", DEEP[..., :2])
    read = read_raw(tmp_path / "deep.png")
    assert read.notes == ("fourth channel", "low bytes")
    assert np.array_equal(read.pixels, np.repeat(DEEP[..., :1] >> 8, 3, axis=2))


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["gray", "color", "alpha", "planes"])
def test_sixteen_bits_of_a_tiff_are_all_read(tmp_path, compression, order, kind):
    image = {"gray": DEEP[..., 0], "color": DEEP[..., :3], "alpha": DEEP, "planes": np.moveaxis(DEEP[..., :3], 2, 0)}
    more = {"alpha": {"extrasamples": ["unassalpha"]}, "planes": {"planarconfig": "separate"}}.get(kind, {})
    tifffile.imwrite(
        tmp_path / "deep.tif",
        image[kind],
        photometric="minisblack" if kind == "gray" else "rgb",
        compression=compression,
        byteorder=order,
        **more,
    )
    read = read_raw(tmp_path / "deep.tif").pixels
    assert read.dtype == np.uint16
    assert np.array_equal(read, DEEP[..., 0] if kind == "gray" else DEEP[..., :3])


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int16", "int32", "uint32"])
def test_temperatures_come_as_floats(tmp_path, dtype, order, compression):
    """Of these Pillow takes int8 for uint8, uint32 for int32, and swaps the bytes of compressed ones twice."""
    warm = {"int8": WARM - 310, "uint32": WARM * 1e7}.get(dtype, WARM).astype(dtype)
    tifffile.imwrite(tmp_path / "warm.tif", warm, photometric="minisblack", byteorder=order, compression=compression)
    read = read_raw(tmp_path / "warm.tif").pixels
    assert read.dtype == np.float32
    assert np.array_equal(read, warm.astype(np.float32))
    if dtype == "int8":
        assert depth_of(tmp_path / "warm.tif") == "float"


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_where_zero_is_white_integers_are_inverted(tmp_path, dtype, order, compression):
    """As GDAL shows them; of floats, which are quantities, it is told."""
    image = (DEEP[..., 0] >> 8).astype(dtype)
    nodata = [(42113, "s", 0, "7", True)]
    tifffile.imwrite(
        tmp_path / "a.tif", image, photometric="miniswhite", byteorder=order, compression=compression, extratags=nodata
    )
    read = read_raw(tmp_path / "a.tif")
    if dtype is np.float32:
        assert np.array_equal(read.pixels, np.where(image == 7, np.nan, image), equal_nan=True)
        assert read.notes == ("white is zero",)
    else:
        assert np.array_equal(read.pixels, np.iinfo(dtype).max - image)
        assert (read.notes, read.nodata) == ((), np.iinfo(dtype).max - 7)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_channel_of_no_stated_meaning_is_told_or_kept(tmp_path, dtype, planes, compression):
    """What tifffile and GDAL write by default; Pillow drops the fourth of RGB."""
    path, image = tmp_path / "a.tif", (DEEP >> 8).astype(dtype)
    for channels in (2, 4):
        tifffile.imwrite(
            path,
            image[..., :channels] if planes == "contig" else np.moveaxis(image[..., :channels], 2, 0),
            photometric="rgb" if channels == 4 else "minisblack",
            planarconfig=planes,
            extrasamples=["unspecified"],
            compression=compression,
        )
        read = read_raw(path)
        assert np.array_equal(read.pixels, image[..., 0] if channels == 2 else image[..., :3])
        assert read.notes == ("fourth channel",)
        assert np.array_equal(read_raw(path, all_channels=True).pixels, image[..., :channels])
    tifffile.imwrite(path, np.dstack([DEEP, DEEP])[..., :5].astype(np.uint8), photometric="rgb")
    assert np.array_equal(read_raw(path).pixels, DEEP[..., :3].astype(np.uint8))
    assert read_raw(path).notes == ("channels",)


def test_a_compression_without_codec_has_a_remedy(tmp_path):
    """Pillow has LZW, but does not know gray with a channel of no stated meaning."""
    path = tmp_path / "a.tif"
    Image.fromarray((DEEP[..., :2] >> 8).astype(np.uint8), "LA").save(path, compression="tiff_lzw")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["ExtraSamples"].overwrite(0)
    if find_spec("imagecodecs"):
        assert np.array_equal(read_raw(path).pixels, DEEP[..., 0] >> 8)
    else:
        with pytest.raises(UserError, match="pip install imagecodecs"):
            read_raw(path)
    Image.fromarray((DEEP >> 8).astype(np.uint8), "RGBA").save(path, compression="tiff_lzw")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["ExtraSamples"].overwrite(0)
    assert np.array_equal(read_raw(path, all_channels=True).pixels, DEEP >> 8)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_turned_once(tmp_path, orientation, dtype, compression):
    """Pillow turns it while it loads, tifffile does not."""
    for name, image in (("gray", DEEP[..., 0]), ("color", DEEP[..., :3])):
        path, image = tmp_path / f"{name}.tif", (image >> 8).astype(dtype)
        turn = [(274, "H", 1, orientation, True)]
        tifffile.imwrite(
            path,
            image,
            photometric="rgb" if name == "color" else "minisblack",
            extratags=turn,
            compression=compression,
        )
        read = read_raw(path)
        assert np.array_equal(read.pixels, upright(image, orientation))
        assert read.orientation == orientation


@pytest.mark.parametrize("orientation", range(1, 9))
def test_both_readers_follow_the_exif_orientation(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray((DEEP[..., :3] >> 8).astype(np.uint8)).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    assert np.array_equal(read_raw(tmp_path / "turned.png").pixels, expected)
    assert np.array_equal(read_image(tmp_path / "turned.png"), expected)


@pytest.mark.parametrize(
    ("mode", "suffix", "notes"),
    [
        ("1", "png", ()),
        ("L", "png", ()),
        ("L", "bmp", ()),
        ("L", "tif", ()),
        ("LA", "png", ("alpha",)),
        ("RGBA", "png", ("alpha",)),
        ("P", "png", ()),
        ("PA", "tif", ("alpha",)),
        ("CMYK", "jpg", ()),
        ("CMYK", "tif", ()),
        ("RGB", "png", ()),
        ("RGB", "bmp", ()),
        ("RGB", "tif", ()),
    ],
)
def test_eight_bits_come_as_pillow_converts_them(tmp_path, mode, suffix, notes):
    path = tmp_path / f"image.{suffix}"
    image = Image.fromarray((DEEP >> 8).astype(np.uint8)).convert("RGB")
    image.convert("P" if mode == "PA" else mode).convert(mode).save(path)
    read = read_raw(path)
    assert read.notes == notes
    with Image.open(path) as stored:
        expected = np.asarray(stored.convert("L" if mode in ("1", "L", "LA") else "RGB"))
    for each in (read.pixels, read_image(path)):
        assert each.dtype == np.uint8
        assert each.flags["C_CONTIGUOUS"]
        assert np.array_equal(each, expected)


def test_of_several_pages_the_first_is_read_and_it_is_told(tmp_path):
    tifffile.imwrite(tmp_path / "pages.tif", np.moveaxis(DEEP, 2, 0), photometric="minisblack")
    read = read_raw(tmp_path / "pages.tif")
    assert np.array_equal(read.pixels, DEEP[..., 0])
    assert read.notes == ("pages",)
    assert read_raw(tmp_path / "pages.tif", page=3).notes == ()
    for dtype in (np.uint16, np.float16):  # of which Pillow knows the one
        image = DEEP[..., :3].astype(dtype)
        with tifffile.TiffWriter(tmp_path / "pages.tif") as writer:
            for page in (DEEP[..., 0], image, image[::-1]):  # the first is read whatever the second is
                writer.write(page, photometric="rgb" if page.ndim == 3 else "minisblack")
        for page, expected in ((0, DEEP[..., 0]), (1, image), (2, image[::-1])):
            read = read_raw(tmp_path / "pages.tif", page=page)
            assert np.array_equal(read.pixels, expected)
            assert read.notes == ("pages",) * (page < 2)
        with pytest.raises(UserError, match="too few"):
            read_raw(tmp_path / "pages.tif", page=3)


def test_a_tiff_of_another_kind_is_told(tmp_path):
    tifffile.imwrite(tmp_path / "waves.tif", np.zeros((13, 17, 3), np.complex64), photometric="rgb")
    with pytest.raises(UserError, match="waves") as caught:
        read_raw(tmp_path / "waves.tif")
    assert "complex64 values of shape (13, 17, 3)" in caught.value.got


def test_rows_that_no_strip_of_a_tiff_covers_are_not_taken_as_black(tmp_path):
    path, gray = tmp_path / "strips.tif", DEEP[..., 0].astype(np.uint8)

    def rewrite(tag, value):
        Image.fromarray(gray).save(path)
        with tifffile.TiffFile(path, mode="r+") as file:
            file.pages[0].tags[tag].overwrite(value)

    rewrite("RowsPerStrip", 1)  # one strip holds all
    assert np.array_equal(read_raw(path).pixels, gray)
    rewrite("ImageLength", 100)
    with pytest.raises(UserError, match=r"strips\.tif cannot be read"):
        read_raw(path)


def test_any_damaged_tiff_is_a_user_error(tmp_path):
    generator = np.random.default_rng(0)
    path = tmp_path / "damaged.tif"
    sound = []
    for kind in (np.uint8, np.uint16, np.float32):
        for compression in (None, "zlib"):
            tifffile.imwrite(path, generator.integers(0, 256, (12, 17)).astype(kind), compression=compression)
            sound.append(path.read_bytes())
    told = 0
    for trial in range(150):
        damaged = bytearray(sound[trial % len(sound)])
        for place in generator.integers(0, min(len(damaged), 300), 4):
            damaged[place] = generator.integers(256)
        path.write_bytes(damaged)
        try:
            read_raw(path)
        except UserError as error:
            told += str(path) in str(error)
    assert told > 20


@pytest.mark.parametrize(("reader", "name"), [(read_raw, "a.png"), (read_raw, "a.tif"), (read_image, "a.png")])
def test_an_image_beyond_pillows_limit_is_called_large_not_damaged(tmp_path, monkeypatch, reader, name):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.fromarray(DEEP[..., 0].astype(np.uint8)).save(tmp_path / name)
    with pytest.raises(UserError, match=rf"{name} is too large"):
        reader(tmp_path / name)


@pytest.mark.parametrize(
    ("dtype", "value", "text"),
    [
        (np.float32, -9999, "-9999"),
        (np.float32, -3.4028234663852886e38, "-3.4028234663852886e+38"),
        (np.float64, -1.7976931348623157e308, "-1.7976931348623157e+308"),
        (np.float16, -999, "-999 "),
        (np.int16, -32768, "-32768"),
        (np.float32, 0, "0"),
    ],
)
def test_the_value_that_marks_missing_pixels_is_read_as_nan(tmp_path, dtype, value, text):
    array = WARM.astype(dtype)
    array[3:5, 4:9] = value
    tifffile.imwrite(tmp_path / "a.tif", array, extratags=[(42113, "s", 0, text, True)])
    pixels = read_raw(tmp_path / "a.tif").pixels
    missing = np.zeros(array.shape, bool)
    missing[3:5, 4:9] = True
    assert pixels.dtype == np.float32
    assert np.array_equal(~np.isfinite(pixels), missing)
    assert np.array_equal(pixels[~missing], array[~missing].astype(np.float32))


@pytest.mark.parametrize(("dtype", "text", "value"), [(np.uint16, "65535", 65535.0), (np.uint8, "0", 0.0)])
def test_integers_stay_beside_the_value_that_marks_missing_pixels(tmp_path, dtype, text, value):
    array = DRAW.integers(0, 255, (13, 17), np.uint8).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, extratags=[(42113, "s", 0, text, True)])
    read = read_raw(tmp_path / "a.tif")
    assert read.nodata == value
    assert read.pixels.dtype == dtype
    assert np.array_equal(read.pixels, array)
    for text_of_none in ("none", ""):
        tifffile.imwrite(tmp_path / "b.tif", array, extratags=[(42113, "s", 0, text_of_none, True)])
        assert read_raw(tmp_path / "b.tif").nodata is None


@pytest.mark.parametrize(
    ("marker", "segment", "count", "told"),
    [
        (0xE1, b"FLIR\0\1\0\0" + bytes(100), 1, True),
        (0xE3, bytes(60000), 3, True),  # DJI
        (0xE3, bytes(9000), 2, True),  # a small sensor
        (0xE1, b"Exif\0\0" + bytes(60000), 1, False),
        (0xE2, b"ICC_PROFILE\0" + bytes(60000), 2, False),
        (0xED, b"Photoshop 3.0\0" + bytes(60000), 1, False),
        (0xE3, b"META\0\0", 1, False),
    ],
)
def test_thermal_data_beside_the_picture_is_noticed(tmp_path, marker, segment, count, told):
    Image.fromarray(DEEP[..., 0].astype(np.uint8)).save(tmp_path / "a.jpg")
    jpeg = (tmp_path / "a.jpg").read_bytes()
    added = (bytes([0xFF, marker]) + (len(segment) + 2).to_bytes(2, "big") + segment) * count
    (tmp_path / "b.jpg").write_bytes(jpeg[:2] + added + jpeg[2:])
    assert ("radiometric" in read_raw(tmp_path / "b.jpg").notes) == told
    assert np.array_equal(read_raw(tmp_path / "b.jpg").pixels, read_raw(tmp_path / "a.jpg").pixels)


def claim_tiff(path, width, height, bits=8, form=1, samples=1, strip=b""):
    """Write a TIFF of one strip that claims a size; `form` 1 is unsigned, 3 float."""
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, 1), (262, 3, 1, 1)]
    tags += [(273, 4, 1, 8), (277, 3, 1, samples), (278, 4, 1, height), (279, 4, 1, len(strip)), (339, 3, 1, form)]
    entries = b"".join(struct.pack("<HHII", *each) for each in tags)
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + b"\0" * 8 + strip)


@pytest.mark.parametrize(("bits", "form"), [(8, 1), (16, 1), (32, 3), (64, 3), (16, 3)])
def test_a_few_bytes_claim_no_hundreds_of_megapixels(tmp_path, bits, form, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500_000_000)  # as `ssvif fuse` sets it
    path = tmp_path / "claims.tif"
    claim_tiff(path, 20_000, 20_000, bits, form)
    tracemalloc.start()
    with pytest.raises(UserError, match=r"claims\.tif cannot be read") as caught:
        read_raw(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    assert "400 megapixels claimed by" in caught.value.got


def test_a_blank_image_is_no_claim(tmp_path):
    path = tmp_path / "blank.png"
    Image.new("1", (8000, 8000)).save(path)
    assert path.stat().st_size < 10_000
    assert read_raw(path).pixels.shape == (8000, 8000)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_picture_that_is_a_program_is_not_run(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(RAN) (w) file closefile\nshowpage\n%%EOF\n")
    with pytest.raises(UserError, match="cannot be read as an image"):
        read_raw(path)
