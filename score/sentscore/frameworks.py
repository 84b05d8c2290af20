"""Keeps a process of ours from importing what spaCy would use for training, and sentscore never does."""

from __future__ import annotations

import sys
from typing import Any, Final, cast

_FRAMEWORKS: Final = ("torch", "tensorflow", "mxnet", "cupy", "h5py")


def hide_frameworks() -> None:
    """Makes what is not imported yet look as if it were not installed.

    thinc, which spaCy rests on, imports each of them that it finds: torch alone takes longer than all else that is
    done at the start. Only for a process that is sentscore's own, since others may want them.
    """
    if sys.platform == "win32":
        return  # there ONNX Runtime looks at whether torch is imported before it loads CUDA's libraries
    modules = cast("dict[str, Any]", sys.modules)
    for name in _FRAMEWORKS:
        modules.setdefault(name, None)
