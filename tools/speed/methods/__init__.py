"""How long maps take, here and with grad-cam, torchcam and captum: ``docs/speed.md``."""
