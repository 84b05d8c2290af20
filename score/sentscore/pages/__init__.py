"""Pages: HTML files of their own that show what was scored, without a network."""
