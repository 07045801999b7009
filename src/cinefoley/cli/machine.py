"""Describe this machine: versions, devices, memory, allocator, installed extras."""

import os
import platform
import re
import shutil
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["describe_machine"]

_MALLOC = ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")
_EXTRA = re.compile(r"""^(?P<name>[A-Za-z0-9._-]+).*;.*extra == ['"](?P<extra>[\w-]+)['"]""")


def describe_machine() -> dict[str, Any]:
    """Versions, devices, memory, disk, allocator and extras, as JSON."""
    return {
        "versions": _versions(),
        "devices": _devices(),
        "cpu": _cpu(),
        "memory_gib": _memory_gib(),
        "disk": _disk(Path.cwd()),
        "allocator": _allocator(),
        "extras": _extras(),
    }


def _versions() -> dict[str, str]:
    from cinefoley.media.versions import ffmpeg_versions
    from cinefoley.pipelines.takes.sidecar import read_versions

    ffmpeg = ", ".join(f"{name} {version}" for name, version in sorted(ffmpeg_versions().items()))
    return read_versions() | {"ffmpeg": ffmpeg, "platform": platform.platform()}


def _devices() -> list[dict[str, Any]]:
    import torch

    from cinefoley.pipelines.devices import choose_dtype, visible_devices

    devices = []
    for name in visible_devices():
        device = torch.device(name)
        entry: dict[str, Any] = {"name": name, "precision": str(choose_dtype(device)).removeprefix("torch.")}
        if device.type == "cuda":
            properties = torch.cuda.get_device_properties(device)
            entry |= {"model": properties.name, "memory_gib": round(properties.total_memory / 2**30, 1)}
        devices.append(entry)
    return devices


def _cpu() -> dict[str, Any]:
    import torch

    from cinefoley.pipelines.devices import has_fast_bf16, has_native_bf16

    return {
        "model": _processor_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "has_native_bf16": has_native_bf16(),
        "has_fast_bf16": has_fast_bf16(),
        "has_amx": "amx_tile" in _proc_line("/proc/cpuinfo", "flags"),
    }


def _processor_name() -> str:
    return _proc_line("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()


def _proc_line(path: str, key: str) -> str:
    """Value after ``key :`` in a file of Linux's /proc; empty on other systems."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def _memory_gib() -> dict[str, float | None]:
    def kib(key: str) -> float | None:
        number = _proc_line("/proc/meminfo", key).removesuffix(" kB")
        return round(int(number) / 2**20, 1) if number.isdigit() else None

    return {"total": kib("MemTotal"), "available": kib("MemAvailable")}


def _disk(folder: Path) -> dict[str, Any]:
    return {"folder": str(folder), "free_gib": round(shutil.disk_usage(folder).free / 2**30, 1)}


def _allocator() -> dict[str, Any]:
    """Memory allocator for tensors on the CPU, and what a Python program should call."""
    from cinefoley.pipelines.allocator import keep_freed_memory

    preloaded = os.environ.get("LD_PRELOAD", "")
    name = next(
        (name for name in ("jemalloc", "tcmalloc", "mimalloc") if name in preloaded), platform.libc_ver()[0]
    )
    is_kept = keep_freed_memory()  # every command does this when it starts
    settings = {key: os.environ[key] for key in _MALLOC if key in os.environ}
    needs_advice = name == "glibc" and is_kept and set(settings) != set(_MALLOC)
    advice = "cinefoley.pipelines.allocator.keep_freed_memory()" if needs_advice else None
    return {
        "name": name or "the system's",
        "keeps_freed_memory": is_kept or name in ("jemalloc", "tcmalloc", "mimalloc"),
        "settings": settings,
        "advice": advice,
    }


def _extras() -> dict[str, dict[str, Any]]:
    """Extras of the package: missing packages, and the command that installs them."""
    try:
        declared = requires("cinefoley") or []
    except PackageNotFoundError:  # run from a source tree
        declared = []
    extras: dict[str, dict[str, Any]] = {}
    for match in filter(None, map(_EXTRA.match, declared)):
        entry = extras.setdefault(match["extra"], {"missing": []})
        if match["name"] != "cinefoley" and not _is_installed(match["name"]):
            entry["missing"].append(match["name"])
    for extra, entry in extras.items():
        entry["install"] = f"pip install 'cinefoley[{extra}]'" if entry["missing"] else None
    return extras


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return find_spec(distribution.replace("-", "_")) is not None
    return True
