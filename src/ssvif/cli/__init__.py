"""The `ssvif` command, verb by verb."""
