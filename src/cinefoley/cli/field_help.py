"""Help texts taken from the docstrings below the fields of configuration classes."""

import ast
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

__all__ = ["field_help"]

_PACKAGE = Path(__file__).parents[1]


def field_help(field: str, addition: str = "") -> str:
    """The first sentence of a field's docstring.

    It is read from the source, so that ``--help`` imports no configuration.

    Args:
        field: Module, class and field below ``cinefoley``, such as ``config.training.TrainConfig.steps``.
        addition: Sentence to append.

    Raises:
        KeyError: If there is no such field, or it has no docstring.

    Examples:
        >>> field_help("config.training.OptimizerConfig.learning_rate", "Default: 1.")
        'Peak learning rate. Default: 1.'
    """
    module, owner, name = field.rsplit(".", 2)
    text = " ".join(_field_docstrings(module)[owner, name].replace("``", "").split())
    sentence = re.split(r"(?<=\.) (?=[A-Z])", text)[0]
    return f"{sentence} {addition}".strip()


@cache
def _field_docstrings(module: str) -> dict[tuple[str, str], str]:
    """Docstrings by class and field."""
    tree = ast.parse(_PACKAGE.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8"))
    return {
        (owner.name, field.target.id): text.value.value
        for owner in tree.body
        if isinstance(owner, ast.ClassDef)
        for field, text in pairwise(owner.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
