"""Talking to the machine: errors, files, images, progress, records, devices."""
