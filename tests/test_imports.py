"""What is not needed is not loaded: a fresh interpreter tells."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "diffusers", "numpy", "av", "cv2", "rich"}


def loaded_after(statement: str) -> set[str]:
    """Which heavy libraries a fresh interpreter has loaded after a statement."""
    script = f"import sys\n{statement}\nprint('LOADED', *({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    "statement",
    [
        "import cinefoley; dir(cinefoley); cinefoley.CinefoleyError",
        "from cinefoley.cli.main import main; assert main(['--help']) == 0",
        "from cinefoley.cli.main import main; assert main(['--version']) == 0",
        "from cinefoley.cli.main import main; assert main(['generate', '--help']) == 0",
        "from cinefoley.cli.main import main; assert main(['stage', 'render', '--help']) == 0",
    ],
)
def test_nothing_heavy_is_loaded_by(statement: str) -> None:
    assert loaded_after(statement) == set()


def test_a_public_name_loads_its_own_room_alone() -> None:
    assert loaded_after("from cinefoley import render_clip").isdisjoint({"diffusers", "av"})


def test_what_only_unix_has_is_not_needed() -> None:
    """Windows has none of these; what locks files there is the lock library's own affair."""
    blocked = (
        "import sys\nfor name in ('fcntl', 'resource', 'pwd', 'grp', 'termios'): sys.modules[name] = None"
    )
    modules = "pipelines.takes.generate", "data.cache.clip_cache", "training.stages.run"
    imports = ", ".join(f"cinefoley.{module}" for module in modules)
    script = f"import filelock\n{blocked}\nimport {imports}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
