"""Guide to Table 1 on VGGSound, run as written, on a stand-in with every fault.

The model has Diff-Foley's layout at small widths, and is imported by the guide's command. Two processes stand
for four GPUs, and two Dask workers for a cluster, on machines of their own where namespaces can be made.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.dask_cluster import Cluster
from tests.namespaces import find_unshared
from tests.small_diff_foley import make_config, save_checkpoint

from cinefoley.cli.main import main
from cinefoley.data.json_lines import read_records
from cinefoley.data.sources.vggsound_stand_in import make_stand_in

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorials" / "vggsound.md"
MACHINES = ROOT / "tests" / "data" / "three_machines.sh"
FILES = {"cavp_epoch66": "cavp", "ldm_epoch240": "ldm", "eval_classifier": "alignment"}
QUICK = "--limit 3 --quick --backbone lite --device cpu --precision fp32 --workers 1 --method student"
SETTINGS = {
    "PILOT": QUICK,
    "PREPARE": "--duration 8.192 --min-duration 8.1 --workers 1",
    "TAKES": "--takes 2 --steps 2 --device cpu --videos-per-shard 1",
    "EVALUATE": "--backbone lite --bootstrap 0 --device cpu",
}


@pytest.mark.timeout(1800)
def test_every_command_of_the_guide_runs_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_stand_in(
        tmp_path / "made", 24, faulty_share=0.3, num_distinct=2, size=(48, 64), fps=4, duration_s=8.5
    )
    assert len(made.totals) == 8  # seven faults, and none
    shutil.copy(made.csv, tmp_path / "vggsound.csv")
    made.clips.rename(tmp_path / "vggsound")
    import_model(tmp_path, monkeypatch)
    blocks = PAGE.read_text(encoding="utf-8").split("```sh\n")[1:]
    commands = [line for block in blocks for line in block.partition("```")[0].strip().splitlines()]
    alone = [command for command in commands if "$SCHEDULER" not in command]
    shared = [command for command in commands if command not in alone]
    assert (len(alone), len(shared)) == (5, 2)
    assert commands == [*alone, *shared]
    for command in alone:
        run(["bash", "-euc", command.replace("--nproc-per-node 4", "--nproc-per-node 2")], tmp_path)
    with two_workers(tmp_path) as (prefix, address):
        run([*prefix, "bash", "-euc", f"export SCHEDULER={address}; " + "\n".join(shared)], tmp_path)

    table = (tmp_path / "table1" / "table1.quick.pilot.partial.md").read_text()
    assert table.startswith("# Table 1 on shards")
    ledger = {line["id"]: line["outcome"] for line in read_records(tmp_path / "shards" / "ledger.jsonl")}
    assert ledger == made.outcomes
    takes = read_records(tmp_path / "takes-cu" / "ledger.jsonl")
    assert {line["outcome"] for line in takes} == {"made"}
    test_rows = [
        line for line in read_records(tmp_path / "shards" / "index.jsonl") if line["split"] == "test"
    ]
    assert len(takes) == len(test_rows)


def import_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the guide's import on small checkpoints; frames are small, too."""
    text = PAGE.read_text(encoding="utf-8")
    [line] = [line for line in text.splitlines() if line.startswith("cinefoley models import")]
    for name, kind in FILES.items():
        save_checkpoint(kind, folder / f"{name}.ckpt")
    config = make_config()
    small = replace(config, foley=replace(config.foley, frame_size=(64, 64)))
    with monkeypatch.context() as patched:
        patched.chdir(folder)
        patched.setattr("cinefoley.models.importing.diff_foley.diff_foley", lambda: small)
        assert main(line.split()[1:]) == 0


@contextmanager
def two_workers(folder: Path) -> Iterator[tuple[list[str], str]]:
    """What to put before a command, and the scheduler's address for it."""
    alone = find_unshared("--net", probe="ip link set lo up && ip link add switch type bridge")
    if alone is not None:
        (folder / "machines").mkdir()
        yield [*alone, "sh", str(MACHINES), str(folder / "machines"), sys.executable], "tcp://10.78.0.1:8786"
        return
    cluster = Cluster(folder)
    try:
        cluster.start_scheduler()
        for _ in range(2):
            cluster.start_worker()
        yield [], cluster.address
    finally:
        cluster.stop()


def run(command: list[str], folder: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {
        "PATH": path,
        "CINEFOLEY_HOME": str(folder / "home"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    result = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | SETTINGS | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    assert result.returncode == 0, f"{command[-1]}\n{result.stdout[-4000:]}"
