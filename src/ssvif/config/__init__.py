"""Configuration: YAML and TSV in, typed and validated settings out.

Only the command line and the Snakefile use it. Everything else takes plain arguments, and each option is defined where
it is used.
"""
