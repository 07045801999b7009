"""Alignment accuracy of generated files with the films they belong to."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.errors import MediaError
from cinefoley.evaluation.pairing import Sample
from cinefoley.evaluation.scores import Score
from cinefoley.media.audio import read_audio
from cinefoley.media.windows import stream_windows
from cinefoley.metrics.alignment import AlignmentJudge, alignment_accuracy
from cinefoley.models.folder import load_part
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.spectral.mel import mel_spectrogram

__all__ = ["FileJudge"]


class FileJudge:
    """Diff-Foley's judge over files: the first window of each film beside that of its generated sound.

    Reading: the features are the teacher's, of the films given, so of the unvaried ones where those are
    given: one judge that sees the whole scene, for every method alike.

    Args:
        folder: A model folder with an alignment classifier; its ``video_encoder`` watches the films.
        seed: Of the posterior's noise.

    Raises:
        MissingWeightsError: If the folder has no judge.
        WeightsError: If a part does not fit.
    """

    def __init__(self, folder: Path, *, seed: int = 0) -> None:
        self._judge = AlignmentJudge.from_model(folder).eval()
        self._encoder = load_part(folder / "video_encoder", VideoEncoder)
        self._config = self._judge.config
        self._seed = seed
        self.describe = f"features of the teacher in {folder.name}, first {self._config.window_s:g} s"

    def score(self, samples: Sequence[Sample], films: Mapping[str, Path]) -> dict[str, Score]:
        """Judge every sample whose film is there.

        The generated mel is used where ``NAME.mel.npy`` lies beside the sound, as the paper has it (write it
        with `cinefoley generate --save-mel`), and the mel of the sound elsewhere.
        """
        means, draws, analysed = [], [], 0
        for number, sample in enumerate(samples):
            if sample.clip not in films:
                continue
            features = self._features(films[sample.clip])
            mel, is_generated = self._mel(sample.path)
            analysed += not is_generated
            generator = torch.Generator().manual_seed(self._seed * 1_000_003 + number)
            means.append(self._judge.probability(mel, features, posterior="mean"))
            draws.append(self._judge.probability(mel, features, generator=generator))
        if not means:
            return {"Align Acc": Score(skipped="no sample has a film of its clip's name")}
        note = "Align Acc" if not analysed else f"Align Acc ({analysed} of {len(means)} from sound, not mel)"
        return {
            note: Score(value=float(alignment_accuracy(torch.cat(draws)))),
            f"{note}, posterior mean": Score(value=float(alignment_accuracy(torch.cat(means)))),
        }

    @torch.no_grad()
    def _features(self, film: Path) -> Tensor:
        config = self._config
        [frames] = stream_windows(
            film,
            starts=[0],
            frames_per_window=config.video_frames,
            fps=config.video_fps,
            size=config.frame_size,
        )
        features: Tensor = self._encoder(frames[None].float() / 255)
        return F.normalize(features, dim=-1)

    def _mel(self, sound: Path) -> tuple[Tensor, bool]:
        saved = sound.with_suffix(".mel.npy")
        config = self._config
        if saved.is_file():
            try:
                mel = torch.from_numpy(np.load(saved, allow_pickle=False)[:1].astype(np.float32))
            except (ValueError, OSError, IndexError) as exc:
                raise MediaError(f"{saved}: damaged ({exc}). Generate it again.") from exc
        else:
            waveform, _ = read_audio(sound, sample_rate=config.mel.sample_rate, mono=True)
            mel = mel_spectrogram(waveform[:, : config.window_samples], config.mel)
        missing = config.mel_frames - mel.shape[-1]
        return F.pad(mel, (0, max(0, missing)))[..., : config.mel_frames], saved.is_file()
