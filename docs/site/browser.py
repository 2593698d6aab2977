"""Gather what docs/try.md loads into docs/assets/try: ONNX Runtime Web from npm, the network `fast`, an example pair.

Where npm is missing or does not reach its registry, the rest is gathered, and the page says what is missing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/assets/try"
NETWORK = ROOT / "src/ssvif/models/weights/fast.onnx"
PACKAGE = "onnxruntime-web@1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")  # one thread needs no special headers of a server
LIMIT_S = 120  # without a network npm tries for minutes
SCENES = ("--test", "8", "--train", "1", "--seed", "3", "--height", "480", "--width", "640")
SCENE = "50006N.png"  # a night


def main() -> None:
    """Gather what is not there yet; a new version of the package replaces the old one."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    shutil.copy(NETWORK, FOLDER)
    with tempfile.TemporaryDirectory() as text:
        if not _is_gathered():
            _get_runtime(Path(text))
        if not (FOLDER / "visible.png").exists():
            scenes = Path(text, "scenes")
            subprocess.run([sys.executable, "-m", "ssvif", "scenes", "--output", scenes, *SCENES], check=True)
            for side, name in (("vi", "visible.png"), ("ir", "infrared.png")):
                shutil.copy(scenes / "test" / side / SCENE, FOLDER / name)


def _is_gathered() -> bool:
    mark = FOLDER / ".integrity"
    return mark.exists() and mark.read_text() == INTEGRITY and all((FOLDER / name).exists() for name in RUNTIME)


def _get_runtime(folder: Path) -> None:
    try:
        packed = subprocess.check_output(["npm", "pack", "--json", PACKAGE], cwd=folder, timeout=LIMIT_S)
    except (FileNotFoundError, subprocess.SubprocessError) as error:
        logging.warning("docs/try.md will miss ONNX Runtime Web, which needs npm: %s", error)
        return
    archive = folder / json.loads(packed)[0]["filename"]
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != INTEGRITY:
        raise SystemExit(f"{PACKAGE} is not what it was: expected {INTEGRITY}, got {found}")
    with tarfile.open(archive) as opened:
        for name in RUNTIME:
            member = opened.extractfile(f"package/dist/{name}")
            assert member is not None
            (FOLDER / name).write_bytes(member.read())
    (FOLDER / ".integrity").write_text(INTEGRITY)


if __name__ == "__main__":
    main()
