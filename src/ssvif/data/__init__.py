"""From raw folders to tensors: scenes, layouts, split, pack, pairs."""
