from __future__ import annotations

import subprocess
import sys

HIDES = """
import sys
import json as torch_that_was_imported_before
sys.modules["cupy"] = torch_that_was_imported_before
from sentscore.frameworks import hide_frameworks
hide_frameworks()
import spacy
from thinc import compat
tokens = [token.text for token in spacy.blank("en").tokenizer("isn't")]
print(tokens, compat.has_torch, sys.modules["cupy"].__name__)
try:
    import torch
except ImportError:
    print("no torch")
"""


def test_spacy_does_without_torch_and_what_was_imported_before_stays() -> None:
    done = subprocess.run([sys.executable, "-c", HIDES], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['is', \"n't\"] False json", "no torch"]


def test_the_command_line_imports_no_torch() -> None:
    script = (
        "import atexit, sys; atexit.register(lambda: print(sys.modules.get('torch')));"
        "sys.argv = ['sentscore', 'text', 'A great film.', '--device', 'cpu'];"
        "from sentscore.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "None"
