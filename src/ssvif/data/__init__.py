"""Datasets: descriptor, split, one packed HDF5 file, and what training may see of it."""
