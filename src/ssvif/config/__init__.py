"""Configuration: YAML and TSV in, typed and validated settings out.

The only place that reads configuration; used by the command line and the Snakefile alone. What is
below takes plain arguments, so every option is defined where it is used and only assembled here.
"""
