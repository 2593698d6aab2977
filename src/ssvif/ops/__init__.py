"""Mathematics of tensors and arrays and nothing else: shapes, color, filters, seeds, statistics."""
