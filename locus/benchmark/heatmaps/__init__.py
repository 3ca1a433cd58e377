"""The engine of ``heatmap.py``: explain images with a finished network, and write pictures, maps and boxes.

``checkpoints`` chooses and opens the network, ``images`` reads the images, ``explain`` runs the methods, ``thresholds``
has the thresholds of boxes; ``pictures`` writes the files of many images, ``overlay`` the picture of one.
"""
