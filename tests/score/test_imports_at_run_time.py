from __future__ import annotations

import subprocess
import sys

import pytest

UNUSED = ("torch", "torchtext", "onnx", "spacy", "thinc", "sentscore_train", "sentscore_export")


@pytest.mark.parametrize(
    "script",
    [
        "sys.argv = ['sentscore', 'text', 'A great film.', '--device', 'cpu']; from sentscore.cli import main; main()",
        "sys.argv = ['sentscore', 'file', 'reviews.csv', '-o', 'scored.parquet', '--device', 'cpu'];"
        "from sentscore.cli import main; main()",
        "from sentscore import Scorer; print(Scorer.load('gru', device='cpu').score(['It isn\\'t good.', None]))",
    ],
    ids=["text", "file", "Scorer"],
)
def test_scoring_imports_nothing_that_only_training_and_exporting_need(tmp_path, script) -> None:
    (tmp_path / "reviews.csv").write_text('text\nA great film.\n"Don\'t (ever) watch it!"\n')
    look = f"import atexit, sys; atexit.register(lambda: print(sorted(set({UNUSED}) & set(sys.modules))));"
    done = subprocess.run(
        [sys.executable, "-c", look + script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
