"""Alignment accuracy of generated files, by the alignment classifier and the features of their videos."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.errors import MediaError, MissingWeightsError
from cinefoley.evaluation.folder.feature_cache import FeatureCache
from cinefoley.evaluation.folder.pairing import Sample
from cinefoley.evaluation.folder.per_clip_metrics import Measurement, Ratio
from cinefoley.evaluation.folder.sounds import has_saved_mel, read_mel, read_sound, sound_digest
from cinefoley.media.frames.windows import stream_windows
from cinefoley.metrics.alignment import AlignmentScorer, alignment_accuracy
from cinefoley.metrics.backbones.protocol import Embedding
from cinefoley.metrics.backbones.weights import file_digest
from cinefoley.models.folder import load_part
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.spectral.mel import mel_spectrogram

__all__ = ["AlignmentMetric"]

_READING = "first window"  # part of the cache's key; change it when the same files would give other numbers


class AlignmentMetric:
    """Diff-Foley's alignment accuracy of files: the first window of each video and of its generated sound.

    Reading: the features are the teacher's, of the unvaried videos, for every method. For other readings pass
    varied ``videos`` or another ``video_encoder``.

    Args:
        folder: A model folder with an alignment classifier.
        videos: The video of each clip.
        video_encoder: Encoder of the features: ``"teacher"`` or ``"student"`` of the model folder, or the
            folder of another encoder.
        seed: Of the posterior's noise, which is drawn for each sample from this, the clip and its number.
        cache: Cache of probabilities.
        device: Where it runs.

    Raises:
        MissingWeightsError: If the folder has no alignment classifier, or no student where that is asked for.
        WeightsError: If a part does not fit.
    """

    def __init__(
        self,
        folder: Path,
        videos: Mapping[str, Path],
        *,
        video_encoder: str = "teacher",
        seed: int = 0,
        cache: FeatureCache | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        encoder = _find_encoder(folder, video_encoder)
        self._scorer = AlignmentScorer.from_model(folder).to(device)
        self._encoder = load_part(encoder, VideoEncoder).to(device).eval()
        self._device = torch.device(device)
        self.videos = videos
        """The video of each clip; workers replace it with those of their clips."""
        self._config = self._scorer.config
        self._seed = seed
        self._cache = cache or FeatureCache(None)
        own = folder / "alignment_vae"
        self._digest = _digest(folder / "alignment", own if own.is_dir() else folder / "vae")
        self._encoder_digest = _digest(encoder)
        self._whose = video_encoder if video_encoder in ("teacher", "student") else f"encoder {encoder.name}"
        self._last_video: tuple[Path, Tensor] | None = None

    def measure(self, samples: Sequence[Sample]) -> Measurement:
        """Measure every sample that has a video.

        The generated mel is used where ``NAME.mel.npy`` lies beside the sound, as the paper has it (write it
        with `cinefoley generate --save-mel`), and the mel of the sound elsewhere; the protocol line counts.
        A video or a saved mel that cannot be read is named among the problems.
        """
        means, draws, analysed = {}, {}, 0
        problems: dict[Sample, str] = {}
        for sample in samples:
            if sample.clip not in self.videos:
                continue
            try:
                mean, draw = self._probabilities(sample)
            except MediaError as exc:
                problems[sample] = str(exc)
                continue
            analysed += not has_saved_mel(sample.path)
            means[sample] = (float(alignment_accuracy(mean[None])), 1.0)
            draws[sample] = (float(alignment_accuracy(draw[None])), 1.0)
        why = "no sample has a video of its clip's name"
        protocol = {
            "alignment_judge": f"features of the {self._whose} (sha256:{self._encoder_digest[:12]}), "
            f"classifier (sha256:{self._digest[:12]}), first {self._config.window_s:g} s, seed {self._seed}",
            "alignment_mels": f"{len(means) - analysed} generated, {analysed} taken of the sound",
        }
        return Measurement(
            ratios={
                "Align Acc": Ratio(parts=draws, if_unmeasured=why),
                "Align Acc, posterior mean": Ratio(parts=means, if_unmeasured=why),
            },
            protocol=protocol,
            problems=problems,
        )

    def _probabilities(self, sample: Sample) -> Tensor:
        """With the posterior's mean, and with a sample of it: ``(2,)``."""
        video = self.videos[sample.clip]
        sound = sound_digest(_saved_mel(sample.path) if has_saved_mel(sample.path) else sample.path)
        network = f"{self._digest} {self._encoder_digest} {self._config} {file_digest(video)}"
        reading = f"{_READING} {self._seed}/{sample.clip}/{sample.number}"
        known = self._cache.get(sound, network, reading)
        if known is not None:
            return known.features
        features, mel = self._features(video), self._mel(sample.path)
        generator = torch.Generator().manual_seed(_noise_seed(self._seed, sample))
        found = torch.cat(self._scorer.probabilities(mel, features, generator=generator)).cpu()
        self._cache.put(sound, network, reading, Embedding(found, None))
        return found

    @torch.no_grad()
    def _features(self, video: Path) -> Tensor:
        """Features of the video's first window; those of the last video are reused for its other samples."""
        if self._last_video is None or self._last_video[0] != video:
            config = self._config
            [frames] = stream_windows(
                video,
                starts=[0],
                frames_per_window=config.video_frames,
                fps=config.frame_rate,
                size=config.frame_size,
            )
            features: Tensor = self._encoder(frames[None].to(self._device).float() / 255)
            self._last_video = video, F.normalize(features, dim=-1)
        return self._last_video[1]

    def _mel(self, sound: Path) -> Tensor:
        config = self._config
        if has_saved_mel(sound):
            mel = torch.from_numpy(read_mel(sound)[:1])
            if mel.ndim != 3 or mel.shape[1] != config.mel.n_mels or not bool(mel.isfinite().all()):
                raise MediaError(
                    f"{_saved_mel(sound)}: not a mel of this model: expected finite (windows, "
                    f"{config.mel.n_mels}, frames), got {tuple(mel.shape)}. Use the model that generated it, "
                    "or move it away."
                )
        else:
            waveform, _ = read_sound(sound, sample_rate=config.mel.sample_rate, mono=True)
            mel = mel_spectrogram(waveform[:, : config.window_samples], config.mel)
        missing = config.mel_frames - mel.shape[-1]
        return F.pad(mel, (0, max(0, missing)))[..., : config.mel_frames]


def _saved_mel(sound: Path) -> Path:
    return sound.with_suffix(".mel.npy")


def _noise_seed(seed: int, sample: Sample) -> int:
    """Seed of a sample's noise, which does not depend on other samples; PyTorch's generator uses 32 bits."""
    text = f"cinefoley alignment/{seed}/{sample.clip}/{sample.number}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


def _find_encoder(folder: Path, choice: str) -> Path:
    names = {"teacher": "video_encoder", "student": "video_encoder_student"}
    encoder = folder / names[choice] if choice in names else Path(choice).expanduser()
    if not encoder.is_dir():
        raise MissingWeightsError(
            f"{folder}: has no {choice} video encoder (expected {encoder}). "
            "Choose teacher, student, or the folder of a video encoder."
        )
    return encoder


def _digest(*folders: Path) -> str:
    """SHA-256 over all files of some parts of a model."""
    files = [path for folder in folders for path in sorted(folder.iterdir()) if path.is_file()]
    return hashlib.sha256(
        "\n".join(f"{path.name} {file_digest(path)}" for path in files).encode()
    ).hexdigest()
