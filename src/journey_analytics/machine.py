"""What the machine gives: the memory a step took at most, and the room on disk."""

from __future__ import annotations

import resource
import shutil
from contextlib import suppress
from pathlib import Path

_PROCESS = Path("/proc/self")


def forget_peak_memory() -> None:
    """Start measuring the most memory anew, where the kernel can."""
    with suppress(OSError):
        (_PROCESS / "clear_refs").write_text("5", encoding="ascii")


def peak_memory_bytes() -> int:
    """The most memory this process had since `forget_peak_memory`; where the kernel cannot tell, ever."""
    with suppress(OSError):
        for line in (_PROCESS / "status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def free_bytes(folder: Path) -> int:
    """Room on the disk that holds the folder."""
    return shutil.disk_usage(folder).free
