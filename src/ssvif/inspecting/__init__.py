"""Checks of image pairs before they are used, and the alignment of two cameras."""
