"""Shards at the size and on the machines of a real data set: a cluster, a full disk, 10,000 rows."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.namespaces import unshared

from cinefoley.data.json_lines import read_records
from cinefoley.data.shards.layout import ShardSettings
from cinefoley.data.shards.prepare import prepare_shards
from cinefoley.data.sources.vggsound_stand_in import StandIn, make_stand_in

SCRIPT = Path(__file__).with_name("three_machines.sh")
CLI = [sys.executable, "-m", "cinefoley.cli.main"]
OPTIONS = ["--duration", "2", "--min-duration", "1.5", "--clips-per-shard", "16"]
SETTINGS = ShardSettings(duration_s=2.0, least_s=1.5, clips_per_shard=16)


PREPARES_AND_READS = """
import json, random, re, sys
from pathlib import Path
from cinefoley.data.parallel import Engine
from cinefoley.data.shards.prepare import prepare_shards
from cinefoley.data.shards.layout import ShardSettings
from cinefoley.data.shards.source import ShardSource
settings = ShardSettings(duration_s=1.0, least_s=0.7, clips_per_shard=50)
for made in map(Path, sys.argv[1:]):
    prepared = prepare_shards(
        made / "clips", made / "out", csv=made / "vggsound.csv", settings=settings, engine=Engine(jobs=2)
    )
    source = ShardSource(made / "out")
    for number in random.Random(0).choices(range(len(source)), k=100):
        source[number].video(fps=4, size=(32, 32)), source[number].waveform(16000)
    # of this program: what getrusage tells may be that of the process which started it
    peak_mib = int(re.search("VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1]) / 1024
    print(json.dumps({"totals": prepared.totals, "num_rows": prepared.num_rows, "peak_mib": peak_mib}))
"""


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """Three hundred rows, 12 % of them faulty. Not to be written to."""
    folder = tmp_path_factory.mktemp("vggsound") / "made"
    return make_stand_in(folder, 300, num_distinct=3, size=(24, 32), fps=8, duration_s=2.0)


@pytest.fixture(scope="module")
def expected(stand_in: StandIn, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of what one process makes of it."""
    out = tmp_path_factory.mktemp("alone")
    prepare_shards(stand_in.clips, out, csv=stand_in.csv, settings=SETTINGS)
    return digests(out)


def command(stand_in: StandIn, out: Path) -> list[str]:
    given = ["--csv", str(stand_in.csv), "--data", str(stand_in.clips), "--out", str(out)]
    return [*CLI, "data", "prepare", *given, *OPTIONS, "--json"]


def digests(folder: Path) -> dict[str, str]:
    paths = [*folder.glob("shards/[!.]*"), folder / "index.jsonl", folder / "ledger.jsonl"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_loses_nothing_and_does_nothing_twice(
    stand_in: StandIn, expected: dict[str, str], tmp_path: Path
) -> None:
    """A Dask scheduler and two workers, each in a network of its own; one is killed over a clip."""
    alone = unshared("--net", probe="ip link set lo up && ip link add switch type bridge")
    out = tmp_path / "out"
    dask = ["--engine", "dask", "--scheduler", "tcp://10.78.0.1:8786"]
    script = ["sh", str(SCRIPT), str(tmp_path), sys.executable]
    run = subprocess.Popen(
        [*alone, *script, *command(stand_in, out), *dask],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        victim = wait_for_a_worker_at_a_clip(out, run)
        os.kill(victim, signal.SIGKILL)
        assert run.poll() is None
        stdout, stderr = run.communicate(timeout=500)
    finally:
        run.kill()
    assert run.returncode == 0, stderr
    workers = {int((tmp_path / f"worker.{node}").read_text()) for node in (2, 3)}
    assert victim in workers
    networks = {(tmp_path / f"network.{node}").read_text() for node in (1, 2, 3)}
    assert len(networks | {str(Path("/proc/self/ns/net").readlink()) + "\n"}) == 4
    report = json.loads(stdout)
    assert report["totals"] == dict(sorted(stand_in.totals.items()))
    assert digests(out) == expected
    ids = [line["id"] for line in read_records(out / "index.jsonl")]
    assert len(ids) == len(set(ids)) == stand_in.totals["used"]


def wait_for_a_worker_at_a_clip(out: Path, run: subprocess.Popen[str]) -> int:
    """The process that reads a clip just now, after some shards are finished."""
    while run.poll() is None:
        if len(list(out.glob("shards/*.json"))) >= 3:
            for note in out.glob("shards/.*.attempt"):
                try:
                    return int(json.loads(note.read_bytes())["pid"])
                except (OSError, ValueError):  # finished, or being written
                    continue
        time.sleep(0.001)
    _, stderr = run.communicate()
    pytest.fail(f"the run ended before a worker could be killed: {stderr}")


@pytest.mark.slow
def test_a_full_disk_stops_the_run_and_is_gone_on_from(
    stand_in: StandIn, expected: dict[str, str], tmp_path: Path
) -> None:
    """A file system of 4 MB, made larger after it has filled up."""
    alone = unshared("--mount", probe="mount -t tmpfs -o size=1m tmpfs /mnt")
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    make = " ".join(f"'{word}'" for word in [*command(stand_in, disk), "--workers", "2"])
    script = f"""
        mount -t tmpfs -o size=4m tmpfs '{disk}'
        {make} >'{tmp_path}/first.out' 2>'{tmp_path}/first.err'
        echo $? >'{tmp_path}/first.code'
        ls -A '{disk}/shards' >'{tmp_path}/first.files'
        mount -o remount,size=100m '{disk}'
        {make} >'{tmp_path}/second.out' || exit 1
        cp -r '{disk}' '{kept}'
    """
    subprocess.run([*alone, "sh", "-c", script], check=True, env=environment(), timeout=500)
    assert (tmp_path / "first.code").read_text().strip() == "1"
    told = (tmp_path / "first.err").read_text()
    assert told.startswith("error: ")
    assert "no space left" in told
    assert "rows are finished and stored in" in told
    assert "Traceback" not in told
    files = (tmp_path / "first.files").read_text().split()
    finished = [name for name in files if name.endswith(".json")]
    assert finished
    assert not [name for name in files if name.endswith(".part")]
    again = json.loads((tmp_path / "second.out").read_text())
    assert again["num_made"] == 20 - len(finished)
    assert digests(kept) == expected


@pytest.mark.parametrize("most", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_rows_end_with_an_exact_ledger_in_the_memory_of_a_hundred(tmp_path: Path, most: int) -> None:
    """Twelve in a hundred are faulty, and every fault is there. One process does a hundred, then the rest."""
    made = {
        count: make_stand_in(
            tmp_path / str(count), count, num_distinct=4, size=(16, 16), fps=4, duration_s=1.0
        )
        for count in (100, most)
    }
    folders = [str(tmp_path / str(count)) for count in made]
    run = subprocess.run(
        [sys.executable, "-c", PREPARES_AND_READS, *folders],
        check=False,
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert run.returncode == 0, run.stderr
    peaks = {}
    for (count, rows), line in zip(made.items(), run.stdout.splitlines(), strict=True):
        folder, report = tmp_path / str(count), json.loads(line)
        assert report["totals"] == dict(sorted(rows.totals.items()))
        assert report["num_rows"] == count
        ledger = {line["id"]: line["outcome"] for line in read_records(folder / "out" / "ledger.jsonl")}
        assert ledger == rows.outcomes
        assert sum(outcome != "used" for outcome in ledger.values()) == 12 * count // 100
        assert len(list(read_records(folder / "out" / "index.jsonl"))) == rows.totals["used"]
        peaks[count] = report["peak_mib"]
    # what remains is the list itself: some kilobytes a row
    assert peaks[most] - peaks[100] < 100, peaks
