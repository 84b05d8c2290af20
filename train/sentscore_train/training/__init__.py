"""The training of the preset default, resumable."""
