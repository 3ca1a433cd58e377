"""The engine of ``heatmap.py``: ``explained`` explains images and writes their overlays, maps and boxes."""
