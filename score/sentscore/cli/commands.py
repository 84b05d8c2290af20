"""The commands `file`, `text`, `explain`, `report`, `models`, `plan`, `doctor` and `bench` put together.

Importing it and `--help` load neither Arrow nor NumPy nor ONNX Runtime; the commands do when they run.
"""

from __future__ import annotations

from sentscore.cli.bench import bench_cli
from sentscore.cli.doctor import doctor_cli
from sentscore.cli.explain import explain_cli
from sentscore.cli.file import file_cli
from sentscore.cli.guard import GuardedCommand, ShowingCommand
from sentscore.cli.models import models_cli
from sentscore.cli.options import DebugOption, VersionOption, new_app
from sentscore.cli.plan import plan_cli
from sentscore.cli.report import report_cli
from sentscore.cli.text import text_cli

app = new_app("sentscore")


@app.callback()
def root(
    version: VersionOption = False,
    debug: DebugOption = False,
) -> None:
    """Score the sentiment of texts in tables and files, on CUDA or the CPU.

    Exit codes: 0 done, 1 unexpected error, 2 wrong usage, 3 input cannot be read, 4 model damaged,
    5 device unavailable, 6 output cannot be written, 7 drift found, 130 interrupted.
    """


for _name, _command, _kind in (
    ("file", file_cli, GuardedCommand),
    ("text", text_cli, ShowingCommand),
    ("explain", explain_cli, GuardedCommand),
    ("report", report_cli, GuardedCommand),
    ("models", models_cli, ShowingCommand),
    ("plan", plan_cli, GuardedCommand),
    ("doctor", doctor_cli, ShowingCommand),
    ("bench", bench_cli, GuardedCommand),
):
    app.command(_name, cls=_kind)(_command)
