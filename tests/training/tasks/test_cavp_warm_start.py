import math

import torch

from cinefoley.config.model import AudioEncoderConfig, VideoEncoderConfig
from cinefoley.data.cache.stage_cache import StageClips
from cinefoley.models.build import build_audio_encoder, build_video_encoder
from cinefoley.training.tasks.cavp_warm_start import WarmStartTask, augment, sharp_events


def make_clips(count: int = 4) -> StageClips:
    generator = torch.Generator().manual_seed(0)
    return StageClips(
        frames=torch.randint(256, (count, 8, 3, 32, 32), generator=generator).to(torch.uint8),
        mels=torch.rand(count, 16, 128, generator=generator).half(),
        kinds=torch.arange(count)[:, None].expand(-1, 2),
        events_s=torch.tensor([0.5, 1.2, math.nan]).expand(count, -1),
        is_onset_like=torch.tensor([True, False, False]).expand(count, -1),
    )


def test_augmented_clips_stay_in_range_and_may_be_mirrored() -> None:
    frames = torch.zeros(40, 2, 3, 8, 8, dtype=torch.uint8)
    frames[..., :4] = 200
    video = augment(frames, torch.arange(40))
    assert float(video.min()) >= 0
    assert float(video.max()) <= 1
    is_left_bright = video[..., :4].mean(dim=(1, 2, 3, 4)) > video[..., 4:].mean(dim=(1, 2, 3, 4))
    assert 8 < int(is_left_bright.sum()) < 32
    assert frames[0, 0, 0, 0, 0] == 200, "the stored clip was written to"


def test_only_sharp_events_are_targets() -> None:
    assert sharp_events(make_clips(2), torch.tensor([1])).nan_to_num(-1).tolist() == [[0.5, -1, -1]]


def test_both_encoders_learn_and_the_kind_weighs_more_later() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = build_video_encoder(VideoEncoderConfig(width=4, blocks=(1, 1, 1, 1), feature_dim=16))
        audio = build_audio_encoder(
            AudioEncoderConfig(
                n_mels=16, channels=(4, 4, 8, 8), time_pools=(2,) * 4, band_pools=(2,) * 4, feature_dim=16
            )
        ).eval()
        task = WarmStartTask(encoder, make_clips(), audio_encoder=audio, kinds_from=10)
    before, after = (task.loss(step, torch.Generator().manual_seed(1), 4) for step in (9, 10))
    difference = float(after["loss"].detach() - before["loss"].detach())
    assert math.isclose(difference, 0.8 * float(before["kind"].detach()), rel_tol=1e-3)
    after["loss"].backward()
    for part in (encoder, audio):
        assert any(bool(p.grad.abs().sum() > 0) for p in part.parameters() if p.grad is not None)


def test_the_augmentation_of_a_clip_does_not_depend_on_its_batch() -> None:
    frames = make_clips(3).frames
    seeds = torch.tensor([5, 6, 7])
    assert torch.equal(augment(frames, seeds)[1:], augment(frames[1:], seeds[1:]))
