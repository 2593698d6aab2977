"""What every part shares: errors, files, shape checks, colour, filters, progress, provenance."""
