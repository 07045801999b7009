"""Mean features of the stage's kinds, for ``--kind`` and ``--like``: writes ``kinds/`` into a model folder.

    python recipes/kinds.py                              # the bundled model; about three minutes on two cores
    python recipes/kinds.py --model FOLDER --clips 500

Run it again after training: the part holds digests of the encoders and is refused beside others. It reads
``train`` clips of one source only.
"""

import argparse

import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.evaluation.stage.take_metrics import stage_frames
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.folder import load_part
from cinefoley.models.kinds import Kinds
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.loading import resolve_model
from cinefoley.spectral.mel import mel_spectrogram
from cinefoley.stage import StageTake, draw_take
from cinefoley.stage.kinds import KINDS

BATCH = 10


def main() -> None:
    """Compute and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lite")
    parser.add_argument("--clips", type=int, default=500, help="at most; a multiple of the number of kinds")
    args = parser.parse_args()
    folder = resolve_model(args.model)
    pipeline = FoleyPipeline.from_pretrained(folder)
    encoder = load_part(folder / "audio_encoder", AudioEncoder).eval()
    rows: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {actor.kind: [] for actor in KINDS}
    names = list(rows)
    for first in range(0, args.clips, BATCH):
        clips = [
            draw_take(
                number,
                split="train",
                duration_s=pipeline.foley_config.window_s,
                kind=names[number % len(names)],
            )
            for number in range(first, min(first + BATCH, args.clips))
        ]
        for clip, row in zip(clips, features_of(clips, pipeline, encoder), strict=True):
            rows[clip.actor.kind].append(row)
    means = {name: [torch.stack(parts).mean(0) for parts in zip(*rows[name], strict=True)] for name in names}
    kinds = Kinds(
        names=tuple(names),
        video_means=torch.stack([means[name][0] for name in names]),
        audio_means=torch.stack([means[name][1] for name in names]),
        audio_peaks=torch.stack([means[name][2] for name in names]),
    )
    kinds.save(folder)
    print(f"{folder / 'kinds'}: {len(names)} kinds, {args.clips} clips")


@torch.no_grad()
def features_of(
    clips: list[StageTake], pipeline: FoleyPipeline, encoder: AudioEncoder
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Of each clip: mean video features, mean audio features, largest audio features, each ``(D,)``."""
    config = pipeline.foley_config
    video = pipeline.encode_video(stage_frames(clips, pipeline).float() / 255).mean(dim=1)
    sounds = torch.stack([window_of(clip, config.mel.sample_rate, config.window_samples) for clip in clips])
    audio = encoder(mel_spectrogram(sounds, config.mel))
    peaks = F.normalize(audio.amax(dim=1), dim=-1)
    means = F.normalize(audio, dim=-1).mean(dim=1)
    return list(zip(video, means, peaks, strict=True))


def window_of(clip: StageTake, rate: int, length: int) -> Tensor:
    """The clip's sound, ``(length,)``, at a peak of 1 as examples are."""
    sound = torch.from_numpy(clip.waveform(rate))
    sound = sound / sound.abs().max().clamp(min=1e-6)
    return F.pad(sound, (0, max(0, length - len(sound))))[:length]


if __name__ == "__main__":
    main()
