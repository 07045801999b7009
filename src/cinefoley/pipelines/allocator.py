"""Memory allocator setting: keep freed memory in the process, which speeds up networks on Linux CPUs."""

import ctypes
import sys

__all__ = ["keep_freed_memory"]

# glibc's malloc.h; a threshold of -1 means never
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_TOP_PAD_BYTES = 300_000_000


def keep_freed_memory() -> bool:
    """Make glibc keep freed memory for the next tensor, for the rest of this process.

    By default glibc maps every large block anew and unmaps it when freed, and the kernel zeroes the pages
    each time: on virtual machines that costs a network on the CPU up to half of its time. In return, memory
    once used stays with the process. Same as ``MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=16000000000
    MALLOC_TOP_PAD_=300000000`` in the environment. The command line calls it; other programs
    may.

    Returns:
        Whether the settings were accepted. False with another C library (musl, macOS, Windows). A preloaded
        allocator such as jemalloc keeps memory by itself and is not changed.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  musl has a mallopt that does nothing
        mallopt = library.mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, _TOP_PAD_BYTES))
    taken = [mallopt(name, value) == 1 for name, value in settings]  # each, whatever came of the others
    return all(taken)
