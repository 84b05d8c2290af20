from __future__ import annotations

import numpy as np

from sentscore_train.adapt.report import change_report, measure_change

LABELS = np.array([0, 1] * 50, np.int8)


def probabilities(wrong: int) -> np.ndarray:
    found = np.where(LABELS == 1, 0.9, 0.1).astype(np.float32)
    found[:wrong] = 1.0 - found[:wrong]
    return found


def test_the_table_says_what_was_and_what_is() -> None:
    change = measure_change(probabilities(20), probabilities(8), LABELS, np.full(100, 5), temperatures=(1.0, 1.0))
    assert (change.before.accuracy, change.after.accuracy) == (0.8, 0.92)
    assert (change.agreement.only_first_right, change.agreement.only_second_right) == (12, 0)
    lines = change_report(change, ("lstm", "mine"), "held-out reviews of a.csv").splitlines()
    assert lines[2].startswith("| lstm | 80.00 % | 72.00 to ")
    assert lines[3].startswith("| mine | 92.00 % | ")
    assert "100 held-out reviews of a.csv" in lines[5]
    assert "12 of them only the adapted model gets right, 0 only the one before: p = 0.000488" in lines[6]
    assert "+12.00 points" in lines[6]


def test_a_name_cannot_end_its_cell_or_its_line() -> None:
    change = measure_change(probabilities(20), probabilities(8), LABELS, np.full(100, 5), temperatures=(1.0, 1.0))
    lines = change_report(change, ("a|b", "mine\nand\x1b[31m"), "held-out reviews of a\nb.csv").splitlines()
    assert len(lines) == 7
    assert lines[2].startswith(r"| a\|b | 80.00 % |")
    assert "\x1b" not in "".join(lines)
