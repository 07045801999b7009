"""The wheel works in an environment that holds nothing but it and the packages it asks for.

Installing these packages for real would download PyTorch on every run. Instead, a new virtual environment
gets links to the installed copies of exactly the distributions that the wheel's metadata requires, extras
left out, and of what those require. A package that is used without being declared is therefore missing there,
and the project itself can only come from the wheel.
"""

import os
import re
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist, as `python -m build` does, so the sdist is complete too."""
    out = tmp_path_factory.mktemp("dist")
    _run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)], cwd=out)
    assert len(list(out.glob("*.tar.gz"))) == 1
    [path] = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the scripts of a new environment with the wheel and what it requires."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    [packages] = folder.glob("lib/python*/site-packages")
    python = folder / "bin" / "python"
    _run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)], cwd=folder)
    for required in _closure(_requirements(wheel)):
        for name in _top_level(required):
            target = packages / name
            if not target.exists():
                target.symlink_to(str(required.locate_file(name)))
    return folder / "bin"


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()

    assert {name.split("/")[0] for name in names} == {"cinefoley", wheel.name.split("-py3")[0] + ".dist-info"}
    assert {"cinefoley/py.typed", "cinefoley/assets/lite/model_index.json"} <= set(names)
    for folder in (
        "assets/lite/unet",
        "assets/lite/video_encoder_student",
        "web/study_pages",
        "web/studio_files",
    ):
        assert any(name.startswith(f"cinefoley/{folder}/") for name in names), folder
    assert not [name for name in names if re.search(r"(^|/)(tests?|__pycache__)/|\.pyc$", name)]


def test_version_doctor_and_generate_work_without_any_extra(
    environment: Path, tmp_path: Path, render_film: Callable[..., Path]
) -> None:
    video = render_film(tmp_path / "film.mp4", duration_s=2.0)

    where = _in(environment, tmp_path, "python", "-c", "import cinefoley; print(cinefoley.__file__)")
    version = _in(environment, tmp_path, "cinefoley", "--version")
    doctor = _in(environment, tmp_path, "cinefoley", "doctor")
    _in(environment, tmp_path, "cinefoley", "generate", str(video), "--steps", "2", "-o", "out")

    assert Path(where.strip()).is_relative_to(environment.parent)
    assert re.fullmatch(r"cinefoley \d+\.\d+\.\d+\S*\n", version)
    assert "torch" in doctor
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"film.take1.wav", "film.take1.mp4", "film.json"}


def _in(environment: Path, folder: Path, program: str, *arguments: str) -> str:
    return _run([str(environment / program), *arguments], cwd=folder)


def _run(command: list[str], *, cwd: Path) -> str:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    result = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, timeout=400)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def _requirements(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        [metadata] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        text = archive.read(metadata).decode()
    return re.findall(r"^Requires-Dist: (.*)$", text, re.MULTILINE)


def _closure(lines: list[str]) -> Iterator[Distribution]:
    """Installed distributions that the requirements need, directly or not."""
    waiting = [(line, "") for line in lines]
    seen: set[tuple[str, str]] = set()
    while waiting:
        line, extra = waiting.pop()
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        found = distribution(requirement.name)
        assert requirement.specifier.contains(found.version, prereleases=True), line
        for wanted in ["", *sorted(requirement.extras)]:
            if (found.name, wanted) not in seen:
                seen.add((found.name, wanted))
                waiting += [(needed, wanted) for needed in found.requires or []]
                yield found


def _top_level(required: Distribution) -> set[str]:
    parts = {path.parts[0] for path in required.files or []}
    return {part for part in parts if part not in ("..", "__pycache__", "bin")}
