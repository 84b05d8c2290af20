from __future__ import annotations

import pickle

from sentscore.errors import Argument, UsageError


def test_remedies_name_arguments_in_python_and_options_on_the_command_line() -> None:
    error = UsageError("too large: use ", Argument("device", "cpu"), " or a smaller ", Argument("batch_tokens"))
    assert str(error) == "too large: use `device='cpu'` or a smaller `batch_tokens`"
    assert error.to_command_line() == "too large: use --device cpu or a smaller --batch-tokens"


def test_errors_pickle_with_all_parts() -> None:
    error = pickle.loads(pickle.dumps(UsageError("give another ", Argument("prefix"))))
    assert (type(error), str(error)) == (UsageError, "give another `prefix`")
    assert error.to_command_line() == "give another --prefix"
