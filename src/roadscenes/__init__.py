"""Generated road scenes: registered visible and infrared images with class maps and boxes, from a seed alone."""
