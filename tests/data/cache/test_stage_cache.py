from pathlib import Path

import pytest
import torch

from cinefoley.config.foley import FoleyConfig
from cinefoley.config.mel import MelConfig
from cinefoley.data.cache.stage_cache import KIND_NAMES, StageClips, prepare_stage_clips, prepare_stage_mels
from cinefoley.media.frames.video import resample_video, video_from_frames
from cinefoley.spectral.mel import mel_spectrogram
from cinefoley.stage import draw_take

CONFIG = FoleyConfig(
    mel=MelConfig(hop_length=250, n_mels=16), mel_frames=128, video_frames=8, frame_size=(16, 16)
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[StageClips, Path]:
    cache = tmp_path_factory.mktemp("cache")
    clips = prepare_stage_clips(5, split="train", config=CONFIG, cache_dir=cache, workers=1, version="plain")
    return clips, cache


def test_a_clip_is_what_the_stage_draws_for_its_seed(prepared: tuple[StageClips, Path]) -> None:
    clips, _ = prepared
    assert len(clips) == 5
    for seed in range(5):
        take = draw_take(seed, split="train", duration_s=CONFIG.window_s, version="plain")
        kinds = [actor.kind for actor in take.actors]
        assert [KIND_NAMES[kind] for kind in clips.kinds[seed].tolist()] == [kinds[0], kinds[-1]]
        mel = mel_spectrogram(torch.from_numpy(take.waveform(16000))[None], CONFIG.mel)[0]
        assert torch.allclose(clips.mels[seed].float(), mel, atol=1e-3)
        events = clips.events_s[seed]
        assert events[~events.isnan()].tolist() == pytest.approx(take.hits.times.tolist(), abs=1e-5)
        sharp = [event.is_onset_like for event in take.events(size=CONFIG.frame_size)]
        assert clips.is_onset_like[seed, : len(sharp)].tolist() == sharp
        assert not clips.is_onset_like[seed, len(sharp) :].any()


def test_frames_are_those_a_decoder_would_pick(prepared: tuple[StageClips, Path]) -> None:
    """Training must see the instants that generation sees: the last frame before each interval's middle."""
    clips, _ = prepared
    take = draw_take(0, split="train", duration_s=CONFIG.window_s, version="plain")
    every = take.frames([n / 24 for n in range(48)], size=CONFIG.frame_size, aspect=take.aspect)
    video = video_from_frames(torch.from_numpy(every).permute(0, 3, 1, 2), fps=24)
    expected = resample_video(video, fps=4).frames
    assert torch.equal(clips.frames[0], expected)


def test_frames_look_like_those_of_a_larger_video() -> None:
    """They are drawn small at once; a film is drawn large and squashed."""
    take = draw_take(3, split="train", duration_s=2.0, version="plain")
    wide = (90, round(90 * take.aspect)) if take.aspect >= 1 else (round(90 / take.aspect), 90)
    large = torch.from_numpy(take.frames([0.5, 1.0], size=wide)).permute(0, 3, 1, 2).float()
    squashed = torch.nn.functional.interpolate(large, (64, 64), mode="bilinear", antialias=True)
    small = torch.from_numpy(take.frames([0.5, 1.0], size=(64, 64), aspect=take.aspect)).permute(0, 3, 1, 2)
    assert float((small.float() - squashed).abs().mean()) < 4.0


def test_a_cache_is_read_and_not_made_again(prepared: tuple[StageClips, Path]) -> None:
    clips, cache = prepared
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.npz")}
    again = prepare_stage_clips(3, split="train", config=CONFIG, cache_dir=cache, workers=1, version="plain")
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.npz")} == before
    assert torch.equal(again.frames, clips.frames[:3])
    mels = prepare_stage_mels(3, split="train", config=CONFIG, cache_dir=cache, workers=1, version="plain")
    assert torch.equal(mels, clips.mels[:3])
    assert not list(cache.rglob("*.part*"))


def test_no_clips_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="count must be positive"):
        prepare_stage_clips(0, split="train", config=CONFIG, cache_dir=tmp_path)
