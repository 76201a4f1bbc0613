"""The command line: ``cybptt`` and ``python -m cybptt`` are the same."""

import sys

from cybptt._cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
