"""`python -m sentscore_train`: the command line of the training."""

from sentscore_train.cli import main

if __name__ == "__main__":
    main()
