"""bcc detect as one would build it of OpenSlide, numpy and PyTorch. README.md beside
this file says what is the same and what is not.

    detect.py --model DIR --out DIR [--patches DIR] SLIDE...

Walks the slides: overview, tissue, patches, network, OUT/<slide>/patches.csv and a heat
map. With --patches the patches of DIR/<slide>/patches.csv are scored in place of those
that the tissue found here gives; it is looked for all the same. Prints JSON, an object a
line: what it runs with when it is ready, then each slide, then the seconds that all took.
"""
import argparse
import csv
import json
import multiprocessing
import os
import sys
import time

BEGUN = time.perf_counter()

import numpy
import openslide
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

import network
import slides

OPENED = {}  # in each process: OpenSlide's handles do not survive a fork


def opened(path):
    if path not in OPENED:
        slide = openslide.OpenSlide(path)
        OPENED[path] = slide, slides.mpp(slide, path)
    return OPENED[path]


class Patches(Dataset):
    """The patches of all slides, one after the other."""

    def __init__(self, plans, px, um):
        self.all = [(path, rect) for path, rects in plans for rect in rects]
        self.px, self.um = px, um

    def __len__(self):
        return len(self.all)

    def __getitem__(self, i):
        path, rect = self.all[i]
        slide, um = opened(path)
        return torch.from_numpy(numpy.array(slides.read(slide, um, rect, self.px, self.um))).permute(2, 0, 1)


class Scorer:
    """Probabilities of BCC out of batches of bytes."""

    def __init__(self, args, card):
        self.px = card["patch_size_pixels"]
        self.net = network.load(os.path.join(args.model, "model.onnx"), args.form, args.batch, self.px)
        norm = next(t["arguments"] for t in card["transform"] if t["name"] == "Normalize")
        self.scale = 1 / (255 * torch.tensor(norm["std"]).view(3, 1, 1))
        self.shift = torch.tensor(norm["mean"]).view(3, 1, 1) / torch.tensor(norm["std"]).view(3, 1, 1)
        self.bcc = card["class_names"].index("BCC")
        self.format = torch.channels_last if args.form == "channels_last" else torch.contiguous_format
        self.logits = card["output"]["type"] == "logits"

    def __call__(self, batch):
        with torch.inference_mode():
            x = (batch.to(torch.float32) * self.scale - self.shift).contiguous(memory_format=self.format)
            y = self.net(x)
            return (torch.softmax(y, 1) if self.logits else y)[:, self.bcc].numpy()


def loader(patches, args, scorer):
    """One process runs the network, workers read for it."""
    batches = DataLoader(patches, batch_size=args.batch, num_workers=args.workers)
    return numpy.concatenate([scorer(b) for b in batches])


def pool(patches, args, scorer):
    """Each process reads and scores patches of its own."""
    global SCORE
    jobs = [(i, min(i + args.batch, len(patches))) for i in range(0, len(patches), args.batch)]
    SCORE = lambda job: scorer(torch.stack([patches[i] for i in range(*job)]))
    with multiprocessing.get_context("fork").Pool(args.processes, torch.set_num_threads, (args.threads,)) as p:
        return numpy.concatenate(p.map(score, jobs, chunksize=4))


def score(job):
    return SCORE(job)


def write(out, rects, scores):
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "patches.csv"), "w", newline="") as f:
        rows = csv.writer(f)
        rows.writerow(["minx", "miny", "width", "height", "prob_bcc"])
        rows.writerows([*r, f"{s:.6f}"] for r, s in zip(rects, scores))
    _, _, w, h = rects[0]
    heat = numpy.zeros((max(r[1] for r in rects) // h + 1, max(r[0] for r in rects) // w + 1), numpy.uint8)
    for (x, y, _, _), s in zip(rects, scores):
        heat[y // h, x // w] = 255 * s
    Image.fromarray(heat).save(os.path.join(out, "heatmap.png"))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", required=True, help="folder with model.onnx and card.json")
    p.add_argument("--out", required=True)
    p.add_argument("--patches", help="folder of bcc detect's results")
    p.add_argument("--form", choices=network.FORMS, default="eager")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--threads", type=int, default=1, help="PyTorch's, in a process that runs the network")
    p.add_argument("--workers", type=int, default=0, help="of the DataLoader; 0: the process itself reads")
    p.add_argument("--processes", type=int, default=1, help="more: each reads and scores, without a DataLoader")
    p.add_argument("slides", nargs="+")
    args = p.parse_args()

    torch.set_num_threads(args.threads)
    card = json.load(open(os.path.join(args.model, "card.json")))
    scorer = Scorer(args, card)
    say(ready_s=time.perf_counter() - BEGUN, torch=torch.__version__, openslide=openslide.__library_version__,
        python=sys.version.split()[0], blas="openblas" if "openblas" in open("/proc/self/maps").read() else "reference")

    begun = time.perf_counter()
    plans, found = [], []
    for path in args.slides:
        slide, um = opened(path)
        rects = slides.plan(slide, um, scorer.px, card["spacing_um_px"])
        found.append(set(rects))
        if args.patches:
            rects = slides.given(os.path.join(args.patches, os.path.basename(path), "patches.csv"))
        plans.append((path, rects))
    for slide, _ in OPENED.values():
        slide.close()
    OPENED.clear()
    patches = Patches(plans, scorer.px, card["spacing_um_px"])
    scores = (pool if args.processes > 1 else loader)(patches, args, scorer)
    at = 0
    for (path, rects), mine in zip(plans, found):
        some = scores[at:at + len(rects)]
        at += len(rects)
        write(os.path.join(args.out, os.path.basename(path)), rects, some)
        say(slide=os.path.basename(path), patches=len(rects), found=len(mine), shared=len(mine & set(rects)), score=float(some.max()))
    say(seconds=time.perf_counter() - begun, slides=len(plans), patches=len(patches))


def say(**what):
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
