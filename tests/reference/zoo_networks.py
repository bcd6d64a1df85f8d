"""The networks of the zoo in PyTorch: torchvision's and timm's, and those that have no library.

NETWORKS[name].build(classes) makes one with parameters named as in the zoo.
"""
import dataclasses
import functools
from typing import Callable

import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional


@dataclasses.dataclass
class Reference:
    build: Callable      # of the number of classes
    test_shape: tuple    # the input whose output is recorded; batch first
    full_shape: tuple = (3, 224, 224)  # the zoo's, one example
    classes: int = 1000
    test_classes: int = 10
    small: Callable = None  # builds the network of test_shape, where another size is another one


def torchvision_model(name, **options):
    make = getattr(torchvision.models, name)
    return lambda classes: make(weights=None, num_classes=classes, **options)


def timm_model(name, **options):
    return lambda classes: timm.create_model(name, pretrained=False, num_classes=classes,
                                             exportable=True, **options)


def double_conv(inputs, width):
    layers = []
    for channels in (inputs, width):
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
                   nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    def __init__(self, classes, base=64):
        super().__init__()
        widths = [base << i for i in range(5)]
        self.encoder = nn.ModuleList(map(double_conv, [3] + widths[:-1], widths))
        pairs = list(zip(widths[1:], widths[:-1]))[::-1]
        self.upsample = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, 2) for a, b in pairs)
        self.decoder = nn.ModuleList(double_conv(a, b) for a, b in pairs)
        self.head = nn.Conv2d(base, classes, 1)

    def forward(self, x):
        levels = []
        for i, encode in enumerate(self.encoder):
            x = encode(functional.max_pool2d(x, 2) if i else x)
            levels.append(x)
        for level, up, decode in zip(levels[-2::-1], self.upsample, self.decoder):
            x = decode(torch.cat([level, up(x)], 1))
        return self.head(x)


class WaveLayer(nn.Module):
    def __init__(self, dilation):
        super().__init__()
        self.dilation = dilation
        self.gate = nn.Conv1d(64, 128, 2, dilation=dilation)
        self.skip, self.residual = nn.Conv1d(64, 256, 1), nn.Conv1d(64, 64, 1)

    def forward(self, x):
        signal, gate = self.gate(functional.pad(x, (self.dilation, 0))).chunk(2, 1)
        y = torch.tanh(signal) * torch.sigmoid(gate)
        return x + self.residual(y), self.skip(y)


class WaveNet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.input = nn.Conv1d(256, 64, 1)
        self.layers = nn.ModuleList(WaveLayer(2 ** (i % 10)) for i in range(20))
        self.output1, self.output2 = nn.Conv1d(256, 256, 1), nn.Conv1d(256, classes, 1)

    def forward(self, x):
        x, skipped = self.input(x), 0
        for layer in self.layers:
            x, skip = layer(x)
            skipped = skipped + skip
        return self.output2(functional.relu(self.output1(functional.relu(skipped))))


def resnet18_cifar(classes):
    model = torchvision.models.resnet18(weights=None, num_classes=classes)
    model.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    model.maxpool = nn.Identity()
    return model


class DeepLab(torchvision.models.segmentation.DeepLabV3):
    def forward(self, x):
        return super().forward(x)["out"]


def deeplab(classes):
    model = torchvision.models.segmentation.deeplabv3_resnet50(
        weights=None, weights_backbone=None, aux_loss=False, num_classes=classes)
    return DeepLab(model.backbone, model.classifier)


def r3d_18(classes):
    return torchvision.models.video.r3d_18(weights=None, num_classes=classes)


# torchvision, or timm where the builder says so. Inputs as small as the network permits, rarely
# square.
NETWORKS = {
    "alexnet": Reference(torchvision_model("alexnet"), (1, 3, 63, 80)),
    "densenet121": Reference(torchvision_model("densenet121"), (1, 3, 64, 48)),
    "mobilenet_v1": Reference(timm_model("mobilenetv1_100"), (1, 3, 64, 80)),
    "mobilenet_v2": Reference(torchvision_model("mobilenet_v2"), (1, 3, 64, 80)),
    "resnet18": Reference(torchvision_model("resnet18"), (1, 3, 64, 48)),
    "resnet18_cifar": Reference(resnet18_cifar, (2, 3, 17, 24), (3, 32, 32), 10),
    "resnet50": Reference(torchvision_model("resnet50"), (1, 3, 64, 48)),
    "squeezenet1_1": Reference(torchvision_model("squeezenet1_1"), (1, 3, 64, 48)),
    "vgg16": Reference(torchvision_model("vgg16"), (1, 3, 32, 64)),
    "googlenet": Reference(torchvision_model("googlenet", aux_logits=False, init_weights=False),
                           (1, 3, 70, 90)),
    "inception_v3": Reference(
        torchvision_model("inception_v3", aux_logits=False, init_weights=False), (1, 3, 75, 99),
        full_shape=(3, 299, 299)),
    "mobilenet_v3_small": Reference(torchvision_model("mobilenet_v3_small"), (1, 3, 64, 80)),
    "mobilenet_v3_large": Reference(torchvision_model("mobilenet_v3_large"), (1, 3, 64, 80)),
    "efficientnet_b0": Reference(torchvision_model("efficientnet_b0"), (1, 3, 64, 80)),
    "resnext50_32x4d": Reference(torchvision_model("resnext50_32x4d"), (1, 3, 64, 48)),
    "regnet_y_400mf": Reference(torchvision_model("regnet_y_400mf"), (1, 3, 64, 80)),
    "nfnet_l0": Reference(timm_model("nfnet_l0"), (1, 3, 64, 80)),
    "convnext_tiny": Reference(torchvision_model("convnext_tiny"), (1, 3, 64, 96)),
    "vit_b_16": Reference(torchvision_model("vit_b_16"), (1, 3, 64, 64),
                          small=torchvision_model("vit_b_16", image_size=64)),
    "deit_tiny": Reference(timm_model("deit_tiny_patch16_224"), (1, 3, 64, 96),
                           small=timm_model("deit_tiny_patch16_224", img_size=(64, 96))),
    "swin_t": Reference(torchvision_model("swin_t"), (2, 3, 60, 88)),
    "unet": Reference(UNet, (1, 3, 32, 48), (3, 256, 256), 2, 3),
    "deeplabv3_resnet50": Reference(deeplab, (1, 3, 40, 56), (3, 256, 256), 21, 5),
    "r3d_18": Reference(r3d_18, (1, 3, 6, 32, 48), (3, 16, 112, 112), 400),
    "wavenet": Reference(WaveNet, (1, 256, 600), (256, 4096), 256),
}
