"""The other side of `bcc bench train`: the same training steps in PyTorch.

Reads one command a line from standard input, {"task": "mil" | "cnn", "threads": n,
"batch": n, "steps": n, "patch_px": n, ...}, runs so many steps, and writes
{"seconds": s} as one line. A step is forward, backward and AdamW. The process
stays, so that both sides can be measured in turn.
"""
import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Mil(nn.Module):
    """Gated attention over a bag (Ilse et al. 2018), as grad/net.MIL builds it."""

    def __init__(self, features=1024, project=512, attend=256, classes=2):
        super().__init__()
        self.project = nn.Linear(features, project)
        self.tanh = nn.Linear(project, attend)
        self.gate = nn.Linear(project, attend)
        self.attend = nn.Linear(attend, 1)
        self.head = nn.Linear(project, classes)

    def forward(self, bags):
        x = F.relu(self.project(bags))
        a = self.attend(torch.tanh(self.tanh(x)) * torch.sigmoid(self.gate(x)))
        a = torch.softmax(a, 1)
        return self.head((a * x).sum(1))


class Basic(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.short = nn.Identity()
        if stride != 1 or channels != width:
            self.short = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.short(x))


class ResNet(nn.Module):
    """He et al. 2016 with basic blocks, as grad/net builds it."""

    def __init__(self, blocks, first, slim, classes=2):
        super().__init__()
        layers = [nn.Conv2d(3, first, 7, 2, 3, bias=False), nn.BatchNorm2d(first), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        if slim:
            layers = []
            for channels in (3, first):
                layers += [nn.Conv2d(channels, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU()]
        channels = first
        for stage, n in enumerate(blocks):
            for i in range(n):
                layers.append(Basic(channels, first << stage, 2 if i == 0 and stage > 0 else 1))
                channels = first << stage
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(channels, classes)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))


def build(c):
    torch.manual_seed(1)
    if c["task"] == "mil":
        model = Mil(c["features"], c["project"], c["attend"])
        data = torch.randn(c["batch"], c["patches"], c["features"])
    else:
        model = ResNet(c["blocks"], c["first"], c["slim"])
        data = torch.randn(c["batch"], 3, c["patch_px"], c["patch_px"])
    model.train()
    target = torch.arange(c["batch"]) % 2
    return model, torch.optim.AdamW(model.parameters(), lr=1e-4), data, target


def main():
    made = {}
    print(json.dumps({"torch": torch.__version__, "blas": "openblas" if "openblas" in open("/proc/self/maps").read() else "reference"}), flush=True)
    for line in sys.stdin:
        c = json.loads(line)
        torch.set_num_threads(c["threads"])
        key = json.dumps({k: v for k, v in c.items() if k not in ("threads", "steps")}, sort_keys=True)
        if key not in made:
            made[key] = build(c)
        model, optimiser, data, target = made[key]
        begin = time.perf_counter()
        for _ in range(c["steps"]):
            optimiser.zero_grad()
            loss = F.cross_entropy(model(data), target)
            loss.backward()
            optimiser.step()
        print(json.dumps({"seconds": time.perf_counter() - begin, "loss": float(loss)}), flush=True)


main()
