"""`python -m protoclients …`: the command line, without having to find its script."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
