"""``python -m cinefoley``, where the command is not on the path."""

import sys

from cinefoley.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
