"""Device and dtype: choose where a model runs, and in which number format."""

import os
import platform
import re
import sys
from pathlib import Path
from typing import Any, Literal

import torch

from cinefoley.errors import DeviceError

__all__ = [
    "Precision",
    "choose_device",
    "choose_dtype",
    "choose_own_device",
    "choose_shared_dtype",
    "has_fast_bf16",
    "has_native_bf16",
    "visible_devices",
]

Precision = Literal["auto", "fp32", "bf16", "fp16"]
"""Number format of the networks; ``auto`` means that :func:`choose_dtype` chooses."""

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str = "auto") -> torch.device:
    """Find a device by name.

    Args:
        name: ``"auto"`` (CUDA if this process sees one, else MPS, else the CPU), or torch's name: ``"cpu"``,
            ``"cuda"``, ``"cuda:1"``, ``"mps"``.

    Raises:
        DeviceError: If there is no such device, or this process does not see it.
    """
    visible = visible_devices()
    if name == "auto":
        return torch.device(visible[0])
    wanted = f"{name}:0" if name == "cuda" else name
    if wanted in visible:
        return torch.device(wanted)
    kind = name.partition(":")[0]
    if kind not in ("cpu", "cuda", "mps"):
        raise DeviceError(f"No device {name!r}: expected auto, cpu, cuda, cuda:N or mps. Pass --device auto.")
    widen = ", or widen CUDA_VISIBLE_DEVICES" if kind == "cuda" else ""
    seen = [device for device in visible if device != "cpu"] or ["only the CPU"]
    raise DeviceError(
        f"Device {name!r} is not visible: this process sees {' and '.join(seen)}. "
        f"Pass --device {visible[0]}{widen}."
    )


def choose_own_device(name: str = "auto") -> torch.device:
    """Like :func:`choose_device`, but choose the CUDA device of this rank or Dask worker.

    Ranks of torchrun count from 0 on every machine. A Dask worker that dask-cuda started sees its own GPU
    first; any other takes the number at the end of its name, as ``dask worker --nworkers 4 --name NODE``
    numbers them: ``NODE-2`` takes ``cuda:2``.

    Args:
        name: As for :func:`choose_device`; a device with a number is used as given.

    Raises:
        DeviceError: If there is no such device, there are more processes than GPUs, or a Dask worker that
            sees several GPUs has no number.
    """
    place = choose_device(name)
    if place.type != "cuda" or name not in ("auto", "cuda"):
        return place
    rank = os.environ.get("LOCAL_RANK")
    number = _dask_number() if rank is None else int(rank)
    return place if number is None else choose_device(f"cuda:{number}")


def _dask_number() -> int | None:
    """Number of the GPU that a Dask worker takes; None outside of workers, and where the first is its own."""
    worker = _dask_worker()
    if worker is None or len([device for device in visible_devices() if device.startswith("cuda")]) == 1:
        return None
    if any(type(plugin).__module__.partition(".")[0] == "dask_cuda" for plugin in worker.plugins.values()):
        return None
    found = re.search(r"(?:^|-)(\d+)$", str(worker.name))
    if found is None:
        raise DeviceError(
            f"The Dask worker {worker.name} sees several GPUs, and nothing shows which is its own. Start "
            "workers with `dask cuda worker`, or with `dask worker --nworkers N --name NODE`, or each with "
            "its own CUDA_VISIBLE_DEVICES."
        )
    return int(found[1])


def _dask_worker() -> Any:
    """The Dask worker that runs this task; None if there is none."""
    distributed = sys.modules.get("distributed")  # if this is a worker, it is imported
    if distributed is None:
        return None
    try:
        return distributed.get_worker()
    except ValueError:
        return None


def visible_devices() -> list[str]:
    """Names of all devices that this process sees, the fastest kind first, the CPU last."""
    cuda = (
        [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, "cpu"]


def choose_dtype(device: torch.device, precision: Precision = "auto") -> torch.dtype:
    """Choose the networks' dtype for a device.

    ``auto`` means float16 on CUDA, bfloat16 on processors where it is faster (:func:`has_fast_bf16`; measured
    by ``benchmarks/pipelines/full_size.py``), and float32 elsewhere.

    Args:
        device: Where the model runs.
        precision: ``"auto"``, or a number format.
    """
    if precision != "auto":
        return _DTYPES[precision]
    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if device.type == "cpu" and has_fast_bf16() else torch.float32


def choose_shared_dtype(device: torch.device, precision: Precision = "auto") -> torch.dtype:
    """Like :func:`choose_dtype`, for results that several machines compute parts of.

    On a CPU, ``auto`` means bfloat16 wherever the hardware supports it, faster or not, so that machines with
    the same instructions compute the same.

    Args:
        device: Where the model runs.
        precision: ``"auto"``, or a number format.
    """
    if precision == "auto" and device.type == "cpu":
        return torch.bfloat16 if has_native_bf16() else torch.float32
    return choose_dtype(device, precision)


def has_native_bf16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware (AVX512-BF16 or AMX)."""
    return any(_cpu_supports(name) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))


def has_fast_bf16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware, and faster than float32.

    True with AMX, and with AVX512-BF16 on AMD's processors, where the full-size model runs 2.3 times as fast
    as in float32. Intel's without AMX, or with AMX hidden by a virtual machine, run it 0.67 times as fast
    (``benchmarks/pipelines/full_size.py`` on an EPYC and a Xeon). Decided by the processor's type, not by a
    measurement, which may differ from run to run: the same seed must generate the same takes.
    """
    if _cpu_supports("_is_amx_tile_supported"):
        return True
    return _cpu_supports("_is_avx512_bf16_supported") and "AuthenticAMD" in _cpu_vendor()


def _cpu_vendor() -> str:
    """Text that contains the processor's vendor name; empty if unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()  # on Windows such as "AMD64 Family 25 Model 33 Stepping 2, AuthenticAMD"
    return next((line for line in lines if line.startswith("vendor_id")), "")


def _cpu_supports(probe_name: str) -> bool:
    # private in torch, and missing in some versions and on some processors
    probe = getattr(torch.cpu, probe_name, None)
    return bool(probe()) if callable(probe) else False
