"""Which methods give the same map by construction, so that nobody takes one figure twice for news."""

PROPORTIONAL = ("AVG", "MAX", "LSE", "EXP", "AVG_MAX", "AVG_MAX_LSE")
"""Poolings whose gradients sum to the classifier's weights: under them Grad-CAM's weights are those of CAM up to one
factor."""
UNCHANGING = (*PROPORTIONAL, "LINEAR")
"""Poolings under which a channel's mean gradient stays as it is when the features grow: ShapleyCAM takes nothing off.
It is the same for all features, or (LINEAR) for features twice as large."""


def same_as(method: str, pooling: str) -> str:
    """The method whose map this one is, up to a positive factor, under a pooling and a linear head; "" for none.

    ``cam, rectified`` is max(0, ·) of that map. Averaging makes all gradients of a channel equal, so there HiResCAM is
    CAM and X-Grad-CAM is Grad-CAM too. Under all but PCAM ShapleyCAM is Grad-CAM.

    >>> same_as("gradcam", "LSE:gamma=5"), same_as("hirescam", "AVG"), same_as("hirescam", "LSE")
    ('cam, rectified', 'cam', '')
    """
    name = pooling.split(":")[0]
    if method == "gradcam" and name in PROPORTIONAL:
        return "cam, rectified"
    if method == "shapleycam" and name in UNCHANGING:
        return "gradcam"
    same = {"hirescam:smooth=eigen": "eigengradcam", "kpcacam:kernel=linear": "eigencam"}
    if method in same:
        return same[method]
    return {"hirescam": "cam", "xgradcam": "gradcam"}.get(method, "") if name == "AVG" else ""
