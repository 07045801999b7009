"""One guided step of Diff-Foley's denoiser on the CPU: what each way of making it faster gives.

Weights are random (the time does not depend on them), latents (2, 4, 16, 64), context (2, 32, 768): both
halves of guidance. Errors are relative to float32, of one step. OpenVINO takes part where it is installed.
The last rows repeat two of the first with the allocator as the system has it, in a process of their own.

Run: python benchmarks/models/denoiser_step.py [--repeats 7]
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn

from cinefoley.config.presets import diff_foley
from cinefoley.models.build import build_denoiser
from cinefoley.models.prepacked import can_prepack, prepack
from cinefoley.pipelines.allocator import keep_freed_memory

Step = Callable[[], Tensor]


def main() -> None:
    """Print one row per variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--default-allocator", action="store_true", help="only that; prints JSON")
    args = parser.parse_args()
    if args.default_allocator:
        rows = {
            name: _time(step, args.repeats) for name, step in _variants() if name in ("float32", "bfloat16")
        }
        print(json.dumps(rows))
        return
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, allocator kept: {keep_freed_memory()}, can prepack: {can_prepack()}"
    )
    print("| variant | median (range) | times float32 | relative error |\n| --- | --- | --- | --- |")
    reference, baseline = None, 0.0
    for name, step in _variants():
        result = step()
        reference = result if reference is None else reference
        times = _time(step, args.repeats)
        baseline = baseline or statistics.median(times)
        _row(name, times, baseline, f"{float((result - reference).norm() / reference.norm()):.1e}")
    command = [sys.executable, __file__, "--default-allocator", "--repeats", str(args.repeats)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    for name, times in json.loads(done.stdout.splitlines()[-1]).items():
        _row(f"{name}, the system's allocator", times, baseline, "")


def _row(name: str, times: list[float], baseline: float, error: str) -> None:
    median = statistics.median(times)
    spread = f"{median:.3f} s ({min(times):.3f} to {max(times):.3f})"
    print(f"| {name} | {spread} | {baseline / median:.2f} | {error} |", flush=True)


def _variants() -> Iterator[tuple[str, Step]]:
    torch.manual_seed(0)
    latents, context = torch.randn(2, 4, 16, 64), torch.randn(2, 32, 768)
    unet = build_denoiser(diff_foley().denoiser).eval()
    yield "float32", _eager(unet, latents, context)
    if find_spec("openvino") is not None:
        yield "OpenVINO, bfloat16 hint", _openvino(unet, latents, context)
    nn.Module.to(unet, torch.bfloat16).to(memory_format=torch.channels_last)
    latents, context = latents.bfloat16(), context.bfloat16()
    latents = latents.contiguous(memory_format=torch.channels_last)
    yield "bfloat16", _eager(unet, latents, context)
    if prepack(unet):
        yield "bfloat16, packed", _eager(unet, latents, context)
    plain = dict(unet.attn_processors)
    unet.set_attn_processor(AttnProcessor())
    yield "bfloat16, packed, attention by matrix products", _eager(unet, latents, context)
    unet.set_attn_processor(plain)
    for module in unet.modules():
        if getattr(module, "is_cross_attention", False):
            module.to_k, module.to_v = _Remember(module.to_k), _Remember(module.to_v)
    yield "bfloat16, packed, keys and values of the film kept", _eager(unet, latents, context)


class _Remember(nn.Module):
    """Computes once: what the film gives the cross-attentions is the same at every step."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.result = layer, None

    def forward(self, context: Tensor) -> Tensor:
        if self.result is None:
            self.result = self.layer(context)
        return self.result


def _eager(unet: UNet2DConditionModel, latents: Tensor, context: Tensor) -> Step:
    @torch.no_grad()
    def step() -> Tensor:
        return unet(latents, torch.tensor(500.0), context).sample.float()

    return step


def _openvino(unet: UNet2DConditionModel, latents: Tensor, context: Tensor) -> Step:
    import openvino

    class Tuple(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unet = unet

        def forward(self, *inputs: Any) -> Any:
            return self.unet(*inputs, return_dict=False)[0]

    inputs = (latents, torch.tensor(500.0), context)
    began = time.perf_counter()
    model = openvino.convert_model(Tuple(), example_input=inputs, input=[tuple(x.shape) for x in inputs])
    settings = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    print(f"OpenVINO {openvino.__version__}: {time.perf_counter() - began:.0f} s to convert", file=sys.stderr)
    return lambda: torch.from_numpy(compiled([x.numpy() for x in inputs])[0].copy())


def _time(step: Step, repeats: int) -> list[float]:
    step()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return times


if __name__ == "__main__":
    main()
