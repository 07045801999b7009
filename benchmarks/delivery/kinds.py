"""Kinds in cue sheets: how often is the kind of an event named rightly on stage clips?

Clips of the split ``valid`` with onsets, with one source and with two. ``right``, ``wrong`` and ``none`` are
shares of events. Rows:

- ``classifier``: what ``cinefoley spot`` does, at the events' known times;
- ``audio encoder``: the kind whose mean audio features are nearest to those within 0.6 s of the known time;
- ``found``: ``classifier`` at the times that onset detection finds, within 100 ms of an event;
- ``takes``: the same in takes that the model generates for clips of one source.

Run: python benchmarks/delivery/kinds.py [--clips 40] [--takes 12] [--model lite]
"""

import argparse
import platform
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.delivery.cues import find_cues
from cinefoley.delivery.kinds import LEAD_S, LENGTH_S, KindNamer
from cinefoley.errors import WeightsError
from cinefoley.evaluation.stage.take_metrics import stage_frames
from cinefoley.media.audio.reader import slice_blocks
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.folder import load_part
from cinefoley.models.kinds import Kinds
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.loading import resolve_model
from cinefoley.pipelines.sampling import draw_noise
from cinefoley.spectral.mel import mel_spectrogram
from cinefoley.stage import StageTake, draw_take

TOLERANCE_S = 0.1


def main() -> None:
    """Print one line per row and number of sources."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--takes", type=int, default=12)
    parser.add_argument("--model", default="lite")
    args = parser.parse_args()
    folder = resolve_model(args.model)
    pipeline = FoleyPipeline.from_pretrained(folder)
    rate = pipeline.foley_config.mel.sample_rate
    namer = KindNamer(Kinds.names_of(folder))
    clips = draw_clips(args.clips, pipeline.foley_config.window_s)
    encoder = EncoderNamer.of(folder, pipeline)
    counts: dict[tuple[str, int], Counter[str]] = {}

    def count(row: str, clip: StageTake, kind: str, truth: str) -> None:
        outcome = "none" if not kind else "right" if kind == truth else "wrong"
        counts.setdefault((row, len(clip.actors)), Counter())[outcome] += 1

    for clip in clips:
        sound = torch.from_numpy(clip.waveform(rate))
        events = onsets_of(clip)
        for (time_s, truth), following in zip(
            events, [*(time for time, _ in events[1:]), clip.duration_s], strict=True
        ):
            end_s = min(following - LEAD_S, time_s + LENGTH_S)
            excerpt = sound[max(0, round((time_s - LEAD_S) * rate)) : round(end_s * rate)]
            count("classifier", clip, namer.name(excerpt, rate), truth)
            if encoder is not None:
                count("audio encoder", clip, encoder.name(sound, time_s, end_s), truth)
        for kind, truth in found_kinds(sound, rate, namer, events):
            count("found", clip, kind, truth)
    single = [clip for clip in clips if len(clip.actors) == 1][: args.takes]
    for clip in single:
        take = generate(clip, pipeline)
        for kind, truth in found_kinds(take, rate, namer, onsets_of(clip)):
            count("takes", clip, kind, truth)
    for (row, sources), found in sorted(counts.items()):
        total = found.total()
        shares = "  ".join(f"{name} {found[name] / total:.2f}" for name in ("right", "wrong", "none"))
        print(f"{row:14} {sources} source{'s' if sources > 1 else ' '}  {shares}  of {total} events")
    print(
        f"{platform.processor() or platform.machine()}, torch {torch.__version__}; {args.model}, valid, "
        f"{len(clips)} clips, {len(single)} takes"
    )


def draw_clips(count: int, duration_s: float) -> list[StageTake]:
    """Clips with onsets, half of them with one source, half with two."""
    wanted, clips, seed = {1: count - count // 2, 2: count // 2}, list[StageTake](), 0
    while sum(wanted.values()):
        clip = draw_take(seed, split="valid", duration_s=duration_s)
        seed += 1
        if wanted[len(clip.actors)] and onsets_of(clip):
            wanted[len(clip.actors)] -= 1
            clips.append(clip)
    return clips


def onsets_of(clip: StageTake) -> list[tuple[float, str]]:
    """Times and kinds of the events that begin with an onset, in order of time."""
    actors = [actor for actor in clip.actors if actor.is_onset_like]
    return sorted((time, actor.kind) for actor in actors for time in actor.hits.times.tolist())


def found_kinds(
    sound: Tensor, rate: int, namer: KindNamer, events: list[tuple[float, str]]
) -> Iterator[tuple[str, str]]:
    """Named and true kind of each onset that is found near an event."""
    for cue in find_cues(lambda: slice_blocks(sound.numpy()[None]), rate, namer=namer):
        time_s, truth = min(events, key=lambda event: abs(event[0] - cue.time_s))
        if abs(time_s - cue.time_s) <= TOLERANCE_S:
            yield cue.kind, truth


def generate(clip: StageTake, pipeline: FoleyPipeline) -> Tensor:
    """A take of a clip, ``(N,)``."""
    features = pipeline.encode_video(stage_frames([clip], pipeline).float() / 255)
    noise = draw_noise((1, *pipeline.latent_shape), seed=clip.seed, take=0, window=0)
    return pipeline.vocode(pipeline.decode(pipeline.sample(features, latents=noise)))[0]


class EncoderNamer:
    """Names the kind by a model's own audio encoder."""

    def __init__(self, encoder: AudioEncoder, kinds: Kinds, pipeline: FoleyPipeline) -> None:
        self._encoder = encoder
        self._kinds = kinds
        self._config = pipeline.foley_config

    @classmethod
    def of(cls, folder: Path, pipeline: FoleyPipeline) -> "EncoderNamer | None":
        """None if the model has no such parts, or they do not belong together."""
        try:
            kinds = Kinds.load(folder)
            encoder = load_part(folder / "audio_encoder", AudioEncoder)
        except WeightsError:
            return None
        return None if kinds is None else cls(encoder, kinds, pipeline)

    @torch.no_grad()
    def name(self, sound: Tensor, begin_s: float, end_s: float) -> str:
        """The kind whose mean is nearest to the mean features between two times."""
        config = self._config
        whole = F.pad(sound / sound.abs().max(), (0, max(0, config.window_samples - len(sound))))
        features = self._encoder(mel_spectrogram(whole[None, : config.window_samples], config.mel))[0]
        step_s = config.window_s / len(features)
        first = int(begin_s / step_s)
        near = features[first : max(first + 1, int(np.ceil(end_s / step_s)))]
        mean = F.normalize(near, dim=-1).mean(dim=0) - self._kinds.audio_mean
        middle = self._kinds.audio_mean
        nearness = F.normalize(self._kinds.audio_means - middle, dim=-1) @ F.normalize(mean, dim=-1)
        return self._kinds.names[int(nearness.argmax())]


if __name__ == "__main__":
    main()
