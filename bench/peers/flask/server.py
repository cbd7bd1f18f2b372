"""The other side of `bcc bench predict --flask`: the serving stack of the scaling
guide, a Flask application behind ProxyFix that runs a PyTorch network on each
request. README.md beside this file says what is the same as ours and what is not.

    server.py --port 5000 --server flask --threads 2 --spec net.json --weights net.f32
"""
import argparse
import io
import json
import time

import flask
import numpy
import torch
from flask import Flask, jsonify, request
from PIL import Image
from torch import nn
from torch.nn import functional as F
from werkzeug.middleware.proxy_fix import ProxyFix

CLASSES = ["Non-malignant", "BCC"]


class Conv(nn.Module):
    """A convolution and its batch norm."""

    def __init__(self, channels, width, k, stride):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, k, stride, k // 2, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x):
        return self.norm(self.conv(x))


class Basic(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = Conv(channels, width, 3, stride)
        self.conv2 = Conv(width, width, 3, 1)
        self.shortcut = Conv(channels, width, 1, stride) if stride != 1 or channels != width else nn.Identity()

    def forward(self, x):
        return F.relu(self.conv2(F.relu(self.conv1(x))) + self.shortcut(x))


class ResNet(nn.Module):
    """He et al. 2016 with basic blocks, as grad/net/resnet.go builds it."""

    def __init__(self, blocks, first, slim):
        super().__init__()
        if slim:
            self.stem = nn.Sequential(Conv(3, first, 3, 2), nn.ReLU(), Conv(first, first, 3, 2), nn.ReLU())
        else:
            self.stem = nn.Sequential(Conv(3, first, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        layers, channels = [], first
        for stage, n in enumerate(blocks):
            for i in range(n):
                layers.append(Basic(channels, first << stage, 2 if i == 0 and stage > 0 else 1))
                channels = first << stage
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(channels, len(CLASSES))

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


def load(spec, weights):
    """Builds the network of the spec with the weights: float32, one tensor after the
    other in the order of the modules, which is that of grad/net's layers."""
    net = ResNet(spec["blocks"], spec["first"], spec["slim"])
    flat = torch.from_numpy(weights)
    at = 0
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(flat[at:at + p.numel()].view_as(p))
            at += p.numel()
    if at != len(flat):
        raise ValueError(f"{len(flat)} weights, the network has {at}")
    return net.eval()


def application(args):
    torch.set_num_threads(args.threads)
    spec, net = args.spec, load(args.spec, args.weights)
    mean = torch.tensor(spec["mean"]).view(3, 1, 1)
    std = torch.tensor(spec["std"]).view(3, 1, 1)

    app = Flask(__name__)
    app.wsgi_app = ProxyFix(app.wsgi_app)

    def process_request(request):
        begin = time.perf_counter()
        image = Image.open(io.BytesIO(request.files["file"].read())).convert("RGB")
        pixels = torch.from_numpy(numpy.array(image)).permute(2, 0, 1)
        x = (pixels.float() / 255 - mean) / std
        with torch.no_grad():
            p = torch.softmax(net(x.unsqueeze(0)), 1)[0].tolist()
        best = max(range(len(p)), key=p.__getitem__)
        return jsonify(prediction=CLASSES[best], confidence=p[best], score=p[1],
                       processing_time=time.perf_counter() - begin)

    @app.route("/predict", methods=["POST"])
    def predict():
        return process_request(request)

    @app.route("/health")
    def health():
        return jsonify(status="healthy", torch=torch.__version__, flask=flask.__version__,
                       server=args.server, threads=torch.get_num_threads())

    return app


def run_flask(args):
    import logging
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line a request costs time
    application(args).run("127.0.0.1", args.port, threaded=True)


def run_waitress(args):
    import waitress
    waitress.serve(application(args), host="127.0.0.1", port=args.port, threads=args.handlers)


def run_gunicorn(args):
    from gunicorn.app.base import BaseApplication

    class Server(BaseApplication):
        def load_config(self):
            for key, value in dict(bind=f"127.0.0.1:{args.port}", workers=args.workers, threads=args.handlers,
                                   worker_class="gthread", keepalive=30, timeout=120, loglevel="error").items():
                self.cfg.set(key, value)

        def load(self):  # in each worker: PyTorch's threads do not survive a fork
            return application(args)

    Server().run()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--port", type=int, default=5000)
    p.add_argument("--server", choices=["flask", "gunicorn", "waitress"], default="flask")
    p.add_argument("--threads", type=int, default=1, help="PyTorch's, in a process")
    p.add_argument("--workers", type=int, default=1, help="processes of gunicorn")
    p.add_argument("--handlers", type=int, default=4, help="requests at once, of gunicorn in a process and of waitress")
    p.add_argument("--spec", required=True, help="JSON: blocks, first, slim, mean, std")
    p.add_argument("--weights", required=True, help="float32, little endian")
    args = p.parse_args()
    # Here, not in gunicorn's workers: the files may go when one of them is ready.
    args.spec = json.load(open(args.spec))
    args.weights = numpy.fromfile(args.weights, dtype="<f4")
    {"flask": run_flask, "gunicorn": run_gunicorn, "waitress": run_waitress}[args.server](args)


if __name__ == "__main__":
    main()
