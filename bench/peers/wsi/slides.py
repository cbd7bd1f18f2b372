"""Slides through OpenSlide: their scale, where the tissue is, patches as tensors."""
import csv

import numpy
import openslide
from PIL import Image
from scipy import ndimage

OVERVIEW_UM = 8  # of an overview pixel


def mpp(slide, path):
    """Micrometres a pixel of level 0. OpenSlide has none for generic TIFF: there it is
    what the file's resolution says."""
    p = slide.properties
    if openslide.PROPERTY_NAME_MPP_X in p:
        return float(p[openslide.PROPERTY_NAME_MPP_X]), float(p[openslide.PROPERTY_NAME_MPP_Y])
    unit = {"centimeter": 1e4, "inch": 25400}.get(p.get("tiff.ResolutionUnit"))
    if unit is None:
        raise ValueError(f"{path}: no scale")
    return unit / float(p["tiff.XResolution"]), unit / float(p["tiff.YResolution"])


def tissue(slide, um):
    """What is stained, on an overview of 8 µm a pixel, with the rule and the sizes of
    bcc's room tissue: HSV saturation, a median, closing, holes of up to 1 mm² filled,
    nothing smaller than 200 µm square."""
    width, height = slide.dimensions
    size = max(1, round(width * um[0] / OVERVIEW_UM)), max(1, round(height * um[1] / OVERVIEW_UM))
    rgb = numpy.asarray(slide.get_thumbnail(size).convert("RGB"))
    most, least = rgb.max(2).astype(numpy.int32), rgb.min(2).astype(numpy.int32)
    mask = 255 * (most - least) > 8 * most
    mask = ndimage.uniform_filter(mask.astype(numpy.float32), 7) > 0.5  # the median of yes and no
    mask = ndimage.binary_closing(numpy.pad(mask, 3), numpy.ones((7, 7)))[3:-3, 3:-3]
    area = OVERVIEW_UM ** 2
    holes, n = ndimage.label(~mask)
    if n:
        fill = numpy.bincount(holes.ravel()) <= 1e6 / area
        fill[numpy.unique(numpy.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]))] = fill[0] = False
        mask |= fill[holes]
    pieces, n = ndimage.label(mask, numpy.ones((3, 3)))
    if n:
        keep = numpy.bincount(pieces.ravel()) >= 200 * 200 / area
        keep[0] = False
        mask = keep[pieces]
    return mask


def plan(slide, um, px, model_um):
    """Patches, half of which is tissue or more: x, y, w, h in pixels of level 0."""
    mask = tissue(slide, um)
    width, height = slide.dimensions
    w, h = max(1, round(px * model_um / um[0])), max(1, round(px * model_um / um[1]))
    sums = numpy.pad(mask.astype(numpy.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    to_x, to_y = mask.shape[1] / width, mask.shape[0] / height
    patches = []
    for y in range(0, max(height - h, 0) + h, h):
        y0, y1 = round(y * to_y), min(round((y + h) * to_y), mask.shape[0])
        for x in range(0, max(width - w, 0) + w, w):
            x0, x1 = round(x * to_x), min(round((x + w) * to_x), mask.shape[1])
            inside = sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]
            if inside >= 0.5 * (w * to_x) * (h * to_y):
                patches.append((x, y, w, h))
    return patches


def given(path):
    """Patches that a bcc detect planned: its patches.csv."""
    with open(path, newline="") as f:
        return [(int(r["minx"]), int(r["miny"]), int(r["width"]), int(r["height"])) for r in csv.DictReader(f)]


def read(slide, um, rect, px, model_um):
    """One patch, px × px × 3 bytes, from the coarsest level that is fine enough. Beyond
    the slide it is white. One more pixel around is read where the patch is scaled, so that
    the filter has neighbours at its edges."""
    x, y, w, h = rect
    level = slide.get_best_level_for_downsample(w / px * 1.001)
    down = slide.level_downsamples[level]
    lw, lh = w / down, h / down
    margin = 0 if (lw, lh) == (px, px) else 2
    size = int(numpy.ceil(lw)) + 2 * margin, int(numpy.ceil(lh)) + 2 * margin
    region = slide.read_region((round(x - margin * down), round(y - margin * down)), level, size)
    width, height = slide.dimensions
    if x < margin * down or y < margin * down or x + w + margin * down > width or y + h + margin * down > height:
        white = Image.new("RGBA", region.size, "white")
        white.alpha_composite(region)
        region = white
    region = region.convert("RGB")
    if margin:
        region = region.resize((px, px), Image.Resampling.BILINEAR, box=(margin, margin, margin + lw, margin + lh))
    return numpy.asarray(region)
