"""Hours and disk space of Table 1 on VGGSound: ``reproduce table1 --dry-run`` on a list of its length.

The split CSV has 15,000 test clips and 165,000 training clips. Only the first of each exists, since only
one is read: 10 s of 360 x 640 at 25 fps. PANNs and VGGish have random weights, which cost the same. The model
is ``lite``, or has the shapes of Diff-Foley and random weights (6 GiB of memory and 3 GB of disk).

Run: python benchmarks/evaluation/table1_cost.py [--model lite|diff-foley] [--devices 1 4 64] [-o FILE.json]
"""

import argparse
import contextlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from cinefoley.cli.main import main as cinefoley
from cinefoley.cli.reproduction.dry_run import render_costs
from cinefoley.config.presets import diff_foley
from cinefoley.media.muxing.save_video import save_video
from cinefoley.metrics.backbones import loading
from cinefoley.metrics.backbones.panns import Cnn14
from cinefoley.metrics.backbones.protocol import Backbone
from cinefoley.metrics.backbones.vggish import VggishNet
from cinefoley.models import build
from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.stage.render import render_clip

TEST_CLIPS, TRAINING_CLIPS = 15_000, 165_000


def main() -> None:
    """Make stand-in, networks and model, run the dry run, and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=["lite", "diff-foley"], default="lite")
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 4, 64])
    parser.add_argument("-o", "--out", type=Path, help="JSON file to write as well")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_list(folder)
        use_random_backbones(folder)
        model = "lite" if args.model == "lite" else str(make_full_size(folder / "diff-foley"))
        command = ["reproduce", "table1", "--data", str(folder / "clips"), "--csv", str(folder / "rows.csv")]
        command += ["--model", model, "-o", str(folder / "out"), "--dry-run", "--json", "-q"]
        for count in args.devices:
            command += ["--devices", str(count)]
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            code = cinefoley(command)
    if code:
        raise SystemExit(code)
    report = json.loads(printed.getvalue())
    report["title"] = f"table1 on VGGSound's number of clips, {args.model}"
    if args.out is not None:
        args.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(render_costs(report))


def write_list(folder: Path) -> None:
    """A split CSV in VGGSound's form, and its first clips."""
    clip = render_clip(0, split="test", fps=25, size=(360, 640), duration_s=10.0)
    frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
    first = folder / "clips" / "clip000000_000000.mp4"
    first.parent.mkdir()
    save_video(
        first,
        frames,
        clip.fps,
        waveform=torch.from_numpy(clip.waveform),
        sample_rate=clip.sample_rate,
    )
    first.with_name(f"clip{TEST_CLIPS:06d}_000000.mp4").hardlink_to(first)
    splits = ["test"] * TEST_CLIPS + ["train"] * TRAINING_CLIPS
    rows = [f"clip{number:06d},0,{clip.sources[0].kind},{split}\n" for number, split in enumerate(splits)]
    (folder / "rows.csv").write_text("".join(rows), encoding="utf-8")


def use_random_backbones(folder: Path) -> None:
    """Let the command load networks that nobody has trained: the published ones cannot be shipped."""
    torch.manual_seed(0)
    save_file(Cnn14().state_dict(), folder / "panns.safetensors")
    save_file(VggishNet().state_dict(), folder / "vggish.safetensors")
    load = loading.load_backbone

    def load_random(name: Any, weights: Path | None = None, *, device: Any = "cpu") -> Backbone:
        return load(name, weights or folder / f"{name}.safetensors", device=device)

    loading.load_backbone = load_random  # type: ignore[assignment]


def make_full_size(folder: Path) -> Path:
    """A model of Diff-Foley's shapes; what it makes is noise, what it costs is not."""
    config = diff_foley()
    torch.set_default_dtype(torch.bfloat16)  # half the disk; the command computes in its own number format
    try:
        FoleyPipeline(
            video_encoder=build.build_video_encoder(config.video_encoder),
            conditioner=build.build_conditioner(config),
            unet=build.build_denoiser(config.denoiser),
            vae=build.build_autoencoder(config.autoencoder),
            scheduler=build.build_scheduler(config.denoiser),
            foley_config=config.foley,
        ).save_pretrained(folder)
        AlignmentClassifier().save_pretrained(folder / "alignment")
    finally:
        torch.set_default_dtype(torch.float32)
    return folder


if __name__ == "__main__":
    main()
