"""The preset `notebook`: a tutorial notebook's training, to the letter."""
