from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cinefoley.config.training import TrainConfig
from cinefoley.errors import DependencyError
from cinefoley.training.engine.muon import MuonWithAdamW
from cinefoley.training.engine.optimisation import build_optimizer

pytestmark = pytest.mark.muon

SETTINGS: dict[str, Any] = {"learning_rate": 0.01, "betas": (0.8, 0.99), "weight_decay": 0.1}


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.head = nn.Conv2d(3, 6, 3), nn.GroupNorm(1, 6), nn.Linear(6, 4)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(pictures)).relu().mean(dim=(2, 3)))


def trained(module: nn.Module, optimizer: Any, steps: int = 3) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        pictures = torch.randn(5, 3, 8, 8, generator=generator)
        module(pictures).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return {key: value.detach().clone() for key, value in module.named_parameters()}


def test_matrices_take_pytorchs_muon_and_all_else_adamw() -> None:
    module, steps = Small(), 3
    found = trained(module, MuonWithAdamW(module, **SETTINGS), steps)
    # by hand: the same gradients, a matrix per kernel, two optimisers
    module = Small()
    kernel = nn.Parameter(module.conv.weight.data.reshape(6, 27).clone())
    muon = torch.optim.Muon(
        [kernel, module.head.weight], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    plain = [module.conv.bias, module.head.bias, *module.norm.parameters()]
    adamw = torch.optim.AdamW(plain, lr=0.01, betas=(0.8, 0.99), weight_decay=0.0)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        module.zero_grad()
        module(torch.randn(5, 3, 8, 8, generator=generator)).square().mean().backward()
        gradient = module.conv.weight.grad
        assert gradient is not None
        kernel.grad = gradient.reshape(6, 27)
        muon.step()
        adamw.step()
        module.conv.weight.data.copy_(kernel.data.view_as(module.conv.weight))
    for key, value in module.named_parameters():
        torch.testing.assert_close(found[key], value.detach(), rtol=1e-5, atol=1e-6)
    before = dict(Small().named_parameters())
    assert all(not torch.equal(value, before[key]) for key, value in found.items())


def test_a_memory_format_changes_speed_alone() -> None:
    plain, last = Small(), Small().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert last.conv.weight.is_contiguous(memory_format=torch.channels_last)
    first = trained(plain, MuonWithAdamW(plain, **SETTINGS))
    second = trained(last, MuonWithAdamW(last, **SETTINGS))
    for key, value in first.items():
        # the orthogonal matrix is computed in bfloat16
        torch.testing.assert_close(second[key], value, rtol=1e-2, atol=1e-3)


def test_what_has_no_gradient_stays() -> None:
    module = Small()
    module.head.requires_grad_(False)
    before = module.head.weight.detach().clone()
    found = trained(module, MuonWithAdamW(module, **SETTINGS))
    assert torch.equal(found["head.weight"], before)


def test_gradients_are_dropped_or_zero() -> None:
    module = Small()
    optimizer = MuonWithAdamW(module, **SETTINGS)
    module(torch.ones(2, 3, 8, 8)).sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert all(value.grad is not None and not value.grad.any() for value in module.parameters())
    optimizer.zero_grad()
    assert all(value.grad is None for value in module.parameters())


def test_a_loaded_state_continues() -> None:
    module = Small()
    optimizer = MuonWithAdamW(module, **SETTINGS)
    trained(module, optimizer)
    other = deepcopy(module)
    resumed = MuonWithAdamW(other, **SETTINGS)
    resumed.load_state_dict(deepcopy(optimizer.state_dict()))
    first, second = trained(module, optimizer), trained(other, resumed)
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    forgotten = deepcopy(module)
    third = trained(forgotten, MuonWithAdamW(forgotten, **SETTINGS))
    assert not torch.equal(third["conv.weight"], trained(module, optimizer)["conv.weight"])


def test_a_rate_that_is_set_counts_for_both() -> None:
    module = Small()
    optimizer = MuonWithAdamW(module, **SETTINGS)
    before = {key: value.detach().clone() for key, value in module.named_parameters()}
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    assert all(torch.equal(value, before[key]) for key, value in trained(module, optimizer).items())


def test_the_configuration_chooses() -> None:
    adamw = build_optimizer(Small(), TrainConfig(steps=1))
    assert isinstance(adamw, torch.optim.AdamW)
    muon = build_optimizer(
        Small(), TrainConfig(steps=1, optimizer="muon", weight_decay=0.3, learning_rate=0.02)
    )
    assert isinstance(muon, MuonWithAdamW)
    assert [(group["lr"], group["weight_decay"]) for group in muon.param_groups] == [(0.02, 0.3), (0.02, 0.0)]


def test_the_error_without_muon_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(DependencyError, match=r"needs PyTorch 2\.9 or newer.*or choose adamw"):
        MuonWithAdamW(Small(), **SETTINGS)
