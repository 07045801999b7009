"""The inputs of ``fixtures/metrics``, drawn again from their seeds."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

__all__ = [
    "as_pcm16",
    "features",
    "film_pair",
    "frechet_pairs",
    "inception_sets",
    "kernel_pairs",
    "kl_pairs",
    "logits",
    "sound",
]

Array = npt.NDArray[np.float32]
f32 = np.float32


def _rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def features(seed: int, rows: int, width: int, shift: float = 0.0, *, is_rectified: bool = False) -> Array:
    """Correlated neighbouring columns, each of its own scale, optionally rectified."""
    drawn = _rng(seed).standard_normal((rows, width), dtype=f32)
    mixed = drawn.copy()
    mixed[:, 1:] = drawn[:, 1:] + f32(0.5) * drawn[:, :-1]
    scale = f32(0.25) + _rng(7).random(width, dtype=f32)
    placed = mixed * scale + f32(shift)
    return placed.clip(min=f32(0)) if is_rectified else placed


def logits(seed: int, rows: int, classes: int = 527) -> Array:
    """A background around -5, and one loud class in every row."""
    drawn = _rng(seed).standard_normal((rows, classes), dtype=f32) * f32(2) - f32(5)
    drawn[np.arange(rows), (37 * np.arange(rows) + seed) % classes] += f32(9)
    return drawn


def blurred(clean: Array, seed: int) -> Array:
    """What a generator makes of some logits."""
    return f32(0.7) * clean + f32(1.5) * _rng(seed).standard_normal(clean.shape, dtype=f32)


def sound(
    seed: int, length: int, *, sample_rate: int = 16000, offset: float = 0.0, channels: int = 1
) -> Array:
    """Decaying harmonics, noise and an offset, ``(channels, length)``."""
    time = np.arange(length, dtype=np.float64) / sample_rate
    voices = [_voice(_rng(10 * seed + channel), time) + offset for channel in range(channels)]
    return np.stack(voices).astype(f32)


def _voice(rng: np.random.Generator, time: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    pitch = 80.0 * 2.0 ** (rng.random(5) * 6.0)
    phase = 2 * np.pi * rng.random(5)
    speed = 1.0 + rng.random()
    level = 0.3 / np.arange(1, 6)
    tones = level[:, None] * np.sin(2 * np.pi * pitch[:, None] * time + phase[:, None])
    decay = np.exp(-4.0 * ((time * speed) % 1.0))
    return np.clip(decay * tones.sum(0) + 0.02 * rng.standard_normal(len(time)), -0.95, 0.95)


def as_pcm16(waveform: Array) -> npt.NDArray[np.int16]:
    """Samples as a 16-bit file holds them."""
    return np.round(waveform.astype(np.float64) * 32767.0).clip(-32768, 32767).astype(np.int16)


def film_pair(seed: int, number: int) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """(generated, reference) sound of one file of the pipeline fixture; lengths and channels differ."""
    length = (48000, 40000, 19200, 33333, 64000, 50000, 32000, 45678)[number % 8]
    is_stereo = number % 8 == 1
    channels = 2 if is_stereo else 1
    reference = sound(1000 * seed + number, 64000, offset=0.03 if is_stereo else 0.0, channels=channels)
    other = sound(1000 * seed + 500 + number, 64000, channels=channels)
    mixed = f32(0.6) * reference + f32(0.35) * other
    shorter = length if number % 3 else length - 1600
    return as_pcm16(mixed[:, :shorter]), as_pcm16(reference[:, :length])


def frechet_pairs(shift: int = 0) -> Mapping[str, tuple[Array, Array]]:
    """(generated, reference) features; ``shift`` moves every seed."""
    s = shift
    same, few, repeated = features(s + 31, 500, 64), features(s + 32, 20, 64), features(s + 33, 60, 32)
    dead_generated = features(s + 21, 400, 64, -0.2, is_rectified=True)
    dead_reference = features(s + 22, 300, 64, -0.2, is_rectified=True)
    dead_generated[:, [3, 9, 40, 50]] = 0
    dead_reference[:, [3, 9, 40]] = 0
    against_repeats = features(s + 34, 600, 32, 0.2)
    return {
        "full_rank": (
            features(s + 11, 600, 64, -0.2, is_rectified=True),
            features(s + 12, 500, 64, -0.1, is_rectified=True),
        ),
        "vggish_like": (features(s + 13, 300, 128), features(s + 14, 400, 128, 0.1)),
        "singular": (features(s + 15, 50, 128), features(s + 16, 60, 128, 0.1)),
        "singular_one_side": (features(s + 17, 50, 128), features(s + 18, 400, 128, 0.1)),
        "dead_columns": (dead_generated, dead_reference),
        "identical_full": (same, same.copy()),
        "identical_singular": (few, few.copy()),
        "mean_shift": (same, same + f32(0.5)),
        "scaled": (same, same * f32(2)),
        "constant_both": (np.full((8, 16), 0.5, f32), np.full((9, 16), 1.5, f32)),
        "constant_vs_varying": (np.full((8, 32), 0.5, f32), repeated),
        "reference_repeated_10x": (against_repeats, repeated.repeat(10, axis=0)),
        "reference_once": (against_repeats, repeated),
        "two_rows": (features(s + 35, 2, 16), features(s + 36, 2, 16)),
        "one_row_both": (features(s + 35, 1, 16), features(s + 36, 1, 16)),
        "one_row_vs_many": (features(s + 35, 1, 16), features(s + 36, 40, 16)),
        "panns_size": (
            features(s + 37, 1500, 2048, -0.5, is_rectified=True),
            features(s + 38, 1300, 2048, -0.45, is_rectified=True),
        ),
    }


def kernel_pairs(shift: int = 0) -> Mapping[str, tuple[Array, Array]]:
    """(generated, reference) features."""

    def rectified(seed: int, rows: int, width: int, loc: float) -> Array:
        return features(shift + seed, rows, width, loc, is_rectified=True)

    first, repeated = rectified(41, 300, 64, 0.0), rectified(42, 60, 64, 0.0)
    return {
        "default": (rectified(43, 1200, 64, -0.2), rectified(44, 1100, 64, -0.1)),
        "panns_size": (rectified(45, 1100, 2048, -0.5), rectified(46, 1050, 2048, -0.45)),
        "small_uneven": (first, rectified(47, 200, 64, 0.1)),
        "small_equal": (first, rectified(48, 300, 64, 0.1)),
        "identical": (first, first.copy()),
        "reference_repeated_10x": (rectified(49, 600, 64, 0.1), repeated.repeat(10, axis=0)),
        "two_rows": (first[:2], rectified(47, 2, 64, 0.1)),
        "one_row": (first[:1], rectified(47, 1, 64, 0.1)),
    }


def kl_pairs(shift: int = 0) -> Mapping[str, tuple[Array, Array]]:
    """(generated, reference) logits, already paired by name."""
    reference, unrelated = logits(shift + 51, 120), logits(shift + 54, 120)
    generated = blurred(reference, shift + 52)
    return {
        "paired": (generated, reference),
        "unrelated": (blurred(unrelated, shift + 55), reference),
        "saturated": (f32(6) * unrelated, f32(6) * reference),
        "identical": (reference, reference.copy()),
        "shuffled_names": (generated, reference),
        "one_missing": (generated[1:], reference[1:]),
        "extra_generated": (generated[:-1], reference[:-1]),
        "one_pair": (generated[:1], reference[:1]),
    }


def inception_sets(shift: int = 0) -> Mapping[str, Array]:
    """Logits of generated clips."""
    uneven = logits(shift + 61, 203)
    return {
        "divisible": logits(shift + 62, 200),
        "not_divisible": uneven,
        "ten_rows": uneven[:10],
        "fewer_rows_than_splits": uneven[:7],
        "one_row": uneven[:1],
        "all_rows_equal": uneven[:1].repeat(40, axis=0),
        "flat": np.zeros((40, 527), f32),
        "repeated_10x": uneven[:60].repeat(10, axis=0),
    }
