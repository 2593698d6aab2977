"""Pairs of one's own: files, folders, patterns and videos in, fused frames out; torch only behind a `Fuser`."""
