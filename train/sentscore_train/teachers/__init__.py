"""Models whose opinions of unlabelled reviews others learn from."""
