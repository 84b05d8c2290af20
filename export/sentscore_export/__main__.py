"""`python -m sentscore_export`: the command line of the export."""

from sentscore_export.cli import main

if __name__ == "__main__":
    main()
