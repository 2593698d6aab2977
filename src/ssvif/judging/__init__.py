"""What fused images are worth: fusion metrics, segmentation, detection, and what the networks cost."""
