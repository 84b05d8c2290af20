"""Trains the sentiment models on the IMDB reviews: data, vocabulary, word vectors, models, the training loop."""
