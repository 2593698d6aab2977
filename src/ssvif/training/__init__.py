"""The self-supervised training: loop, stages, weighting, checkpoints."""
