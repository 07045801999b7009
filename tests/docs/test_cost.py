"""The cost of Table 1 in the docs is what the stored output of its command says, and the present formula."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from cinefoley.cli.reproduction.dry_run import costs_as_json, render_costs
from cinefoley.evaluation.paper.costs import UnitCosts, step_costs
from cinefoley.evaluation.paper.tables import TABLES

DOCS = Path(__file__).resolve().parents[2] / "docs"
STORED = sorted((DOCS / "results").glob("table1_cost*.json"))


@pytest.mark.parametrize("path", STORED, ids=[path.stem for path in STORED])
def test_the_table_of_costs_is_that_of_the_stored_output(path: Path) -> None:
    report = json.loads(path.read_text(encoding="utf-8"))
    _, _, body = render_costs(report).partition("\n\n")

    assert body in (DOCS / "cost.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", STORED, ids=[path.stem for path in STORED])
def test_the_stored_hours_follow_from_what_was_measured(path: Path) -> None:
    report = json.loads(path.read_text(encoding="utf-8"))
    clips, train = (report["steps"][number]["pieces"] for number in (0, 1))
    frames = report["steps"][1]["bytes"] // (4 * 512 * train)
    model = SimpleNamespace(config=SimpleNamespace(video_frames=frames))
    experiment: Any = SimpleNamespace(source=range(clips), alignment=model, device=torch.device("cpu"))
    training: Any = SimpleNamespace(source=range(train), overrides={}, workers=1)
    units = UnitCosts(**report["measured"])
    steps = step_costs(replace(TABLES["table1"], takes=10), experiment, training, units)
    devices = [int(count) for count in report["steps"][0]["hours"]]

    expected = costs_as_json(steps, units, title=report["title"], devices=devices, device=report["device"])
    assert json.loads(json.dumps(expected)) == report
