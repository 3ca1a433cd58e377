"""Local web page that explains a dropped image: choose network, methods and finding; see maps, boxes, probabilities."""
