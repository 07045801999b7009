"""Start of ``cinefoley generate``: time of one 4 s video from process start to end, and the table of imports.

Seconds are processor time of the child process, which a busy machine changes less than the clock.

Run: python benchmarks/pipelines/startup.py [--repeats 3]
"""

import argparse
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

IMPORTS = "import cinefoley.pipelines.foley, cinefoley.pipelines.takes.generate"


def main() -> None:
    """Print the times and the table of imports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    times = [run([sys.executable, "-c", IMPORTS]) for _ in range(args.repeats)]
    print(
        f"imports: {statistics.median(times):.2f} s of processor time ({min(times):.2f} to {max(times):.2f})"
    )
    print("\n| package | self time, ms |\n| --- | --- |")
    for package, microseconds in import_table(IMPORTS).most_common(12):
        print(f"| {package} | {microseconds / 1000:.0f} |")
    times = [generate() for _ in range(args.repeats)]
    print(
        f"\ncinefoley generate, one video of 4 s, lite: {statistics.median(times):.2f} s of processor time "
        f"({min(times):.2f} to {max(times):.2f})"
    )


def run(command: list[str]) -> float:
    """Processor seconds of a child process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def import_table(code: str) -> Counter[str]:
    """Microseconds spent in each top-level package's own modules."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], check=True, capture_output=True, text=True
    )
    table: Counter[str] = Counter()
    for line in done.stderr.splitlines():
        found = re.match(r"import time:\s+(\d+) \|\s+\d+ \|\s*([\w.]+)", line)
        if found:
            table[found[2].split(".")[0]] += int(found[1])
    return table


def generate() -> float:
    """Processor seconds of the command, on a video that is rendered first."""
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "clip.mp4"
        command = [sys.executable, "-m", "cinefoley"]
        render = [*command, "stage", "render", "-o", str(video), "--duration", "4"]
        subprocess.run(render, check=True, capture_output=True)
        return run([*command, "generate", str(video), "-o", f"{folder}/takes", "--quiet"])


if __name__ == "__main__":
    main()
