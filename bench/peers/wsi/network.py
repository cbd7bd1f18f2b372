"""A network of an ONNX file in PyTorch: the same weights, the same layers.

It knows what classifiers of patches are made of here (Conv, Relu, Add, MaxPool,
GlobalAveragePool, Flatten, Gemm) and refuses the rest by name.
"""
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional as F


def symmetric(pads):
    top, left, bottom, right = pads
    if (top, left) != (bottom, right):
        raise ValueError(f"pads {pads} differ from side to side")
    return top, left


class Network(nn.Module):
    def __init__(self, path):
        super().__init__()
        graph = onnx.load(path).graph
        self.input, self.output = graph.input[0].name, graph.output[0].name
        weights = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
        self.steps, self.layers = [], nn.ModuleList()
        for node in graph.node:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            given = [i for i in node.input if i not in weights]
            held = [weights[i] for i in node.input if i in weights]
            self.steps.append((given, node.output[0], len(self.layers)))
            self.layers.append(layer(node.op_type, attributes, held))

    def forward(self, x):
        values = {self.input: x}
        for given, to, i in self.steps:
            values[to] = self.layers[i](*[values[g] for g in given])
        return values[self.output]


class Add(nn.Module):
    def forward(self, a, b):
        return a + b


class Mean(nn.Module):
    def forward(self, x):
        return F.adaptive_avg_pool2d(x, 1)


def layer(kind, a, weights):
    """The layer of an operator with these attributes and weights."""
    if kind == "Conv":
        w = weights[0]
        made = nn.Conv2d(w.shape[1] * a.get("group", 1), w.shape[0], tuple(w.shape[2:]), tuple(a.get("strides", (1, 1))),
                         symmetric(a.get("pads", (0, 0, 0, 0))), tuple(a.get("dilations", (1, 1))), a.get("group", 1), len(weights) > 1)
    elif kind == "Gemm" and a.get("transB") == 1 and not a.get("transA") and a.get("alpha", 1) == a.get("beta", 1) == 1:
        made = nn.Linear(weights[0].shape[1], weights[0].shape[0], len(weights) > 1)
    elif kind == "MaxPool" and not a.get("ceil_mode"):
        return nn.MaxPool2d(tuple(a["kernel_shape"]), tuple(a.get("strides", (1, 1))), symmetric(a.get("pads", (0, 0, 0, 0))))
    elif kind in ("Relu", "Add", "GlobalAveragePool", "Flatten") and not weights:
        return {"Relu": nn.ReLU, "Add": Add, "GlobalAveragePool": Mean, "Flatten": nn.Flatten}[kind]()
    else:
        raise ValueError(f"no {kind} with {a} and {len(weights)} weights here")
    with torch.no_grad():
        made.weight.copy_(weights[0])
        if len(weights) > 1:
            made.bias.copy_(weights[1])
    return made


FORMS = ["eager", "channels_last", "jit"]


def load(path, form, batch, px):
    """The network ready to run batches: as it is, with channels last, or traced,
    frozen and optimised for inference."""
    net = Network(path).eval()
    if form == "channels_last":
        return net.to(memory_format=torch.channels_last)
    if form == "jit":
        traced = torch.jit.trace(net, torch.zeros(batch, 3, px, px))
        return torch.jit.optimize_for_inference(torch.jit.freeze(traced))
    return net
