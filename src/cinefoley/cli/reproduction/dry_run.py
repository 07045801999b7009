"""``cinefoley reproduce --dry-run``: the steps of a table and their cost, from a short calibration."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from cinefoley.cli.outputs import print_json
from cinefoley.cli.progress import Preparation
from cinefoley.cli.reproduction.setup import Given, open_experiment, table_plan, training_plan

if TYPE_CHECKING:
    from cinefoley.evaluation.paper.costs import StepCost, UnitCosts
    from cinefoley.evaluation.paper.tables import TableName

__all__ = ["costs_as_json", "print_costs", "render_costs"]

_GIB = 2**30


def print_costs(name: "TableName", given: Given) -> None:
    """Print what a table would cost, in hours for each number of devices; nothing is written.

    Args:
        name: The table.
        given: Values of the command's options.
    """
    from dataclasses import replace

    from cinefoley.evaluation.paper.costs import calibrate, step_costs

    plan = table_plan(name, given)
    experiment = open_experiment(plan, given)
    experiment = replace(experiment, settings=replace(experiment.settings, num_takes=plan.takes))
    with Preparation(is_wanted=False) as preparation:
        training = training_plan(given, preparation)
    units = calibrate(
        experiment,
        on_step=None if given["quiet"] else lambda text: print(text, file=sys.stderr, flush=True),
    )
    steps = step_costs(plan, experiment, training, units)
    report = costs_as_json(
        steps,
        units,
        title=f"{name} on {given['data']}",
        devices=given["devices"] or [1, 4, 64],
        device="core" if experiment.device.type == "cpu" else str(experiment.device),
    )
    if given["as_json"]:
        print_json(report)
    else:
        typer.echo(render_costs(report))


def costs_as_json(
    steps: "Sequence[StepCost]", units: "UnitCosts", *, title: str, devices: Sequence[int], device: str
) -> dict[str, Any]:
    """Costs as JSON values.

    Args:
        steps: The steps.
        units: What they were computed from.
        title: Table and data.
        devices: Numbers of devices to compute the hours for.
        device: What one device is called.
    """
    from dataclasses import asdict

    return {
        "title": title,
        "device": device,
        "measured": asdict(units),
        "steps": [
            {
                "name": step.name,
                "pieces": step.pieces,
                "seconds": step.seconds,
                "bytes": step.bytes_stored,
                "hours": {str(count): step.hours(count) for count in devices},
            }
            for step in steps
        ],
    }


def render_costs(report: dict[str, Any]) -> str:
    """What :func:`costs_as_json` returned, as Markdown."""
    device, steps, units = report["device"], report["steps"], report["measured"]
    counts = list(steps[0]["hours"])
    rows = [["step", *(f"{count} x {device}, h" for count in counts), "disk, GiB"]]
    for step in steps:
        hours = [f"{step['hours'][count]:,.2f}" for count in counts]
        rows.append([step["name"], *hours, f"{step['bytes'] / _GIB:.2f}"])
    totals = [f"{sum(step['hours'][count] for step in steps):,.2f}" for count in counts]
    rows.append(["all", *totals, f"{sum(step['bytes'] for step in steps) / _GIB:.2f}"])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    clock = " (processor time)" if device == "core" else ""
    measured = (
        f"Measured on one {device}{clock}: decode a clip {units['read_s']:.3f} s, its features "
        f"{units['encode_s']:.3f} s, a take {units['take_s']:.3f} s, measure it {units['measure_s']:.3f} s. "
        "All hours are computed; devices divide them, as far as disks and network keep up."
    )
    return f"# {report['title']}: cost\n\n" + "\n".join(lines) + f"\n\n{measured}"
