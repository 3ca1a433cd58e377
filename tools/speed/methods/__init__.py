"""Time heat maps of Locus, grad-cam, torchcam and captum."""
