"""`python -m layerlens` is the command `layerlens`."""

from __future__ import annotations

from layerlens.cli import main

if __name__ == "__main__":
    main()
