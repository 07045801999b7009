"""Peak memory and time of importing Diff-Foley's four checkpoints at full size.

The checkpoints are stand-ins of constant numbers with the names, shapes and extras of the public files (the
CAVP file carries its optimiser's state, so it is three times its weights). Files are made in one process and
imported in another, whose peak resident memory counts the mapped files too.

Run: python benchmarks/models/import_memory.py [FOLDER]    (takes about 11 GB of disk)
"""

import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MANIFESTS = Path(__file__).parents[2] / "tests" / "parity" / "manifests"
NAMES = {
    "cavp": "cavp",
    "ldm": "ldm",
    "guidance-classifier": "double_guidance_classifier",
    "alignment": "eval_classifier",
}
LIMIT = 1.3


def make_files(folder: Path) -> None:
    """Write the four stand-ins, one after the other."""
    import torch

    for name in NAMES.values():
        manifest = json.loads((MANIFESTS / f"{name}.json").read_text())
        state = {
            key: torch.full(shape, 0.01).to(getattr(torch, dtype)) for key, (shape, dtype) in manifest.items()
        }
        content = {"state_dict": state, "epoch": 1}
        if name == "cavp":
            content["optimizer"] = [[value.clone(), value.clone()] for value in state.values()]
        torch.save(content, folder / f"{name}.ckpt")


def run(folder: Path, options: list[str]) -> dict[str, float]:
    """Import by the public command; return peaks in MiB, before and after, and the seconds."""
    import cinefoley.models.importing.diff_foley  # noqa: F401  # its libraries count as "before"
    from cinefoley.cli.main import main as command

    before, begin = _peak(), time.perf_counter()
    files = [part for option, name in NAMES.items() for part in (f"--{option}", str(folder / f"{name}.ckpt"))]
    code = command(["models", "import", *files, *options, "--force", str(folder / "model")])
    return {"code": code, "before_mib": before, "peak_mib": _peak(), "seconds": time.perf_counter() - begin}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(place: str | None = None) -> None:
    """Print one line per way of storing."""
    import torch

    print(f"device {platform.machine()} CPU; torch {torch.__version__}")
    with tempfile.TemporaryDirectory(dir=place) as folder:
        subprocess.run([sys.executable, __file__, "make", folder], check=True)
        sizes = [file.stat().st_size / 2**20 for file in Path(folder).glob("*.ckpt")]
        print(f"four files, {sum(sizes):.0f} MiB; the largest {max(sizes):.0f} MiB; limit {LIMIT} times that")
        for options in ([], ["--half"], ["--half", "--half-type", "bf16"]):
            command = [sys.executable, __file__, "run", folder, *options]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            result = json.loads(done.stdout.splitlines()[-1])
            weights = Path(folder, "model").rglob("*.safetensors")
            stored = sum(file.stat().st_size for file in weights) / 2**20
            print(
                f"{' '.join(options) or 'float32':<24} {stored:.0f} MiB stored in {result['seconds']:.0f} s; "
                f"peak RSS {result['peak_mib']:5.0f} MiB ({result['before_mib']:.0f} before), "
                f"{result['peak_mib'] / max(sizes):.2f} times the largest file"
            )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", folder]:
            make_files(Path(folder))
        case ["run", folder, *options]:
            print(json.dumps(run(Path(folder), options)))
        case ["--help" | "-h"]:
            print(__doc__)
        case [place]:
            main(place)
        case _:
            main()
