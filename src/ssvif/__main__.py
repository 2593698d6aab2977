"""`python -m ssvif`."""

from ssvif.cli import main

if __name__ == "__main__":
    main()
