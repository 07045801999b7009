"""The numbers of the paper's tables, to print beside ours."""

from typing import Final

__all__ = ["PAPER_COLUMNS", "PAPER_TABLES"]

PAPER_COLUMNS: Final = ("FAD", "FD", "KID", "KL", "IS", "Align Acc")
"""Columns of the paper's tables; KID as printed, times 1000, and Align Acc in percent."""

_Row = tuple[float, float, float, float, float, float]

PAPER_TABLES: Final[dict[str, dict[tuple[str, str], _Row]]] = {
    "table1": {
        ("full", "teacher"): (7.481, 25.445, 10.71, 3.280, 11.670, 92.946),
        ("full", "student"): (7.173, 24.532, 10.05, 3.235, 11.835, 91.718),
        ("close_up", "teacher"): (8.926, 28.843, 12.17, 3.824, 11.136, 74.882),
        ("close_up", "student"): (7.825, 25.661, 10.45, 3.438, 11.601, 85.071),
        ("camera_movement", "teacher"): (9.164, 28.394, 11.48, 3.843, 10.665, 72.570),
        ("camera_movement", "student"): (8.194, 25.932, 10.23, 3.508, 11.047, 81.850),
    },
    "table3": {
        ("close_up", "f_cu"): (7.905, 26.341, 10.65, 3.511, 11.411, 82.951),
        ("close_up", "f_cm"): (8.505, 27.403, 11.30, 3.652, 11.645, 79.420),
        ("close_up", "both"): (8.157, 26.460, 10.76, 3.513, 11.705, 83.311),
        ("camera_movement", "f_cu"): (8.311, 26.861, 10.59, 3.585, 10.918, 79.437),
        ("camera_movement", "f_cm"): (8.699, 27.523, 11.19, 3.624, 11.418, 79.115),
        ("camera_movement", "both"): (8.653, 27.057, 11.02, 3.558, 11.311, 80.514),
        ("full", "f_cu"): (7.174, 24.686, 10.17, 3.242, 11.739, 91.398),
        ("full", "f_cm"): (7.306, 24.917, 10.38, 3.257, 11.933, 91.560),
        ("full", "both"): (7.388, 24.889, 10.33, 3.261, 11.895, 91.119),
    },
    "table4": {
        ("close_up", "k = 50 %"): (7.905, 26.341, 10.65, 3.511, 11.411, 82.951),
        ("close_up", "k = 75 %"): (7.825, 25.661, 10.45, 3.438, 11.601, 85.071),
        ("close_up", "k = 100 %"): (7.992, 26.135, 10.67, 3.468, 11.727, 84.121),
        ("camera_movement", "k = 50 %"): (8.311, 26.861, 10.59, 3.585, 10.918, 79.437),
        ("camera_movement", "k = 75 %"): (8.194, 25.932, 10.23, 3.508, 11.047, 81.850),
        ("camera_movement", "k = 100 %"): (8.393, 26.366, 10.46, 3.520, 11.130, 81.279),
        ("full", "k = 50 %"): (7.174, 24.686, 10.17, 3.242, 11.739, 91.398),
        ("full", "k = 75 %"): (7.173, 24.532, 10.05, 3.235, 11.835, 91.718),
        ("full", "k = 100 %"): (8.036, 26.487, 10.68, 3.425, 11.454, 86.553),
    },
}
"""By table, then by view and method; methods as our tables call them. The paper's teacher is Diff-Foley."""
