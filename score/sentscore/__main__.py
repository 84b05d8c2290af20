"""`python -m sentscore`: the command line."""

from sentscore.cli import main

if __name__ == "__main__":
    main()
