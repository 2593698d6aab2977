"""The embedded default dataset: artificial road scenes as registered visible/infrared pairs."""
