"""What a user asks of `sentscore file`, and which options fit together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sentscore.errors import UsageError


@dataclass(frozen=True)
class FileRequest:
    """The options of `file` that say what is to be done, by the same names."""

    column: str | None
    output: str | None
    to: str | None
    keep: Sequence[str] | None
    prefix: str
    whole: bool
    format: str | None
    force: bool
    skip_existing: bool
    incremental: bool
    on_error: Literal["stop", "skip"]
    max_bad: int | None
    resume: bool
    explain: int | None = None

    @property
    def kept(self) -> tuple[str, ...] | None:
        """The columns of the inputs that the outputs have; None for all."""
        from sentscore.columns import parse_keep

        return parse_keep(self.keep) if self.keep else None

    @property
    def making(self) -> dict[str, object]:
        """The options that an output depends on."""
        kept = None if self.kept is None else list(self.kept)
        return {
            "column": self.column,
            "prefix": self.prefix,
            "keep": kept,
            "format": self.format,
            "to": self.to,
            "explain": self.explain,
        }


def check_request(request: FileRequest) -> None:
    """Checks that options fit together.

    Raises:
        UsageError: They do not.
    """
    of_tables = (request.column, request.format, request.to, request.keep, request.skip_existing, request.incremental)
    if request.whole and (any(of_tables) or request.on_error != "stop"):
        raise UsageError(
            "--whole makes one table of files as they are: leave out --column, --format, --to, --keep, "
            "--skip-existing, --incremental and --on-error"
        )
    if request.force and request.skip_existing:
        raise UsageError("--force replaces outputs that exist, --skip-existing leaves them: give one of the two")
    if request.incremental and (request.force or request.skip_existing):
        other = "--force" if request.force else "--skip-existing"
        raise UsageError(f"--incremental finds out itself which outputs are to be replaced: leave out {other}")
    if request.max_bad is not None and request.on_error == "stop":
        raise UsageError("--max-bad counts the inputs that are skipped: give --on-error skip too")
