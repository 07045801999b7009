"""Old option names: accepted, hidden from help, and reported on stderr."""

from typing import Any

import typer
from typer.core import TyperCommand

__all__ = ["with_old_names"]


def with_old_names(**new_names: str) -> type[TyperCommand]:
    """A command class that replaces old option names before it parses its arguments.

    Args:
        new_names: New name by old name, without dashes in front: ``jobs="workers"`` lets ``--jobs 2`` and
            ``--jobs=2`` stand for ``--workers 2``.
    """
    renamed = {f"--{old.replace('_', '-')}": f"--{new}" for old, new in new_names.items()}

    class CommandWithOldNames(TyperCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            end = args.index("--") if "--" in args else len(args)
            return super().parse_args(ctx, [*map(_renew, args[:end]), *args[end:]])

    def _renew(argument: str) -> str:
        name, equals, value = argument.partition("=")
        if name not in renamed:
            return argument
        typer.echo(f"warning: {name} is deprecated; use {renamed[name]}.", err=True)
        return f"{renamed[name]}{equals}{value}"

    return CommandWithOldNames
