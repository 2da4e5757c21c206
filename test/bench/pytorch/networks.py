"""The built-in programs alexnet, vgg16 and resnet50 (worker/program/builtin) as PyTorch modules: same layers, sizes and counts.

TensorFlow's 'same' padding of a strided window is larger behind the picture than before it, which PyTorch's windows
cannot express. `exact` pads in front of them, and then computes the same function. Without it, windows are padded
alike on both sides, to the same output size, as PyTorch users write it; that saves PyTorch the padding's time and
memory, and is what step times are compared with.
"""

import torch
from torch import nn
from torch.nn import functional

# Trained parameters at 224 px and 1000 classes; the tests of the built-in programs hold the same numbers.
PARAMETERS = {"alexnet": 61_100_840, "vgg16": 138_357_544, "resnet50": 25_557_032}
LEARNING_RATE = {"alexnet": 0.001, "vgg16": 0.001, "resnet50": 0.01}


def build(model, image_size, classes, exact):
    """A network by name. Raises ValueError where its parameters are not as many as those of the built-in program."""
    make = {"alexnet": alexnet, "vgg16": vgg16, "resnet50": resnet50}[model]
    network = make(image_size, classes, exact)
    initialize(network)
    count = sum(parameter.numel() for parameter in network.parameters())
    if (image_size, classes) == (224, 1000) and count != PARAMETERS[model]:
        raise ValueError(f"{model} has {count} parameters where the built-in program has {PARAMETERS[model]}")
    return network


def same_padding(size, kernel, stride):
    """Pixels before and behind a row of `size`, as TensorFlow pads for ceil(size / stride) outputs."""
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


class Window(nn.Module):
    """A convolution or a maximum over windows with 'same' padding; `size` is height and width of its input."""

    def __init__(self, size, kernel, stride, make, exact, fill=0.0):
        super().__init__()
        before, behind = same_padding(size, kernel, stride)
        self.pads = (before, behind, before, behind) if exact and before != behind else None
        self.fill = fill
        self.inner = make(0 if self.pads else behind)

    def forward(self, x):
        return self.inner(x if self.pads is None else functional.pad(x, self.pads, value=self.fill))


def convolution(size, inputs, outputs, kernel, stride=1, bias=True, exact=False):
    return Window(
        size, kernel, stride, lambda padding: nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias), exact
    )


def alexnet(size, classes, exact):
    def block(size, inputs, outputs, kernel, stride=1):
        return [convolution(size, inputs, outputs, kernel, stride, exact=exact), nn.ReLU(inplace=True)]

    first = -(-size // 4)
    second = (first - 3) // 2 + 1
    third = (second - 3) // 2 + 1
    last = (third - 3) // 2 + 1
    return nn.Sequential(
        *block(size, 3, 64, 11, 4),
        nn.MaxPool2d(3, 2),
        *block(first, 64, 192, 5),
        nn.MaxPool2d(3, 2),
        *block(third, 192, 384, 3),
        *block(third, 384, 256, 3),
        *block(third, 256, 256, 3),
        nn.MaxPool2d(3, 2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(256 * last * last, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Linear(4096, classes),
    )


def vgg16(size, classes, exact):
    layers, inputs = [], 3
    for channels, count in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]:
        for _ in range(count):
            layers += [convolution(size, inputs, channels, 3, exact=exact), nn.ReLU(inplace=True)]
            inputs = channels
        layers.append(nn.MaxPool2d(2))
        size //= 2
    dense = [nn.Linear(512 * size * size, 4096), nn.ReLU(inplace=True), nn.Linear(4096, 4096), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Flatten(), *dense, nn.Linear(4096, classes))


def normalized(size, inputs, outputs, kernel, stride, exact):
    return nn.Sequential(
        convolution(size, inputs, outputs, kernel, stride, bias=False, exact=exact),
        nn.BatchNorm2d(outputs, eps=1e-5, momentum=0.1),  # of the new value, where Keras counts the old one's 0.9
    )


class Bottleneck(nn.Module):
    def __init__(self, size, inputs, channels, stride, projects, exact):
        super().__init__()
        inner = -(-size // stride)
        self.narrow = normalized(size, inputs, channels, 1, 1, exact)
        self.middle = normalized(size, channels, channels, 3, stride, exact)
        self.wide = normalized(inner, channels, 4 * channels, 1, 1, exact)
        self.shortcut = normalized(size, inputs, 4 * channels, 1, stride, exact) if projects else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.relu(self.middle(self.relu(self.narrow(x))))
        return self.relu(self.wide(y) + self.shortcut(x))


def resnet50(size, classes, exact):
    layers = [normalized(size, 3, 64, 7, 2, exact), nn.ReLU(inplace=True)]
    size = -(-size // 2)
    layers.append(Window(size, 3, 2, lambda padding: nn.MaxPool2d(3, 2, padding), exact, fill=float("-inf")))
    size, inputs = -(-size // 2), 64
    for stage, (channels, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            layers.append(Bottleneck(size, inputs, channels, stride, block == 0, exact))
            size, inputs = -(-size // stride), 4 * channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


@torch.no_grad()
def initialize(network):
    """As the built-in programs: He's uniform bounds, Glorot's for the last layer, biases 0, normalisations 1 and 0."""
    dense = [module for module in network.modules() if isinstance(module, nn.Linear)]
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            if module is dense[-1]:
                nn.init.xavier_uniform_(module.weight)
            else:
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
