import torch
from torch.nn import functional as F

from cinefoley.config.presets import diff_foley
from cinefoley.models.build import build_scheduler
from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.training.tasks.alignment import AlignmentTask
from cinefoley.training.tasks.alignment_pairs import AlignmentPairs, is_same_rhythm


def make_pairs(count: int = 40) -> AlignmentPairs:
    """Clip n's sound is n + 1 in place, and 100 (n + 1) + k in its shift k."""
    base = torch.arange(1.0, count + 1)[:, None] * torch.tensor([1.0, 100.0, 100.0])
    codes = base + torch.tensor([0.0, 1.0, 2.0])
    is_negative = torch.tensor([False, True, False]).repeat(count, 1)
    is_negative[0] = False
    is_silent = torch.zeros(count, dtype=torch.bool)
    is_silent[:2] = True
    return AlignmentPairs(
        video_features=F.normalize(
            torch.randn(count, 8, 16, generator=torch.Generator().manual_seed(0)), dim=-1
        ),
        means=codes[:, :, None, None, None].expand(-1, -1, 4, 8, 16),
        stds=torch.zeros(count, 3, 4, 8, 16),
        is_negative=is_negative,
        is_silent=is_silent,
    )


class Witness(AlignmentClassifier):
    """Keeps what it was asked to judge."""

    def __init__(self) -> None:
        super().__init__(block_out_channels=(8, 16), feature_dim=16, num_heads=2, norm_num_groups=4)
        self.latents: list[torch.Tensor] = []
        self.steps: list[torch.Tensor] = []

    def forward(
        self, latents: torch.Tensor, timesteps: torch.Tensor, video_features: torch.Tensor, **_: bool
    ) -> torch.Tensor:
        self.latents.append(latents)
        self.steps.append(timesteps)
        return latents.mean(dim=(1, 2, 3)) * 0


def test_pairs_come_half_aligned_a_quarter_shifted_a_quarter_foreign() -> None:
    pairs = make_pairs()
    task = AlignmentTask(Witness(), pairs)
    video = torch.arange(2, 40).repeat(200)
    sound, which, label = task._draw(video, torch.Generator().manual_seed(0))
    aligned = (sound == video) & (which == 0)
    shifted = (sound == video) & (which == 1)
    foreign = sound != video
    assert abs(float(aligned.float().mean()) - 0.50) < 0.02
    assert abs(float(shifted.float().mean()) - 0.25) < 0.02
    assert abs(float(foreign.float().mean()) - 0.25) < 0.02
    assert torch.equal(label, aligned.float())


def test_a_shift_on_the_clips_own_rhythm_is_no_negative() -> None:
    task = AlignmentTask(Witness(), make_pairs())
    video = torch.zeros(2000, dtype=torch.long)  # none of clip 0's shifts is a negative
    sound, which, label = task._draw(video, torch.Generator().manual_seed(0))
    assert not which.any()
    assert bool((label[sound == 0] == 1).all())
    assert 0.4 < float((sound != 0).float().mean()) < 0.6, "it is paired with other clips instead"


def test_another_silence_matches_a_silent_clip() -> None:
    task = AlignmentTask(Witness(), make_pairs())
    video = torch.zeros(4000, dtype=torch.long)
    sound, _, label = task._draw(video, torch.Generator().manual_seed(0))
    assert bool((label[sound == 1] == 1).all())
    assert bool((label[sound > 1] == 0).all())


def test_alignment_uses_clean_latents_and_guidance_noisy_ones() -> None:
    judge, guide = Witness(), Witness()
    AlignmentTask(judge, make_pairs()).loss(0, torch.Generator().manual_seed(0), 64)
    schedule = build_scheduler(diff_foley().denoiser)
    AlignmentTask(guide, make_pairs(), scheduler=schedule).loss(0, torch.Generator().manual_seed(0), 64)
    assert not judge.steps[0].any()
    assert bool((judge.latents[0] == judge.latents[0].round()).all())
    assert int(guide.steps[0].max()) > 800
    assert not bool((guide.latents[0] == guide.latents[0].round()).all())


def test_a_classifier_learns_pairs_that_differ() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        count = 64
        features = F.normalize(torch.randn(count, 8, 16), dim=-1)
        moment = features[:, :, :1].transpose(1, 2).repeat_interleave(2, dim=2)  # the feature, heard in time
        own = moment[:, :, None].expand(-1, 4, 8, -1) * 8
        pairs = AlignmentPairs(
            video_features=features,
            means=torch.stack([own, own.roll(6, dims=-1)], dim=1),
            stds=torch.full((count, 2, 4, 8, 16), 0.1),
            is_negative=torch.tensor([False, True]).repeat(count, 1),
            is_silent=torch.zeros(count, dtype=torch.bool),
        )
        classifier = AlignmentClassifier(
            block_out_channels=(8, 16), feature_dim=16, num_heads=2, norm_num_groups=4, adds_frames=True
        )
        task = AlignmentTask(classifier, pairs)
        optimizer = torch.optim.Adam(classifier.parameters(), lr=3e-3)
        accuracy = []
        for step in range(120):
            losses = task.loss(step, torch.Generator().manual_seed(step), 32)
            optimizer.zero_grad()
            losses["loss"].backward()
            optimizer.step()
            accuracy.append(float(losses["accuracy"].detach()))
    assert sum(accuracy[-20:]) / 20 > 0.8


def test_equal_rhythms_are_found() -> None:
    times = torch.arange(512)
    pulse = ((times % 64) < 8).float()  # once a second
    mel = pulse.expand(3, 128, -1).clone()
    mel[2] = 0.3  # a steady hiss
    later = mel.clone()
    later[0] = mel[0].roll(64, dims=-1)  # a whole beat later
    later[1] = mel[1].roll(32, dims=-1)  # half a beat
    assert is_same_rhythm(mel, later).tolist() == [True, False, True]


def test_the_longer_part_of_a_splice_decides() -> None:
    """Latents of one code each: columns of the film's own sound can be counted."""
    pairs = make_pairs()
    task = AlignmentTask(Witness(), pairs, splices=0.5)
    drawn = task.draw(0, torch.Generator().manual_seed(0), 4000)
    loaded = task.load(drawn)
    own = (drawn["index"] + 1).float()
    share = (loaded["latents"][:, 0, 0] == own[:, None]).float().mean(dim=1)
    silent = pairs.is_silent[drawn["index"]]
    is_partial = (share > 0) & (share < 1) & ~silent
    assert float(is_partial.float().mean()) > 0.2
    for is_longer, expected in ((share > 0.5, 1.0), (share < 0.5, 0.0)):
        labels = loaded["label"][is_longer & ~silent]
        assert len(labels) > 500
        assert (labels == expected).all()
    assert abs(float(loaded["label"][~silent].mean()) - 0.5) < 0.03, "halves in all"


def test_without_splices_every_sound_is_whole() -> None:
    task = AlignmentTask(Witness(), make_pairs())
    drawn = task.draw(0, torch.Generator().manual_seed(0), 500)
    assert "begin" not in drawn
    latents = task.load(drawn)["latents"]
    assert torch.equal(latents, latents[..., :1].expand_as(latents))
