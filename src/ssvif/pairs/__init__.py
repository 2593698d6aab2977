"""One visible and one infrared image becoming a pair: matched, read, brought to one range and one size."""
