"""The command line of the training: `sentscore-train lstm`, `gru`, `evaluate`, `compare`, `release`."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentscore.cli.guard import GuardedCommand, require
from sentscore.cli.options import DebugOption, VersionOption, new_app
from sentscore_train.cli.evaluate import compare_cli, evaluate_cli
from sentscore_train.cli.options import (
    DataDirOption,
    ImdbOption,
    PartialOption,
    SeedOption,
    TorchDeviceOption,
    TorchThreadsOption,
)
from sentscore_train.cli.release import release_cli

if TYPE_CHECKING:
    from sentscore_train.training.config import Kind

app = new_app("sentscore-train")


class Preset(StrEnum):
    """A recipe."""

    NOTEBOOK = "notebook"
    DEFAULT = "default"


class PrecisionChoice(StrEnum):
    """How products are computed."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"


PresetOption = Annotated[
    Preset, typer.Option("--preset", help="notebook: the tutorial notebook to the letter; default: ours.")
]
RunDirOption = Annotated[
    Path | None,
    typer.Option("--run-dir", help="Folder of the run.  [default: runs/PRESET-MODEL]", show_default=False),
]
GloveOption = Annotated[
    Path | None,
    typer.Option("--glove", help="glove.6B.zip, a folder or a .txt of it.  [default: downloaded]"),
]
GloveDimOption = Annotated[int, typer.Option("--glove-dim", help="50, 100, 200 or 300; preset notebook only.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Carry on from the last checkpoint in the run folder.")]
EpochsOption = Annotated[
    int | None, typer.Option("--epochs", min=1, help="Passes over the reviews.  [default: by preset]")
]
RateOption = Annotated[
    float | None, typer.Option("--learning-rate", min=0.0, help="The schedule's highest; preset default only.")
]
HiddenOption = Annotated[
    int | None, typer.Option("--hidden-size", min=1, help="Units a direction; preset default only.")
]
StartOption = Annotated[
    Path | None,
    typer.Option("--start", help="A finished run whose best weights this one begins with; preset default only."),
]
TeacherOption = Annotated[
    list[str] | None,
    typer.Option(
        "--teacher",
        help="A model to learn the unlabelled reviews from, beside linear ones; may be repeated; preset default only.",
    ),
]
PrecisionOption = Annotated[
    PrecisionChoice | None,
    typer.Option("--precision", help="auto, fp32 or bf16.  [default: fp32 in notebook, else auto]", show_default=False),
]
CheckpointOption = Annotated[float, typer.Option("--checkpoint-every", help="Seconds between checkpoints.")]
StopAfterOption = Annotated[
    float | None,
    typer.Option("--stop-after", help="Seconds after which to save and stop; preset notebook only."),
]


@app.callback()
def root(
    version: VersionOption = False,
    debug: DebugOption = False,
) -> None:
    """Train the sentiment models on the IMDB reviews, and measure exported ones."""


def _train(
    kind: Kind,
    *,
    preset: Preset,
    run_dir: Path | None,
    imdb: Path | None,
    glove: Path | None,
    glove_dim: int,
    data_dir: Path,
    allow_partial: bool,
    resume: bool,
    epochs: int | None,
    learning_rate: float | None,
    hidden_size: int | None,
    start: Path | None,
    teacher: list[str] | None,
    seed: int,
    device: str,
    precision: PrecisionChoice | None,
    threads: int | None,
    checkpoint_every: float,
    stop_after: float | None,
) -> None:
    require("torch", "torchtext", "safetensors", "gensim", "sklearn", "matplotlib", extra="train")
    from sentscore_train.cli.console import epoch_line, progress_bars
    from sentscore_train.evaluation.plots import plot_history
    from sentscore_train.notebook.train import NotebookConfig, run_notebook
    from sentscore_train.training.config import FURTHER_EPOCHS, FURTHER_LEARNING_RATE, TAUGHT_EPOCHS, TrainConfig
    from sentscore_train.training.loop import pick_device, train
    from sentscore_train.training.prepare import prepare

    run_dir = run_dir or Path("runs") / f"{preset.value}-{kind}"
    target = pick_device(device)
    typer.echo(f"{kind}, preset {preset.value}, on {target}, in {run_dir}", err=True)
    finished = True
    with progress_bars() as report:
        if preset is Preset.NOTEBOOK:
            notebook = NotebookConfig(
                seed=seed,
                dim=glove_dim,
                threads=threads,
                checkpoint_every_s=checkpoint_every,
                stop_after_s=stop_after,
            )
            notebook = replace(notebook, epochs=epochs or notebook.epochs)
            if precision is not None:
                notebook = replace(notebook, precision=precision.value)
            result = run_notebook(
                kind,
                notebook,
                run_dir,
                imdb_source=imdb,
                glove_source=glove,
                data_dir=data_dir,
                device=target,
                allow_partial=allow_partial,
                resume=resume,
                report=report,
            )
            history, finished = result.history, result.finished
        else:
            config = TrainConfig(seed=seed, threads=threads, checkpoint_every_s=checkpoint_every)
            config = replace(
                config,
                hidden_size=hidden_size or config.hidden_size,
                vectors=replace(config.vectors, seed=seed),
                teachers=tuple(teacher or ()),
                documents=replace(config.documents, seed=seed),
            )
            if teacher:
                config = replace(config, epochs=TAUGHT_EPOCHS)
            if start is not None:
                config = replace(config, start=str(start), epochs=FURTHER_EPOCHS, learning_rate=FURTHER_LEARNING_RATE)
            config = replace(
                config,
                epochs=epochs or config.epochs,
                learning_rate=learning_rate or config.learning_rate,
            )
            if precision is not None:
                config = replace(config, precision=precision.value)
            data = prepare(config, imdb, data_dir, allow_partial=allow_partial, report=report)
            history = train(kind, config, data, run_dir, device=target, resume=resume, report=report)
    for entry in history:
        typer.echo(epoch_line(entry))
    if history:
        plot_history(history, run_dir / "curves.svg")
    if not finished:
        typer.echo(f"time is up: carry on with --resume --run-dir {run_dir}", err=True)


def _command(kind: Kind) -> None:
    @app.command(kind, cls=GuardedCommand, help=f"Train the {'BiLSTM' if kind == 'lstm' else 'BiGRU'}.")
    def train_cli(
        preset: PresetOption = Preset.DEFAULT,
        run_dir: RunDirOption = None,
        imdb: ImdbOption = None,
        glove: GloveOption = None,
        glove_dim: GloveDimOption = 100,
        data_dir: DataDirOption = Path("data"),
        allow_partial: PartialOption = False,
        resume: ResumeOption = False,
        epochs: EpochsOption = None,
        learning_rate: RateOption = None,
        hidden_size: HiddenOption = None,
        start: StartOption = None,
        teacher: TeacherOption = None,
        seed: SeedOption = 1234,
        device: TorchDeviceOption = "auto",
        precision: PrecisionOption = None,
        threads: TorchThreadsOption = None,
        checkpoint_every: CheckpointOption = 180.0,
        stop_after: StopAfterOption = None,
    ) -> None:
        _train(
            kind,
            preset=preset,
            run_dir=run_dir,
            imdb=imdb,
            glove=glove,
            glove_dim=glove_dim,
            data_dir=data_dir,
            allow_partial=allow_partial,
            resume=resume,
            epochs=epochs,
            learning_rate=learning_rate,
            hidden_size=hidden_size,
            start=start,
            teacher=teacher,
            seed=seed,
            device=device,
            precision=precision,
            threads=threads,
            checkpoint_every=checkpoint_every,
            stop_after=stop_after,
        )


_command("lstm")
_command("gru")
app.command("evaluate", cls=GuardedCommand)(evaluate_cli)
app.command("compare", cls=GuardedCommand)(compare_cli)
app.command("release", cls=GuardedCommand)(release_cli)


def main() -> None:
    """Runs the command line; the console script."""
    app(prog_name="sentscore-train")
