import pytest
import torch

from cinefoley.errors import DeviceError
from cinefoley.pipelines.devices import choose_device, choose_dtype, has_native_bf16, visible_devices


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


@pytest.mark.parametrize(("is_native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_cpu_computes_in_bf16_where_it_is_native(
    is_native: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    for question in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, question, lambda: is_native, raising=False)

    assert choose_dtype(torch.device("cpu")) == expected


def test_whether_bf16_is_native_is_a_plain_claim() -> None:
    assert has_native_bf16() in (True, False)


def test_a_torch_that_cannot_say_has_no_native_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    for question in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, question, raising=False)

    assert not has_native_bf16()
