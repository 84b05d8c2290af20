"""The command line of the training: `sentscore-train lstm`, `gru`, `adapt`, `evaluate`, `compare`, `release`."""

from __future__ import annotations

from sentscore.cli.guard import GuardedCommand
from sentscore.cli.options import DebugOption, VersionOption, new_app
from sentscore.cli.signals import run_program
from sentscore_train.cli.adapt import adapt_cli
from sentscore_train.cli.evaluate import compare_cli, evaluate_cli
from sentscore_train.cli.release import release_cli
from sentscore_train.cli.train import train_command

app = new_app("sentscore-train")


@app.callback()
def root(
    version: VersionOption = False,
    debug: DebugOption = False,
) -> None:
    """Train sentiment models on reviews, and measure exported ones."""


app.command("lstm", cls=GuardedCommand, help="Train the BiLSTM.")(train_command("lstm"))
app.command("gru", cls=GuardedCommand, help="Train the BiGRU.")(train_command("gru"))
app.command("adapt", cls=GuardedCommand)(adapt_cli)
app.command("evaluate", cls=GuardedCommand)(evaluate_cli)
app.command("compare", cls=GuardedCommand)(compare_cli)
app.command("release", cls=GuardedCommand)(release_cli)


def main() -> None:
    """Runs the command line; the console script."""
    run_program("sentscore-train", lambda: app)
