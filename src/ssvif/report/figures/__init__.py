"""Figures: the page's curves, and what a paper prints, as PNG and PDF."""
