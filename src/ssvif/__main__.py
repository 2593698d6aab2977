"""`python -m ssvif`."""

from ssvif.cli.app import main

if __name__ == "__main__":
    main()
