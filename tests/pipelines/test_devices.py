from types import SimpleNamespace

import pytest
import torch

from cinefoley.errors import DeviceError
from cinefoley.pipelines import devices
from cinefoley.pipelines.devices import (
    choose_device,
    choose_dtype,
    choose_own_device,
    choose_shared_dtype,
    has_fast_bf16,
    has_native_bf16,
    visible_devices,
)


def test_the_cpu_is_always_there_and_comes_last() -> None:
    assert visible_devices()[-1] == "cpu"
    assert choose_device("cpu") == torch.device("cpu")


def test_auto_takes_the_first_that_is_visible() -> None:
    assert choose_device() == torch.device(visible_devices()[0])


@pytest.mark.skipif(torch.cuda.is_available(), reason="this process sees CUDA")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:2"])
def test_a_cuda_device_that_is_not_visible_is_told(name: str) -> None:
    with pytest.raises(DeviceError) as caught:
        choose_device(name)

    assert f"Device '{name}' is not visible: this process sees " in str(caught.value)
    assert "or widen CUDA_VISIBLE_DEVICES." in str(caught.value)


@pytest.mark.gpu
def test_an_index_beyond_the_last_names_those_there_are() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    with pytest.raises(DeviceError, match=r"this process sees cuda:0.*\. Pass --device cuda:0, or widen"):
        choose_device("cuda:99")
    assert choose_device("cuda") == torch.device("cuda:0")


@pytest.mark.parametrize(
    ("rank", "name", "expected"),
    [
        (None, "auto", "cuda:0"),
        ("1", "auto", "cuda:1"),
        ("1", "cuda", "cuda:1"),
        ("1", "cuda:0", "cuda:0"),
        ("1", "cpu", "cpu"),
    ],
)
def test_every_process_of_torchrun_has_a_gpu_of_its_own(
    monkeypatch: pytest.MonkeyPatch, rank: str | None, name: str, expected: str
) -> None:
    monkeypatch.setattr(devices, "visible_devices", lambda: ["cuda:0", "cuda:1", "cpu"])
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    assert choose_own_device(name) == torch.device(expected)


def test_a_process_too_many_has_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "visible_devices", lambda: ["cuda:0", "cuda:1", "cpu"])
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(DeviceError, match="cuda:0 and cuda:1"):
        choose_own_device()


class CpuAffinity:
    """Stands for a plugin of dask-cuda, which shows its worker its own GPU first."""

    __module__ = "dask_cuda.plugins"


@pytest.mark.parametrize(
    ("worker", "plugins", "expected"),
    [
        ("node-0", {}, "cuda:0"),
        ("node-1", {}, "cuda:1"),
        (1, {}, "cuda:1"),
        ("tcp://127.0.0.1:40001", {"affinity": CpuAffinity()}, "cuda:0"),
        ("node-1", {"affinity": CpuAffinity()}, "cuda:0"),
    ],
)
def test_every_dask_worker_of_a_machine_has_a_gpu_of_its_own(
    monkeypatch: pytest.MonkeyPatch, worker: object, plugins: dict[str, object], expected: str
) -> None:
    monkeypatch.setattr(devices, "visible_devices", lambda: ["cuda:0", "cuda:1", "cpu"])
    monkeypatch.setattr(devices, "_dask_worker", lambda: SimpleNamespace(name=worker, plugins=plugins))
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert choose_own_device() == torch.device(expected)
    assert choose_own_device("cuda:1") == torch.device("cuda:1")
    assert choose_own_device("cpu") == torch.device("cpu")


def test_a_dask_worker_without_a_number_takes_the_only_gpu_and_none_of_several(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unnamed = SimpleNamespace(name="tcp://127.0.0.1:40001", plugins={})
    monkeypatch.setattr(devices, "_dask_worker", lambda: unnamed)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(devices, "visible_devices", lambda: ["cuda:0", "cpu"])
    assert choose_own_device() == torch.device("cuda:0")
    monkeypatch.setattr(devices, "visible_devices", lambda: ["cuda:0", "cuda:1", "cpu"])
    with pytest.raises(DeviceError, match=r"tcp://127.0.0.1:40001 sees several GPUs.*--name NODE"):
        choose_own_device()


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "cpu:1", ""])
def test_a_device_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(DeviceError):
        choose_device(name)


def test_the_precision_asked_for_is_taken() -> None:
    cpu = torch.device("cpu")

    assert choose_dtype(cpu, "fp32") == torch.float32
    assert choose_dtype(cpu, "bf16") == torch.bfloat16
    assert choose_dtype(torch.device("cuda"), "fp32") == torch.float32
    assert choose_dtype(torch.device("cuda")) == torch.float16


@pytest.mark.parametrize(
    ("has_amx", "has_avx512_bf16", "vendor", "expected"),
    [
        (True, True, "GenuineIntel", torch.bfloat16),
        (False, True, "GenuineIntel", torch.float32),
        (False, True, "AuthenticAMD", torch.bfloat16),
        (False, False, "AuthenticAMD", torch.float32),
        (False, True, "", torch.float32),
    ],
)
def test_a_cpu_computes_in_bf16_where_that_is_native_and_faster(
    has_amx: bool,
    has_avx512_bf16: bool,
    vendor: str,
    expected: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has_amx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_avx512_bf16, raising=False)
    monkeypatch.setattr(devices, "_cpu_vendor", lambda: f"vendor_id : {vendor}")

    assert choose_dtype(torch.device("cpu")) == expected


@pytest.mark.parametrize(
    ("is_native", "precision", "expected"),
    [
        (True, "auto", torch.bfloat16),
        (False, "auto", torch.float32),
        (True, "fp32", torch.float32),
        (False, "bf16", torch.bfloat16),
    ],
)
def test_machines_that_share_a_table_agree_whichever_arithmetic_is_faster(
    is_native: bool, precision: devices.Precision, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "has_native_bf16", lambda: is_native)
    monkeypatch.setattr(devices, "has_fast_bf16", lambda: False)

    assert choose_shared_dtype(torch.device("cpu"), precision) == expected


def test_machines_with_a_gpu_share_a_table_in_float16() -> None:
    assert choose_shared_dtype(torch.device("cuda")) == torch.float16


def test_whether_bf16_is_native_is_a_plain_claim() -> None:
    assert has_native_bf16() in (True, False)
    assert has_fast_bf16() in ((True, False) if has_native_bf16() else (False,))


def test_a_torch_that_cannot_say_has_no_native_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    for question in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, question, raising=False)

    assert not has_native_bf16()
