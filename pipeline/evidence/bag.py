"""A ZIP file that says of every file in it what it must hash to: a bag (BagIt 1.0, RFC 8493)."""

import hashlib
import os
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


def write_bag(
    path: Path, name: str, payload: Mapping[str, bytes], tags: Mapping[str, bytes], at: float
) -> str:
    """Write a bag in one step and return its SHA-256; `name` is its folder, `at` the time of its files.

    Raises OSError when it cannot be written; then nothing is there."""
    data = {f"data/{file}": content for file, content in payload.items()}
    known = {"bagit.txt": DECLARATION.encode(), **tags, "manifest-sha256.txt": _manifest(data)}
    files = {**known, "tagmanifest-sha256.txt": _manifest(known), **data}
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as bag:
            for file, content in files.items():
                bag.writestr(
                    zipfile.ZipInfo(f"{name}/{file}", time.gmtime(at)[:6]), content, zipfile.ZIP_DEFLATED
                )
        unfinished.chmod(0o600)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _manifest(files: Mapping[str, bytes]) -> bytes:
    """Write the sums of some files as `sha256sum` writes and checks them."""
    lines = (f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    return "".join(lines).encode()
