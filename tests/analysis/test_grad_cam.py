import pytest
import torch
from torch.nn import functional as F

from cinefoley.analysis.grad_cam import choose_layer, feature_energy, grad_cam, similarity
from cinefoley.models.video_encoder import VideoEncoder


@pytest.fixture
def encoder() -> VideoEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VideoEncoder(width=4, blocks=(1, 1, 1, 1), feature_dim=16).eval().requires_grad_(False)


@pytest.fixture
def video() -> torch.Tensor:
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def by_hand(encoder: VideoEncoder, video: torch.Tensor, sound: torch.Tensor | None) -> torch.Tensor:
    """The encoder in two halves, and the gradient between them."""
    backbone, count = encoder.backbone, len(video)
    hidden = backbone.maxpool(F.relu(backbone.conv1(video, count)))
    for name in backbone.stages[:2]:
        for block in backbone.get_submodule(name).children():
            hidden = block(hidden, count)
    maps = hidden.detach().clone().requires_grad_(True)
    hidden = maps.clone()
    for name in backbone.stages[2:]:
        for block in backbone.get_submodule(name).children():
            hidden = block(hidden, count)
    features = encoder.projection(hidden.mean(dim=(2, 3)))
    if sound is None:
        scalar = features.square().sum() / 2
    else:
        scalar = (F.normalize(features, dim=-1) * F.normalize(sound, dim=-1)).sum()
    (gradient,) = torch.autograd.grad(scalar, maps)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return F.relu((weights * maps).sum(dim=1)).detach()


@pytest.mark.parametrize("is_heard", [True, False])
def test_it_is_maps_weighed_by_their_mean_gradients(
    encoder: VideoEncoder, video: torch.Tensor, is_heard: bool
) -> None:
    sound = torch.randn(3, 16, generator=torch.Generator().manual_seed(2)) if is_heard else None
    heat = grad_cam(encoder, video, sound_features=sound, layer="layer2")
    assert heat.shape == (3, 8, 8)
    assert float(heat.max()) > 0
    torch.testing.assert_close(heat, by_hand(encoder, video, sound), rtol=1e-4, atol=1e-6)


def test_the_encoder_is_left_as_it_was(encoder: VideoEncoder, video: torch.Tensor) -> None:
    before = encoder(video[None])
    grad_cam(encoder, video)
    assert torch.equal(encoder(video[None]), before)
    assert all(not p.requires_grad and p.grad is None for p in encoder.parameters())


@pytest.mark.parametrize(
    ("size", "layer"),
    [((224, 224), "layer4"), ((64, 64), "layer2"), ((112, 200), "layer3"), ((16, 16), "layer1")],
)
def test_maps_must_tell_places_apart(encoder: VideoEncoder, size: tuple[int, int], layer: str) -> None:
    assert choose_layer(encoder, size) == layer


def test_one_frame_is_a_film(encoder: VideoEncoder, video: torch.Tensor) -> None:
    assert grad_cam(encoder, video[:1]).shape == (1, 8, 8)


def test_scalars() -> None:
    features = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    assert feature_energy(features).tolist() == [12.5, 2.0]
    assert similarity(features, torch.tensor([[6.0, 8.0], [1.0, 0.0]])).tolist() == pytest.approx([1.0, 0.0])


def test_what_does_not_fit_is_refused(encoder: VideoEncoder, video: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"video must be \(T, 3, H, W\)"):
        grad_cam(encoder, video[None])
    with pytest.raises(ValueError, match=r"sound_features must be \(3, 16\)"):
        grad_cam(encoder, video, sound_features=torch.zeros(2, 16))
    with pytest.raises(ValueError, match="layer must be one of layer1, layer2"):
        grad_cam(encoder, video, layer="conv1")


def test_frames_that_share_a_feature_share_its_heat(video: torch.Tensor) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = VideoEncoder(width=4, blocks=(1, 1, 1, 1), feature_dim=16, frames_per_feature=2).eval()
    sound = torch.randn(3, 16, generator=torch.Generator().manual_seed(2))
    heat = grad_cam(encoder, video, sound_features=sound, layer="layer2")
    assert heat.shape == (3, 8, 8)
    assert torch.equal(heat[0], heat[1])
    shown = video[[1, 2]]  # the middle of the first pair; the last frame stands for its missing partner
    single = VideoEncoder(width=4, blocks=(1, 1, 1, 1), feature_dim=16).eval()
    single.load_state_dict(encoder.state_dict())
    alone = grad_cam(single, shown, sound_features=sound[[1, 2]], layer="layer2")
    torch.testing.assert_close(heat[[0, 2]], alone)
