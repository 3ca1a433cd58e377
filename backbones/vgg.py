"""VGG, whose five max poolings of even size give a grid with offset 15.5 at stride 32."""

from backbones.family import Family, Features
from backbones.pretrained import create, layer_names


class VGG(Family):
    """VGG-16, convolutions only. Source: Simonyan and Zisserman, ICLR 2015; network and weights of timm.

    The published head of two wide layers is left out: the head of Locus has one linear weight vector per finding.
    """

    name = "vgg"
    words = ("vgg16",)

    def build(self, name: str, pretrained: bool) -> Features:
        """Build an extractor of 512 channels, up to the last max pooling."""
        net = create(name, pretrained)
        return Features(net.features, net.num_features, layer_names(net))
