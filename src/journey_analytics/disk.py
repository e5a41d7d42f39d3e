"""Files as bytes: making sure they are on disk, and knowing them by their content."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_BLOCK = 1 << 20


def sync(path: Path) -> None:
    """Return once the file, or the folder's list of names, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, text: str, *, modified_ns: int | None = None) -> None:
    """Put a text in the place of a file, on disk when this returns; a reader sees the old or the new one.

    Args:
        path: of the file.
        text: what it is to hold.
        modified_ns: when it is to say that it was modified; now, when None.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.tmp")
    scratch.write_text(text, encoding="utf-8")
    if modified_ns is not None:
        os.utime(scratch, ns=(modified_ns, modified_ns))
    put_in_place(scratch, path)


def put_in_place(scratch: Path, path: Path) -> None:
    """Let a new file take the place of another in one rename, on disk when this returns."""
    sync(scratch)
    scratch.rename(path)
    sync(path.parent)


def sync_folder(folder: Path) -> None:
    """Return once all that is in a new folder is on disk, at any depth.

    One call for everything is many times faster than one for each of a year's days; it tells of no error, so
    each file that is new is asked for by itself afterwards, when that costs nothing.
    """
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_nlink == 1:
            sync(path)
    sync(folder)


def sha256_of(path: Path, size: int | None = None) -> str:
    """The hash of the file's content, or of its first `size` bytes."""
    digest = hashlib.sha256()
    left = size
    with path.open("rb") as file:
        while block := file.read(_BLOCK if left is None else min(_BLOCK, left)):
            digest.update(block)
            if left is not None:
                left -= len(block)
    return digest.hexdigest()
