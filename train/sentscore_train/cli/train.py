"""`sentscore-train lstm` and `gru`: train a model on the IMDB reviews, on tables of reviews, or on both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sentscore.cli.guard import require
from sentscore.cli.lines import echo_line
from sentscore.errors import InputError, UsageError
from sentscore.model.artifact import LAYOUT, load_artifact
from sentscore_train.cli.options import (
    TRAINING_PACKAGES,
    DataDirOption,
    GroupColumnOption,
    ImdbOption,
    LabelColumnOption,
    NegativeToOption,
    PartialOption,
    PositiveFromOption,
    SeedOption,
    SourceOptions,
    SourceShareOption,
    TablesOption,
    TextColumnOption,
    TorchDeviceOption,
    TorchThreadsOption,
    check_shares,
)
from sentscore_train.data.labels import Scale
from sentscore_train.data.tables import TableOptions
from sentscore_train.training.run_folder import holds_run

if TYPE_CHECKING:
    from sentscore_train.models.classifier import Cell
    from sentscore_train.training.config import TrainConfig

Preset = Literal["notebook", "default"]


def train_command(cell: Cell) -> Callable[..., None]:
    """Returns the command that trains a BiLSTM or a BiGRU."""

    def train_cli(
        preset: Annotated[
            Preset, typer.Option("--preset", help="notebook: the tutorial notebook to the letter; default: ours.")
        ] = "default",
        run_dir: Annotated[
            Path | None,
            typer.Option("--run-dir", help="Folder of the run.  [default: runs/PRESET-MODEL]", show_default=False),
        ] = None,
        imdb: ImdbOption = None,
        table: TablesOption = None,
        text: TextColumnOption = None,
        label: LabelColumnOption = None,
        by: GroupColumnOption = None,
        negative_to: NegativeToOption = None,
        positive_from: PositiveFromOption = None,
        source_share: SourceShareOption = None,
        glove: Annotated[
            Path | None,
            typer.Option(
                "--glove", help="glove.6B.zip, or a folder or .txt of it; preset notebook only.  [default: downloaded]"
            ),
        ] = None,
        glove_dim: Annotated[
            int | None,
            typer.Option("--glove-dim", help="50, 100, 200 or 300; preset notebook only.  [default: 100]"),
        ] = None,
        data_dir: DataDirOption = Path("data"),
        allow_partial: PartialOption = False,
        resume: Annotated[
            bool, typer.Option("--resume", help="Carry on from the last checkpoint in the run folder.")
        ] = False,
        epochs: Annotated[
            int | None, typer.Option("--epochs", min=1, help="Passes over the reviews.  [default: by preset]")
        ] = None,
        learning_rate: Annotated[
            float | None,
            typer.Option("--learning-rate", min=0.0, help="Highest rate of the schedule; preset default only."),
        ] = None,
        hidden_size: Annotated[
            int | None, typer.Option("--hidden-size", min=1, help="Units in each direction; preset default only.")
        ] = None,
        num_layers: Annotated[
            int | None, typer.Option("--num-layers", min=1, help="Recurrent layers; preset default only.")
        ] = None,
        pretrain: Annotated[
            int,
            typer.Option(
                "--pretrain",
                min=0,
                help="Passes over all reviews in which the layers learn to predict the next word first; preset default "
                "only.",
            ),
        ] = 0,
        start: Annotated[
            Path | None,
            typer.Option(
                "--start",
                help="Finished run, or exported model, whose weights this run starts from; preset default only.",
            ),
        ] = None,
        teacher: Annotated[
            list[str] | None,
            typer.Option(
                "--teacher",
                help="Exported model that labels the unlabelled reviews, together with linear ones and a convolutional "
                "one; may be repeated; preset default only.",
            ),
        ] = None,
        seed: SeedOption = 1234,
        device: TorchDeviceOption = "auto",
        precision: Annotated[
            Literal["auto", "fp32", "bf16"] | None,
            typer.Option(
                "--precision",
                help="Precision of the recurrent layers; bf16 needs CUDA.  [default: fp32 in notebook, else auto]",
                show_default=False,
            ),
        ] = None,
        threads: TorchThreadsOption = None,
        checkpoint_every: Annotated[float, typer.Option("--checkpoint-every", help="Seconds between checkpoints.")] = (
            180.0
        ),
        stop_after: Annotated[
            float | None,
            typer.Option("--stop-after", help="Seconds after which to save and stop; preset notebook only."),
        ] = None,
    ) -> None:
        notebook_only = {"--glove": glove, "--glove-dim": glove_dim, "--stop-after": stop_after}
        default_only = {
            "--table": table or None,
            "--text": text,
            "--label": label,
            "--by": by,
            "--negative-to": negative_to,
            "--positive-from": positive_from,
            "--source-share": source_share or None,
            "--learning-rate": learning_rate,
            "--hidden-size": hidden_size,
            "--num-layers": num_layers,
            "--pretrain": pretrain or None,
            "--start": start,
            "--teacher": teacher or None,
        }
        for name, value in (default_only if preset == "notebook" else notebook_only).items():
            if value is not None:
                raise UsageError(f"{name} does not go with --preset {preset}: leave it out or choose the other preset")
        if pretrain and start is not None:
            raise UsageError("--pretrain does not go with --start, whose layers have learned already: leave one out")
        require(*TRAINING_PACKAGES, extra="train")
        if preset == "notebook":
            require("spacy", "torchtext", extra="notebook")
        run_dir = run_dir or Path("runs") / f"{preset}-{cell}"
        columns = TableOptions(text, label, by, Scale(negative_to, positive_from))
        given = SourceOptions(imdb, tuple(table or ()), columns, data_dir, allow_partial)
        _check_files(run_dir, resume=resume, start=start, teachers=teacher or [])
        common = _given(
            seed=seed, epochs=epochs, precision=precision, threads=threads, checkpoint_every_s=checkpoint_every
        )
        finished = True
        from sentscore_train.cli.console import epoch_line, progress_bars

        with progress_bars() as report:
            tables = given.read_tables(report)
            shares = check_shares(source_share, len(tables) + given.has_imdb)
            # Torch takes seconds to import, so what can be wrong without it has been found by now.
            from sentscore_train.evaluation.plots import plot_history
            from sentscore_train.training.device import pick_device, resolve_precision

            target = pick_device(device)
            if precision is not None:
                resolve_precision(precision, target)  # refuses now what it would refuse when all is prepared
            echo_line(f"{cell}, preset {preset}, on {target}, in {run_dir}", err=True)
            if preset == "notebook":
                from sentscore_train.notebook.train import NotebookConfig, run_notebook

                result = run_notebook(
                    cell,
                    NotebookConfig(**common, **_given(dim=glove_dim, stop_after_s=stop_after)),
                    run_dir,
                    imdb_source=given.imdb_path,
                    glove_source=glove,
                    data_dir=data_dir,
                    device=target,
                    allow_partial=allow_partial,
                    resume=resume,
                    report=report,
                )
                history, finished = result.history, result.finished
            else:
                from sentscore_train.training.loop import train
                from sentscore_train.training.prepare import prepare

                config = _default_config(
                    common,
                    hidden_size=hidden_size,
                    num_layers=num_layers,
                    learning_rate=learning_rate,
                    pretrain=pretrain,
                    source_shares=shares,
                    start=start,
                    teachers=teacher or [],
                )
                sources = [*given.read_imdb(report), *tables]
                data = prepare(cell, config, sources, data_dir, device=target, report=report)
                history = train(cell, config, data, run_dir, device=target, resume=resume, report=report)
        for entry in history:
            typer.echo(epoch_line(entry))
        if history:
            plot_history(history, run_dir / "curves.svg")
        if not finished:
            echo_line(f"time is up: carry on with --resume --run-dir {run_dir}", err=True)

    return train_cli


def _check_files(run_dir: Path, *, resume: bool, start: Path | None, teachers: Sequence[str]) -> None:
    """Finds what is wrong with the folders of a run before anything slow begins.

    Raises:
        UsageError: The run folder holds a run that is not to be carried on.
        InputError: The run to start from never finished an epoch.
        ArtifactError: A teacher is missing or damaged.
    """
    if not resume and holds_run(run_dir):
        raise UsageError(f"{run_dir}: holds a run already: carry it on with --resume or name another folder")
    if start is not None and _is_model(start):
        load_artifact(str(start))
    elif start is not None and not (start / "best.json").is_file():
        raise InputError(
            f"{start}: no best.json and no manifest.json in it: name an exported model, or the --run-dir of a training "
            "that finished an epoch"
        )
    for teacher in teachers:
        load_artifact(teacher)


def _is_model(start: Path) -> bool:
    """Returns whether a start is an exported model: its folder, or the name of a shipped one."""
    return (start / LAYOUT.manifest).is_file() or not start.exists()


def _default_config(
    common: dict[str, Any],
    *,
    hidden_size: int | None,
    num_layers: int | None,
    learning_rate: float | None,
    pretrain: int,
    source_shares: tuple[float, ...],
    start: Path | None,
    teachers: list[str],
) -> TrainConfig:
    """Returns the recipe of the preset `default`; with teachers or a start, other numbers are the defaults."""
    from sentscore_train.data.word_vectors import SkipGramConfig
    from sentscore_train.teachers.convolutional import ConvolutionConfig
    from sentscore_train.teachers.document_vectors import DocVectorConfig
    from sentscore_train.training.config import FURTHER_EPOCHS, FURTHER_LEARNING_RATE, TAUGHT_EPOCHS, TrainConfig
    from sentscore_train.training.language_model import LanguageModelConfig

    seed = common["seed"]
    numbers: dict[str, Any] = {}
    if teachers:
        numbers = {"epochs": TAUGHT_EPOCHS}
    documents: DocVectorConfig | None = DocVectorConfig(seed=seed)
    convolution: ConvolutionConfig | None = ConvolutionConfig(seed=seed)
    if start is not None:
        numbers = {"epochs": FURTHER_EPOCHS, "learning_rate": FURTHER_LEARNING_RATE}
        if _is_model(start):
            numbers["model"] = str(start)
            documents = convolution = None  # they teach such a model nothing
        else:
            numbers["start"] = str(start)
    shape = _given(hidden_size=hidden_size, num_layers=num_layers, learning_rate=learning_rate)
    return TrainConfig(
        **{**numbers, **common, **shape},
        source_shares=source_shares,
        language_model=LanguageModelConfig(epochs=pretrain, seed=seed) if pretrain else None,
        teachers=tuple(teachers),
        vectors=SkipGramConfig(seed=seed),
        documents=documents,
        convolution=convolution,
    )


def _given(**values: object) -> dict[str, Any]:
    """Returns the values that are not None; the others keep their defaults."""
    return {name: value for name, value in values.items() if value is not None}
