"""Speed of the backbones of ``cinefoley evaluate``: clips per hour, one clip at a time as in evaluation.

Weights are random: what they are does not change how long they take. Reading, resampling from 44.1 kHz and
hashing are included.

Run: python benchmarks/metrics/embed.py [--clips 12] [--seconds 8] [--device cpu]
"""

import argparse
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
from safetensors.torch import save_file

from cinefoley.evaluation.folder.feature_cache import FeatureCache
from cinefoley.evaluation.folder.features import embed_file
from cinefoley.metrics import load_backbone
from cinefoley.metrics.backbones.panns import Cnn14
from cinefoley.metrics.backbones.reading import AUDIOLDM_EVAL
from cinefoley.metrics.backbones.vggish import VggishNet


def main() -> None:
    """Print the median per clip for each backbone, clips per hour for both, and what VGGSound would take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    print(f"device {arguments.device} ({platform.machine()}), {torch.get_num_threads()} threads")
    print(f"torch {torch.__version__}; {arguments.clips} clips of {arguments.seconds:g} s, 44.1 kHz stereo")
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_file(Cnn14().state_dict(), folder / "panns.safetensors")
        save_file(VggishNet().state_dict(), folder / "vggish.safetensors")
        clips = [
            _write_clip(folder / f"{number}.wav", number, arguments.seconds)
            for number in range(arguments.clips)
        ]
        medians = []
        for backbone in ("panns", "vggish"):
            network = load_backbone(backbone, folder / f"{backbone}.safetensors", device=arguments.device)
            seconds = []
            for clip in clips:
                begin = time.perf_counter()
                embed_file(clip, [network], reading=AUDIOLDM_EVAL, cache=FeatureCache(None))
                seconds.append(time.perf_counter() - begin)
            medians.append(statistics.median(seconds[1:]))
            spread = max(seconds[1:]) - min(seconds[1:])
            print(f"{backbone}: {medians[-1]:.3f} ({spread:.3f}) s per clip, median (spread)")
    total = sum(medians)
    print(f"both: {3600 / total:.0f} clips per hour")
    hours = total * 15_000 * (1 + 3 * 10) / 3600
    print(f"15,000 real clips and 3 sets of 10 samples of each: {hours:.0f} hours on one such device")


def _write_clip(path: Path, seed: int, seconds: float) -> Path:
    noise = np.random.Generator(np.random.PCG64(seed)).standard_normal((round(seconds * 44100), 2))
    soundfile.write(path, 0.1 * noise, 44100)
    return path


if __name__ == "__main__":
    main()
