"""A page on this machine alone: drop an image, choose network, methods and finding; maps, boxes and probabilities."""
