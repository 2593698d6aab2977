"""What two folders of results have in common."""

import hashlib
from pathlib import Path


def digests_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder by its path there, less record.json, which may differ."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "record.json"]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
