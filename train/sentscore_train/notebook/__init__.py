"""The preset notebook: the tutorial's training, to the letter."""
