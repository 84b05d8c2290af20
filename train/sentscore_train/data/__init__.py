"""The reviews and what is made of them before training: splits, vocabulary, word vectors, batches."""
