import pytest
import torch
from torch import Tensor, nn

from cinefoley.models.prepacked import can_prepack, prepack

needs_packing = pytest.mark.skipif(not can_prepack(), reason="this processor has no packed bfloat16")


class _Network(nn.Module):
    """Every kind of layer that the models have, in attributes and in numbered lists."""

    def __init__(self) -> None:
        super().__init__()
        self.strided = nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False)
        self.flat = nn.Sequential(nn.Conv2d(16, 16, 1), nn.GroupNorm(4, 16), nn.SiLU())
        self.layers = nn.ModuleList([nn.Linear(16, 32), nn.Linear(32, 8, bias=False)])
        self.grouped = nn.Conv2d(16, 16, 3, padding=1, groups=4)

    def forward(self, maps: Tensor) -> Tensor:
        hidden = self.grouped(self.flat(self.strided(maps)))
        return self.layers[1](self.layers[0](hidden.permute(0, 2, 3, 1)).relu())


@pytest.fixture
def network() -> _Network:
    torch.manual_seed(0)
    network = _Network().to(torch.bfloat16)
    for weight in network.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return network


@needs_packing
@torch.no_grad()
def test_a_packed_network_computes_the_same_for_every_batch_and_size(network: _Network) -> None:
    inputs = [torch.randn(*shape).bfloat16() for shape in ((2, 3, 8, 12), (5, 3, 8, 12), (1, 3, 20, 6))]
    inputs = [maps.contiguous(memory_format=torch.channels_last) for maps in inputs]
    before = [network(maps) for maps in inputs]
    assert prepack(network) == 5
    for maps, expected in zip(inputs, before, strict=True):
        torch.testing.assert_close(network(maps), expected, rtol=0.02, atol=0.02)


@needs_packing
def test_packing_twice_packs_nothing_more(network: _Network) -> None:
    prepack(network)
    assert prepack(network) == 0


@needs_packing
def test_a_packed_network_refuses_to_be_saved(network: _Network) -> None:
    prepack(network)
    with pytest.raises(RuntimeError, match="load the model again"):
        network.state_dict()


def test_weights_of_other_types_are_left_alone() -> None:
    network = _Network()
    before = network(torch.ones(1, 3, 8, 8))
    assert prepack(network) == 0
    assert torch.equal(network(torch.ones(1, 3, 8, 8)), before)


@needs_packing
@torch.no_grad()
def test_another_padding_than_zeros_is_kept() -> None:
    reflecting = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect", dtype=torch.bfloat16))
    assert prepack(reflecting) == 0
