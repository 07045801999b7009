"""Guide to Table 1 on VGGSound, run as written: a stand-in with every fault, two processes for four GPUs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cinefoley.data.json_lines import read_records
from cinefoley.data.sources.vggsound_stand_in import make_stand_in

pytestmark = pytest.mark.slow

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorials" / "vggsound.md"
QUICK = "--limit 3 --quick --backbone lite --device cpu --precision fp32 --workers 1 --method student"
SETTINGS = {
    "PILOT": QUICK,
    "PREPARE": "--duration 3 --min-duration 2.4 --workers 1",
    "TAKES": "--takes 2 --steps 2 --device cpu --videos-per-shard 1",
    "EVALUATE": "--backbone lite --bootstrap 0 --device cpu",
}


@pytest.mark.timeout(1200)
def test_every_command_of_the_guide_runs_in_order(tiny_judge: Path, tmp_path: Path) -> None:
    made = make_stand_in(tmp_path / "made", 48, num_distinct=2, size=(48, 64), fps=8, duration_s=3.0)
    shutil.copy(made.csv, tmp_path / "vggsound.csv")
    made.clips.rename(tmp_path / "vggsound")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "diff-foley").symlink_to(tiny_judge)
    blocks = PAGE.read_text(encoding="utf-8").split("```sh\n")[1:]
    commands = [line for block in blocks for line in block.partition("```")[0].strip().splitlines()]
    assert len(commands) == 7
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | SETTINGS | {"PATH": path, "CINEFOLEY_HOME": str(tmp_path / "home")}
    for command in commands:
        result = subprocess.run(
            ["bash", "-euc", command.replace("--nproc-per-node 4", "--nproc-per-node 2")],
            cwd=tmp_path,
            env=environment | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        assert result.returncode == 0, f"{command}\n{result.stdout[-4000:]}"
    assert (
        (tmp_path / "table1" / "table1.quick.pilot.partial.md").read_text().startswith("# Table 1 on shards")
    )
    ledger = {line["id"]: line["outcome"] for line in read_records(tmp_path / "shards" / "ledger.jsonl")}
    assert ledger == made.outcomes
    takes = read_records(tmp_path / "takes-cu" / "ledger.jsonl")
    assert {line["outcome"] for line in takes} == {"made"}
    test_rows = [
        line for line in read_records(tmp_path / "shards" / "index.jsonl") if line["split"] == "test"
    ]
    assert len(takes) == len(test_rows)
