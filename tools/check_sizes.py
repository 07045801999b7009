"""Refuse files that would make the repository heavy: pre-commit passes their names."""

import sys
from pathlib import Path

LIMITS_MIB = {"src/cinefoley/assets": 16.0, "tests": 2.0}
OTHERS_MIB = 0.5


def limit_mib(path: Path) -> float:
    """Largest size of a file at ``path``, in MiB."""
    return next((limit for folder, limit in LIMITS_MIB.items() if path.is_relative_to(folder)), OTHERS_MIB)


def main(names: list[str]) -> int:
    """Print every file over its limit; 1 if there is one."""
    heavy = []
    for path in map(Path, names):
        size_mib = path.stat().st_size / 2**20 if path.is_file() else 0.0
        if size_mib > limit_mib(path):
            heavy.append(f"{path}: {size_mib:.2f} MiB, the limit there is {limit_mib(path):g} MiB")
    print("\n".join(heavy), end="\n" if heavy else "")
    return 1 if heavy else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
