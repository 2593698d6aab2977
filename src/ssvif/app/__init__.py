"""Fusion by drag and drop, in a browser on this computer."""
