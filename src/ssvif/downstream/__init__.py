"""The machines that judge the fused images: segmentation and detection."""
