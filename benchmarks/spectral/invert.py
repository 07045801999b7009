"""Mel to waveform: ``invert_mel`` against librosa's ``mel_to_stft`` and ``griffinlim``, in one run.

    python benchmarks/spectral/invert.py [--takes 10] [--threads 2] [--device cpu] [--iterations N]

Both sides get the same mels, of ten takes each of three kinds of sound, and are judged by the same formulas:

- ``mel``: ``|| F |STFT(y)| - M || / || M ||``, with F the mel filters and M the linear mel amplitude given;
- ``stft``: ``|| |STFT(y)| - S || / || S ||``, with S the magnitudes of the sound the mel was made of;
- ``pre-echo``: energy in the 30 ms before an onset over energy in the 30 ms after, in dB (clicks; the mean
  of ratios over all onsets).

Times are of wall clocks, medians with the quartiles; calls of the two sides take turns, so that what else the
machine does falls on both. Processor time is beside them, since it does not depend on who else is waiting.
"""

import argparse
import functools
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import librosa
import numpy as np
import torch
from torch import Tensor

from cinefoley.config.mel import MelConfig
from cinefoley.spectral import invert_mel, mel_spectrogram
from cinefoley.spectral.filters import mel_filters
from cinefoley.spectral.levels import unit_to_amplitude

CONFIG = MelConfig()
NUM_SAMPLES = 512 * CONFIG.hop_length
REFERENCE_ITERATIONS = 32
GUARD = round(0.030 * CONFIG.sample_rate)


@dataclass
class Side:
    """What one side did."""

    waveforms: list[Tensor] = field(default_factory=list)
    window_s: list[float] = field(default_factory=list)
    takes_s: list[float] = field(default_factory=list)
    processor_s: list[float] = field(default_factory=list)


def music(rng: np.random.Generator) -> np.ndarray:
    """Chords of plucked strings, eight partials each."""
    waveform = np.zeros(NUM_SAMPLES)
    start = 0
    while start < NUM_SAMPLES - 4000:
        seconds = np.arange(NUM_SAMPLES - start) / CONFIG.sample_rate
        root = 110 * 2 ** (rng.integers(0, 24) / 12)
        for interval in (0, 4, 7, 12):
            for partial in range(1, 9):
                frequency = root * 2 ** (interval / 12) * partial
                tone = np.sin(2 * np.pi * (frequency * seconds + rng.random()))
                if frequency < CONFIG.f_max:
                    waveform[start:] += 0.08 / partial * np.exp(-seconds * (2 + 0.7 * partial)) * tone
        start += round(rng.uniform(0.25, 0.8) * CONFIG.sample_rate)
    return waveform


def clicks(rng: np.random.Generator) -> np.ndarray:
    """Struck objects, each 0.5 s after the last: a burst of noise and a tone that dies away."""
    waveform = np.zeros(NUM_SAMPLES)
    for start in click_starts():
        after = np.arange(3000)
        ring = np.exp(-after / rng.uniform(60, 400)) * np.sin(
            after * rng.uniform(300, 3000) * 2 * np.pi / 16000
        )
        waveform[start : start + 3000] += 0.8 * ring
        waveform[start : start + 40] += 0.3 * rng.standard_normal(40) * np.exp(-np.arange(40) / 10)
    return waveform


def click_starts() -> range:
    """First samples of the clicks, at ever other places within a hop."""
    return range(4000, NUM_SAMPLES - 4000, 8111)


def noise(rng: np.random.Generator) -> np.ndarray:
    """White noise that swells and fades."""
    knots = rng.uniform(0.02, 0.2, 9)
    envelope = np.interp(np.arange(NUM_SAMPLES), np.linspace(0, NUM_SAMPLES, 9), knots)
    return envelope * rng.standard_normal(NUM_SAMPLES)


def invert_by_librosa(mel: Tensor) -> Tensor:
    """As the reference does, with the right filters: (1, n_mels, frames) -> (1, N)."""
    amplitude = unit_to_amplitude(mel[0], CONFIG).numpy()
    magnitude = librosa.feature.inverse.mel_to_stft(
        amplitude, sr=CONFIG.sample_rate, n_fft=CONFIG.n_fft, power=1, fmin=CONFIG.f_min, fmax=CONFIG.f_max
    )
    waveform = librosa.griffinlim(
        magnitude,
        n_iter=REFERENCE_ITERATIONS,
        hop_length=CONFIG.hop_length,
        length=NUM_SAMPLES - 1,
        random_state=0,
    )
    return torch.from_numpy(np.pad(waveform, (0, 1)))[None]


def magnitude_of(waveform: Tensor) -> Tensor:
    """|STFT| as the front-end takes it."""
    window = torch.hann_window(CONFIG.n_fft)
    samples = waveform[:, :-1]
    return torch.stft(
        samples, CONFIG.n_fft, CONFIG.hop_length, window=window, pad_mode="constant", return_complex=True
    ).abs()


def relative_error(found: Tensor, wanted: Tensor) -> list[float]:
    """Frobenius norm of the difference over that of ``wanted``, per item."""
    return ((found - wanted).norm(dim=(1, 2)) / wanted.norm(dim=(1, 2))).tolist()


def pre_echo_db(waveform: Tensor) -> float:
    """Energy before onsets over energy after them, averaged over clicks and takes."""
    ratios = [
        waveform[:, start - GUARD : start].square().sum(1)
        / waveform[:, start : start + GUARD].square().sum(1)
        for start in click_starts()
    ]
    return float(10 * torch.log10(torch.stack(ratios).mean() + 1e-12))


def timed(function: Callable[[], Tensor]) -> tuple[Tensor, float, float]:
    """Result, wall seconds, processor seconds of all threads."""
    wall, processor = time.perf_counter(), time.process_time()
    result = function()
    if result.is_cuda:
        torch.cuda.synchronize()
    return result, time.perf_counter() - wall, time.process_time() - processor


def compare(mels: Tensor, device: torch.device, invert_ours: Callable[[Tensor], Tensor]) -> tuple[Side, Side]:
    """Invert every take by both sides, taking turns; then all takes in one call."""
    ours, reference = Side(), Side()
    placed = mels.to(device)
    invert_ours(placed[:1])
    for index in range(len(mels)):
        for side, invert, given in ((reference, invert_by_librosa, mels), (ours, invert_ours, placed)):
            waveform, wall_s, processor_s = timed(lambda f=invert, m=given[index : index + 1]: f(m))
            side.waveforms.append(waveform.cpu())
            side.window_s.append(wall_s)
            side.processor_s.append(processor_s)
    reference.takes_s = [sum(reference.window_s)]
    ours.takes_s = [timed(lambda: invert_ours(placed))[1] for _ in range(3)]
    return ours, reference


def report(name: str, sides: dict[str, Side], truth: Tensor, mels: Tensor) -> None:
    """Print one row per side."""
    amplitude = unit_to_amplitude(mels, CONFIG)
    for label, side in sides.items():
        waveform = torch.cat(side.waveforms)
        magnitude = magnitude_of(waveform)
        mel_errors = relative_error(mel_filters(CONFIG) @ magnitude, amplitude)
        stft_errors = relative_error(magnitude, magnitude_of(truth))
        low, middle, high = statistics.quantiles(side.window_s, n=4)
        echo = f"{pre_echo_db(waveform):7.1f} dB" if name == "clicks" else ""
        print(
            f"{name:7s} {label:11s} {1e3 * middle:7.0f} ms [{1e3 * low:.0f}, {1e3 * high:.0f}]  "
            f"cpu {1e3 * statistics.median(side.processor_s):6.0f} ms  "
            f"{len(mels)} takes {statistics.median(side.takes_s):7.2f} s  "
            f"mel {statistics.mean(mel_errors):.4f} (worst {max(mel_errors):.4f})  "
            f"stft {statistics.mean(stft_errors):.4f} (worst {max(stft_errors):.4f})  {echo}"
        )
    ours, reference = sides["invert_mel"], sides["librosa"]
    print(
        f"{'':7s} times faster: one window {_ratio(reference.window_s, ours.window_s):.1f}, "
        f"in processor time {_ratio(reference.processor_s, ours.processor_s):.1f}, "
        f"{len(mels)} takes {_ratio(reference.takes_s, ours.takes_s):.1f}"
    )


def _ratio(slow: list[float], fast: list[float]) -> float:
    return statistics.median(slow) / statistics.median(fast)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--takes", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--iterations", type=int, help="of invert_mel; its default if not given")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    print(
        f"invert_mel on {device} ({where}), librosa {librosa.__version__} on the processor; "
        f"torch {torch.__version__}, numpy {np.__version__}, {options.threads} of {os.cpu_count()} threads, "
        f"load {os.getloadavg()[0]:.1f}; mel (1, 128, 512), {options.takes} takes"
    )
    warnings.simplefilter("ignore")
    given = {} if options.iterations is None else {"num_iterations": options.iterations}
    invert_ours = functools.partial(invert_mel, **given)
    invert_by_librosa(torch.zeros(1, CONFIG.n_mels, 512))  # its first call compiles
    for make in (music, clicks, noise):
        takes = [make(np.random.default_rng(100 + i)) for i in range(options.takes)]
        truth = torch.from_numpy(np.stack(takes).astype(np.float32))
        mels = mel_spectrogram(truth)
        ours, reference = compare(mels, device, invert_ours)
        report(make.__name__, {"librosa": reference, "invert_mel": ours}, truth, mels)


if __name__ == "__main__":
    main()
