"""Names of the contenders in records and pages, and the contender of Locus with which each is compared."""

BARE = "bare forward"
CHANNELS_LAST = "bare forward, images channels last"
SEVEN = "Locus, seven methods"
GRADCAM = "Locus, Grad-CAM"
EARLIER = "Locus, Grad-CAM one level earlier"
SCORECAM = "Locus, Score-CAM"
INTEGRATED = "Locus, integrated gradients"
UPSAMPLING = "upsampling the seven methods' maps"
PACKAGE_SIX = "grad-cam, six methods"
PACKAGE_SCORECAM = "grad-cam, Score-CAM"
CAPTUM = "captum, Grad-CAM"
CAPTUM_INTEGRATED = "captum, integrated gradients"
TORCHCAM = "torchcam, Grad-CAM"

UNFUSED = "bare forward, attention not fused"
ROLLOUT = "Locus, rollout"
CHEFER = "Locus, chefer"
CHEFER_LOOP = "chefer, a forward and backward pass per finding"
LEGRAD = "Locus, legrad"
TORCHCAM_LEGRAD = "torchcam, LeGrad"
FINER = "Locus, finercam"
PACKAGE_FINER = "grad-cam, FinerCAM"
TORCHCAM_FINER = "torchcam, FinerCAM"
FAITHFULNESS = "Locus, insertion, deletion and ROAD"

SURFACE = "Locus, surface"
CONTOURS = "OpenCV, contours per threshold"
SKIMAGE = "scikit-image, labels per threshold"
SCIPY = "SciPy, labels per threshold"
LARGEST = "Locus, largest contour"
ALL = "Locus, all contours"
ORIGINAL_LARGEST = "original evaluator's way, largest contour"
ORIGINAL_ALL = "original evaluator's way, all contours"
LEVELS_LARGEST = "OpenCV, contours per distinct level, largest"
LEVELS_ALL = "OpenCV, contours per distinct level, all"
LEVELS = (LEVELS_LARGEST, LEVELS_ALL)
NOISE = "pixel noise"
"""Hardest map for a contour search."""

ONE_PROCESS = "one process, images decoded and resized, nothing kept"
ALL_CORES = "the same in as many processes as cores, each alone"
CACHE = "the cache: all cores, into the array on disk"
READ = "cache read: batches gathered from the array"
LOADER = "loader: the same, by the thread that reads ahead"
NORMALISED = "normalised: uint8 to the network's input"
AUGMENTED = "augmented (light) and normalised"
FORWARD = "forward"
STEP = "step: forward, backward, optimizer"
ALONE = "the network alone, on one batch that stays on the device"
TRAINING = "training epoch"
SINGLE = "--precision 32"
FIRST_TENTH, LAST_TENTH = "from 0 to 10 % of the epoch", "from 90 to 100 % of the epoch"
CPU, GPU = "cpu", "cuda"

LOOPS = {
    **{PACKAGE_SIX: SEVEN, CAPTUM: GRADCAM, TORCHCAM: GRADCAM, PACKAGE_SCORECAM: SCORECAM},
    CAPTUM_INTEGRATED: INTEGRATED,
}
"""Contender that explains one finding after the other -> contender of Locus with which it is compared."""
PIXELS = {ORIGINAL_LARGEST: LARGEST, ORIGINAL_ALL: ALL, LEVELS_LARGEST: LARGEST, LEVELS_ALL: ALL}
ATTENTION = {CHEFER_LOOP: CHEFER, TORCHCAM_LEGRAD: LEGRAD, PACKAGE_FINER: FINER, TORCHCAM_FINER: FINER}
OURS = LOOPS | PIXELS | ATTENTION | dict.fromkeys((CONTOURS, SKIMAGE, SCIPY), SURFACE)
"""Contender of another package -> contender of Locus with which it is compared."""

IMPORT_TORCH = "import torch"
FIRST_STEP = "first step of a training"
"""Name of the timed training run in the records."""
