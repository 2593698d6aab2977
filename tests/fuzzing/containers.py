"""Mutations that keep a format's checks valid, so that what lies behind them is reached."""

import json
import os
import pickle
import struct
import zipfile
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from random import Random

import h5py
import numpy as np
import onnx
import torch

from fuzzing.mutations import EXTREMES, VALUES, mutate_bytes, mutate_text, mutate_values

SIDES = (0, 1, 7, 65_535, 100_000, 2**31 - 1, 2**32 - 1)  # pixels that an image may claim
BOMB = zlib.compress(bytes(1 << 26))


def mutate_image(random: Random, data: bytes) -> bytes:
    """Return a PNG with spoiled chunks of valid checksums, a TIFF with other tags, a JPEG or BMP of another size."""
    if random.random() < 0.5:
        return mutate_bytes(random, data)
    if data.startswith(b"\x89PNG"):
        return _mutate_png(random, data)
    if data[:4] == b"II*\0":
        return _mutate_tiff(random, data)
    side = random.choice(SIDES)
    if data.startswith(b"BM"):
        at = random.choice((10, 14, 18, 22, 28, 30, 34, 46))
        return data[:at] + struct.pack("<I", side % 2**32) + data[at + 4 :]
    at = data.find(b"\xff\xc0") + random.choice((2, 5, 7, 9))  # of a JPEG: length, height, width, components
    return data[:at] + struct.pack(">H", side % 2**16) + data[at + 2 :]


def _mutate_png(random: Random, data: bytes) -> bytes:
    chunks, at = [], 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append([data[at + 4 : at + 8], data[at + 8 : at + 8 + length]])
        at += 12 + length
    chosen = random.randrange(len(chunks))
    match random.randrange(7):
        case 0:
            sizes = struct.pack(">II", *(random.choice(SIDES) for _ in range(2)))
            chunks[0][1] = sizes + chunks[0][1][8:]
        case 1:
            chunks[0][1] = chunks[0][1][:8] + bytes(random.choice((0, 1, 2, 3, 4, 6, 8, 16, 255)) for _ in range(5))
        case 2:
            del chunks[chosen]
        case 3:
            kind = random.choice((b"tRNS", b"PLTE", b"eXIf", b"gAMA", b"acTL", b"fcTL"))
            chunks.insert(chosen, [kind, random.randbytes(8)])
        case 4:  # a text or profile that unpacks to 64 MB
            kind, start = random.choice(((b"zTXt", b"a\0\0"), (b"iCCP", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0")))
            chunks.insert(1, [kind, start + BOMB])
        case 5:
            pixels = next(chunk for chunk in chunks if chunk[0] == b"IDAT")
            pixels[1] = zlib.compress(mutate_bytes(random, zlib.decompress(pixels[1])))
        case _:
            chunks[chosen][1] = mutate_bytes(random, chunks[chosen][1])
    found = data[:8]
    for kind, body in chunks:
        found += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return found


def _mutate_tiff(random: Random, data: bytes) -> bytes:
    (start,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[start : start + 2])
    found = bytearray(data)
    for _ in range(random.choice((1, 1, 3))):
        at = start + 2 + 12 * random.randrange(count)
        field, form = random.choice(((0, "<H"), (2, "<H"), (4, "<I"), (8, "<I"), (8, "<I"), (8, "<H")))
        number = random.choice((*EXTREMES, *range(17), 259, 262, 277, 338, 42113))
        struct.pack_into(form, found, at + field, number % 2 ** (8 * struct.calcsize(form)))
    if random.random() < 0.1:  # pages without an end
        struct.pack_into("<I", found, start + 2 + 12 * count, start)
    return bytes(found)


def mutate_safetensors(random: Random, data: bytes) -> bytes:
    """Return safetensors of another header: its length, its tensors' kind, shape and place, or its metadata."""
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    match random.randrange(6):
        case 0:
            return random.choice(EXTREMES).to_bytes(8, "little") + data[8:]
        case 1:
            return mutate_bytes(random, data)
        case 2:
            text = mutate_text(random, header["__metadata__"]["ssvif"]) if "__metadata__" in header else "{}"
            header["__metadata__"] = {"ssvif": text}
        case 3:
            stored = header.setdefault("__metadata__", {})
            values = mutate_values(random, json.loads(stored.get("ssvif", "{}")), ["canary:Network"])
            stored["ssvif"] = json.dumps(values)
        case 4:
            name = random.choice([name for name in header if name != "__metadata__"])
            size = header[name]["data_offsets"][1] - header[name]["data_offsets"][0]
            kind, width = random.choice((("F64", 8), ("I32", 4), ("BOOL", 1), ("BF16", 2), ("F8_E4M3", 1), ("U16", 2)))
            shape = random.choice(([size // width], [1, size // width], [0, 2**62], [2**60, size], [-1]))
            header[name] |= {"dtype": kind, "shape": shape}
        case _:
            header = mutate_values(random, header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


class Runs:
    """An object whose unpickling would write a file where nothing may be touched."""

    def __init__(self, canary: Path) -> None:
        self.command = f"touch {canary}/pickle"

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def mutate_checkpoint(random: Random, data: bytes, canary: Path) -> bytes:
    """Return a file of torch.save of other values, with code in it, or one that unpacks to far more than it holds."""
    stream = BytesIO()
    values = torch.load(BytesIO(data), weights_only=True)
    small = torch.zeros(2, 2, dtype=torch.int8)
    tensors = [torch.zeros(1).expand(2**40), torch.zeros(0), small, torch.tensor(float("nan"))]
    match random.randrange(8):
        case 0 | 1:
            return mutate_bytes(random, data)
        case 2:
            return random.choice((pickle.dumps, lambda each: b"PK\3\4" + pickle.dumps(each)))(Runs(canary))
        case 3:
            torch.save(mutate_values(random, values, [Runs(canary)] * 20), stream)
        case 4:
            torch.save(values | {"state": Runs(canary)}, stream, _use_new_zipfile_serialization=random.random() < 0.5)
        case 5:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, zipfile.ZipFile(BytesIO(data)) as given:
                names = given.namelist()
                large = random.choice(names)
                for name in names:
                    archive.writestr(name, bytes(1 << 25) if name == large else given.read(name))
        case _:
            torch.save(mutate_values(random, values, [*tensors, *tensors]), stream)
    return stream.getvalue()


def mutate_hdf5(random: Random, path: Path, canary: Path) -> None:
    """Change attributes, kinds, shapes, links or storage of a packed file, or its bytes."""
    if random.random() < 0.3:
        path.write_bytes(mutate_bytes(random, path.read_bytes()))
        return
    with h5py.File(path, "r+") as file:
        for _ in range(random.choice((1, 1, 3))):
            names: list[str] = []
            file.visit(names.append)
            name = random.choice(names or ["/"])
            with suppress(OSError, ValueError, TypeError, KeyError, RuntimeError):  # what HDF5 itself does not write
                if random.random() < 0.4:
                    _mutate_attribute(random, file[random.choice((name, "/"))])
                else:
                    _mutate_item(random, file, name, canary)


def _mutate_attribute(random: Random, item: h5py.HLObject) -> None:
    name = random.choice([*item.attrs] or ["format"])
    stored = item.attrs.get(name, "")
    choices = [h5py.Empty("f"), np.zeros((3, 3)), np.array(["a", "b"], object), "", "x" * 60_000, 5, 2**63]
    choices += [b"\xff\0", np.void(b"x")]
    if isinstance(stored, str) and stored.startswith("{"):
        choices += [mutate_text(random, stored), json.dumps(mutate_values(random, json.loads(stored)))] * 10
    del item.attrs[name]
    if random.random() < 0.9:
        item.attrs[random.choice((name, name, name, "crc32_visible", "annotations"))] = random.choice(choices)


def _mutate_item(random: Random, file: h5py.File, name: str, canary: Path) -> None:
    old = file.get(name)
    shape = random.choice([*SHAPES, *([old.shape] * 10 if isinstance(old, h5py.Dataset) else [])])
    special = (h5py.string_dtype(), h5py.vlen_dtype("u1"), h5py.ref_dtype)
    kind = random.choice(("u1", "u1", "u1", "f8", "i4", "S4", "f2", *special))
    if name in file and name != "/":
        del file[name]
    layout = h5py.VirtualLayout((24, 32), "u1")
    layout[:] = h5py.VirtualSource(f"{canary}/other.h5", "x", (24, 32))
    small = np.prod(shape, dtype=object) <= 10_000
    match random.randrange(9):
        case 0:
            file[name] = h5py.ExternalLink(f"{canary}/other.h5", random.choice(("/", "/g", "/x")))
        case 1:
            file[name] = h5py.SoftLink(random.choice((name, "/", "/train", "/nowhere", "..")))
        case 2:
            file.create_dataset(name, shape=(24, 32), dtype="u1", external=[(f"{canary}/secret", 0, 768)])
        case 3:
            file.create_virtual_dataset(name, layout)
        case 4:
            file.create_group(name)
        case 5:
            chunks = tuple(max(1, min(64, side)) for side in shape) or None
            kept = random.choice(("gzip", "lzf"))
            file.create_dataset(name, shape=shape, dtype="u1", compression=kept, chunks=chunks)
        case 6:
            file.create_dataset(name, data=h5py.Empty(random.choice(("u1", "f8"))))
        case 7:
            file.create_dataset(name, shape=shape if small else (24, 32), dtype=kind)
        case _:
            file.create_dataset(name, shape=shape, dtype="u1", fillvalue=random.choice((0, 255)))


SHAPES = [(), (0,), (0, 5), (3, 5), (1, 1), (24, 32), (32, 24), (24, 32, 3), (24, 32, 4)]
SHAPES += [(2**20, 2**20), (2**31, 2, 3), (2**40,)]


ATTRIBUTED = ("MaxPool", "Transpose", "Cast")  # which would need more than inputs


def mutate_onnx(random: Random, data: bytes, canary: Path) -> bytes:
    """Return a network of other metadata, weights (perhaps in another file), sizes or operations, or of other bytes."""
    if random.random() < 0.3:
        return mutate_bytes(random, data)
    model = onnx.load_model_from_string(data)
    graph = model.graph
    weight, node = random.choice(graph.initializer), random.choice(graph.node)
    value = random.choice([*graph.input, *graph.output])
    number = random.choice((*EXTREMES, -1)) % 2**63
    match random.randrange(9):
        case 0:
            model.metadata_props[0].value = mutate_text(random, model.metadata_props[0].value)
        case 1:
            facts = json.loads(model.metadata_props[0].value)
            model.metadata_props[0].value = json.dumps(mutate_values(random, facts, [*VALUES, 1, 3]))
        case 2:
            weight.ClearField("raw_data")
            weight.data_location = onnx.TensorProto.EXTERNAL
            places = (f"{canary}/secret", f"../{canary.name}/secret", "../" * 20 + f"{canary}/secret", "secret", "")
            facts = {"location": random.choice((*places, "/dev/zero")), "length": "8"}
            facts["offset"] = str(random.choice((0, number)))
            weight.external_data.extend(onnx.StringStringEntryProto(key=key, value=text) for key, text in facts.items())
        case 3:
            weight.dims[:] = random.choice(([number], [2**31, 2**31, 2**31], [0], [], [1] * 300))
        case 4:
            weight.data_type = random.randrange(24)
        case 5:
            node.op_type = random.choice((*("Add", "Mul", "Sub", "Identity", "Relu", "Shape", "NoSuch"), *ATTRIBUTED))
        case 6:
            names = [*node.input, *node.output, "visible", "infrared", "fused", "", "a/b"]
            node.input[random.randrange(len(node.input))] = random.choice(names)
        case 7:
            value.type.tensor_type.elem_type = random.randrange(24)
        case _:
            for dim in value.type.tensor_type.shape.dim:
                dim.dim_value = random.choice((0, 1, 3, 16, number))
    return model.SerializeToString()
