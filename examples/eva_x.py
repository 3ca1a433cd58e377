r"""EVA-X, the ViT-S: ``eva_x_small_patch16_merged520k_mim_cxr14_ft.pth`` of MapleF/eva_x on Hugging Face (MIT).

    python -m benchmark.run --suite nih --model examples/eva_x.py:build --entry eva-x --mean 0.4919 --std 0.2851 \
        --findings Atelectasis Cardiomegaly Effusion Infiltration Mass Nodule Pneumonia Pneumothorax Consolidation \
        Edema Emphysema Fibrosis Pleural_Thickening Hernia

Put the file in the current folder and leave ``--weights`` out: its names are not timm's, and ``build`` converts them.
The convolutional files need no example: ``--model torchvision:densenet121`` (or ``resnet50``) with ``--weights FILE
--img_size 224 --mean 0.5056 --std 0.252``. The networks were not trained on NIH's test images, but their best epochs
were selected on them. Names and position embedding follow ``eva_x.py`` and ``grad_cam/model_eva.py`` of hustvl/EVA-X.
Not verified: the weight files.
"""

import timm
from timm.models.eva import checkpoint_filter_fn
from torch import nn

from locus.backbones.weight_files import weights

FILE = "eva_x_small_patch16_merged520k_mim_cxr14_ft.pth"


def build() -> nn.Module:
    """Return the network with its weights. Its patches have 16 px."""
    net = timm.create_model(
        "eva02_small_patch14_224", patch_size=16, ref_feat_shape=(14, 14), num_classes=14
    )
    net.load_state_dict(checkpoint_filter_fn(weights(FILE), net))
    return net
