"""The torch modules and their weights."""
