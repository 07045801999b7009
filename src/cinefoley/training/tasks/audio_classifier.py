"""Audio classifier task: kinds of sound from log-mels, for the ``lite`` metric backbone."""

import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.metrics.backbones.lite import LiteNet
from cinefoley.training.engine.ranks import gather_rows
from cinefoley.training.engine.task import Batch, Task

__all__ = ["AudioClassifierTask"]

_KNOTS = 6  # of a random curve over the bands
_SHORTEST, _LONGEST = 96, 800  # frames of 10 ms: a FAD segment of 0.96 s, and a clip


class AudioClassifierTask(Task):
    """Classification of what sounds, from crops of any length.

    Args:
        network: The network to train.
        log_mels: ``(N, frames, 64)`` in dB, 10 ms a frame.
        kinds: ``(N, 2)``, both sources' kinds, twice the same if there is one.
        is_heard: ``(N,)`` bool; silent clips are not drawn.
    """

    name = "audio_classifier"

    def __init__(self, network: LiteNet, log_mels: Tensor, kinds: Tensor, is_heard: Tensor) -> None:
        self.module = self.network = network
        self.log_mels, self.kinds, self.is_heard = log_mels, kinds, is_heard

    def draw(self, step: int, generator: torch.Generator, batch_size: int) -> Batch:
        """Choose clips, one length for all crops, the start of each, and a seed for its augmentation."""
        audible = self.is_heard.nonzero()[:, 0]
        chosen = torch.randint(len(audible), (batch_size,), generator=generator)
        length = int(torch.randint(_SHORTEST, _LONGEST // 2, (1,), generator=generator))
        room = self.log_mels.shape[1] - length
        return {
            "index": audible[chosen],
            "length": torch.full((batch_size,), length),
            "start": torch.randint(room + 1, (batch_size,), generator=generator),
            "seed": torch.randint(2**62, (batch_size,), generator=generator),
        }

    def load(self, rows: Batch) -> Batch:
        """Cut the crops out, find which of them are audible, and augment them."""
        index, length = rows["index"], int(rows["length"][0])
        places = zip(index.tolist(), rows["start"].tolist(), strict=True)
        mel = torch.stack([self.log_mels[clip, start : start + length].float() for clip, start in places])
        is_heard = mel.amax(dim=(1, 2)) > self.log_mels[index].float().amax(dim=(1, 2)) - 30
        augmented = [_augment(one, seed) for one, seed in zip(mel, rows["seed"].tolist(), strict=True)]
        return {"log_mel": torch.stack(augmented), "counts": is_heard.float(), "kinds": self.kinds[index]}

    def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
        """Cross-entropy and accuracy over the audible crops."""
        counts, kinds = batch["counts"], batch["kinds"]
        logits = self.network(batch["log_mel"])[1].float()
        picked = logits.log_softmax(dim=-1).gather(1, kinds).mean(dim=1)
        hit = (logits.argmax(1, keepdim=True) == kinds).any(1).float()
        # the audible crops per rank, so that the mean over ranks is the mean over all audible crops
        total = (gather_rows(counts).mean() * len(counts)).clamp(min=1e-6)
        return {"loss": -(picked * counts).sum() / total, "accuracy": (hit * counts).sum() / total}


def _augment(log_mel: Tensor, seed: int) -> Tensor:
    """Augment one crop, as another microphone, room and codec would record it.

    Changes level and colour, blurs half of the crops, adds grain and a noise floor between -90 and -45 dB,
    and masks a band. Without colour, blur and grain the network relied on the finest texture of a spectrum,
    and misclassified its own training sounds after an autoencoder had smoothed them by 2 dB
    (``docs/log.md``).
    """
    generator = torch.Generator().manual_seed(seed)
    frames, bands = log_mel.shape
    level, bed, grain, is_blurred = torch.rand(4, generator=generator).tolist()
    knots = 4 * torch.randn(1, 1, _KNOTS, generator=generator)
    colour = F.interpolate(knots, bands, mode="linear", align_corners=True)[0, 0]
    mel = log_mel + 12 * (level - 0.5) + colour
    if is_blurred < 0.5:
        time, pitch = (1 + 2 * int(torch.randint(1, most, (1,), generator=generator)) for most in (5, 3))
        mel = F.avg_pool2d(mel[None], (time, pitch), 1, (time // 2, pitch // 2), count_include_pad=False)[0]
    mel = mel + 3 * grain * torch.randn(frames, bands, generator=generator)
    mel = torch.maximum(mel, -90 + 45 * bed + 4 * torch.randn(frames, bands, generator=generator))
    first = int(torch.randint(bands, (1,), generator=generator))
    width = int(torch.randint(9, (1,), generator=generator))
    mel[:, first : first + width] = float(mel.min())
    return mel
