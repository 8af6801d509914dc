"""Label maps for training: what each pixel of the rated faces shows, and how far to trust it."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from . import regions, rims
from .regions import Mask, grown, polygon

SIDE: Final = 256
BACKGROUND, SKIN, HAIR, BROWS, EYES, GLASSES, NOSE, LIPS, MOUTH, EARS, NECK, CLOTHES = range(12)
LABELS: Final = ("background", "skin", "hair", "brows", "eyes", "glasses", "nose", "lips", "mouth", "ears", "neck", "clothes")
FROM_PARTS: Final = np.array([BACKGROUND, HAIR, SKIN, CLOTHES], np.uint8)
PICTURES: Final = Path(__file__).with_name("pictures.json")


@dataclass
class Face:
    picture: NDArray[np.uint8]  # 2S x 2S RGB
    small: NDArray[np.uint8]
    points: NDArray[np.float32]  # 478,2 px of SIDE
    parts: NDArray[np.uint8]
    soft_hair: NDArray[np.float32]
    person: NDArray[np.float32]
    marks: frozenset
    drawn: list

    @property
    def span(self) -> float:
        return float(np.linalg.norm(self.points[33] - self.points[263]))

    def lab(self):
        return cv2.cvtColor(self.small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def grid():
    return np.mgrid[0:SIDE, 0:SIDE] + 0.5


def line_y(points, xs):
    """y of a polyline (sorted by x) at xs"""
    order = np.argsort(points[:, 0])
    return np.interp(xs, points[order, 0], points[order, 1])


def face_labels(face: Face):
    p, span = face.points, face.span
    ys, xs = grid()
    oval = polygon(p, regions.OVAL, SIDE)
    labels = FROM_PARTS[face.parts].copy()
    weight = np.ones((SIDE, SIDE), np.float32)
    # the matte and the parts differ
    weight[(labels == BACKGROUND) & (face.person > 0.9)] = 0
    weight[(labels != BACKGROUND) & (face.person < 0.1)] = 0
    # soft hair: strands
    weight[(face.soft_hair > 0.3) & (face.soft_hair < 0.7)] *= 0.4

    # of a turned head, what shows beyond the far side is cheek
    to_left, to_right = p[1, 0] - p[234, 0], p[454, 0] - p[1, 0]
    far = np.zeros_like(oval)
    if to_left < 0.55 * to_right:
        far = xs < p[1, 0]
    if to_right < 0.55 * to_left:
        far = xs > p[1, 0]
    # --- inside the oval
    brow_low = min(p[[46, 53, 52, 65, 55], 1].mean(), p[[276, 283, 282, 295, 285], 1].mean())
    core = grown(oval, -max(2, round(0.1 * span)))
    below = ys > brow_low
    wrong = core & below & (labels == HAIR)
    labels[wrong] = SKIN
    outside_hair = (labels == HAIR) & ~core
    count, blobs = cv2.connectedComponents((wrong | outside_hair).astype(np.uint8))[:2]
    # hair that hangs into the face, or dark shade: not told
    eyes_zone = grown(np.any([polygon(p, e, SIDE) for e in (*regions.EYES, *regions.BROWS)], 0), 6)
    touching = np.unique(blobs[outside_hair])
    hanging = wrong & np.isin(blobs, touching) & ~eyes_zone
    weight[hanging] = 0
    cheek = far & oval & below & (labels == HAIR)
    labels[cheek] = SKIN
    weight[cheek] = 0
    labels[oval & (ys > p[10, 1] + 0.1 * span) & np.isin(labels, (CLOTHES, BACKGROUND))] = SKIN

    # --- outside: ears, neck
    skin = labels == SKIN
    outside = skin & ~oval
    blobs = cv2.connectedComponents(skin.astype(np.uint8))[1]
    face_blob = np.bincount(blobs[oval & skin]).argmax() if (oval & skin).any() else 0
    lobe = np.where(xs < p[1, 0], p[132, 1], p[361, 1])
    brow_top = min(p[[70, 63, 105], 1].min(), p[[300, 293, 334], 1].min())
    beside = (xs < p[234, 0] + 0.1 * span) | (xs > p[454, 0] - 0.1 * span)
    ear = outside & beside & ~far & (ys > brow_top - 0.05 * span) & (ys < lobe + 0.08 * span)
    ear = grown(grown(ear, -2), 3) & ear
    count, blobs_e, stats, _ = cv2.connectedComponentsWithStats(ear.astype(np.uint8))
    for k in range(1, count):
        off = np.abs(xs[blobs_e == k] - p[1, 0]).min() > 1.6 * span
        if stats[k, cv2.CC_STAT_AREA] < 25 or off:
            weight[blobs_e == k] = 0
            ear[blobs_e == k] = False
    labels[ear] = EARS
    # the shade within an ear
    around_ears = grown(grown(ear, 6), -6)
    count, blobs_h, stats, _ = cv2.connectedComponentsWithStats((labels == HAIR).astype(np.uint8))
    for k in range(1, count):
        blob = blobs_h == k
        if stats[k, cv2.CC_STAT_AREA] < 150 and around_ears[blob].mean() > 0.6:
            ear |= blob
    labels[ear] = EARS
    jaw = np.array([p[k] for k in (132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361)])
    below = ys > np.where((xs > jaw[0, 0]) & (xs < jaw[-1, 0]), line_y(jaw, xs), lobe)
    neck = outside & ~ear & below & ~(far & (ys < p[152, 1]))
    sliver = neck & ~grown(grown(neck, -2), 3) & (ys < p[152, 1]) & grown(oval, 5)
    neck &= ~sliver
    labels[neck] = NECK
    stray = skin & (blobs != face_blob) & ~oval & ~ear & ~neck
    weight[stray] = 0

    # --- necks in shadow: hair or clothes right below the jaw that may be neck
    under = ~oval & (ys > line_y(jaw, xs)) & (xs > jaw[1, 0]) & (xs < jaw[-2, 0]) & (ys < p[152, 1] + 0.5 * span)
    labels, weight = mend_neck(face, labels, weight, under, oval)

    if "beards" in face.marks:
        labels, weight = beard(face, labels, weight, oval)
    else:
        weight = doubtful_beard(face, labels, weight, oval)
    if "short" in face.marks and "beards" not in face.marks:
        low = (labels == HAIR) & (ys > p[152, 1] - 0.1 * span) & ~oval
        labels[low] = CLOTHES
        weight[low] *= 0.6
        weight[low & under] = 0

    labels, weight = mend_hairline(face, labels, weight, oval)
    # --- inner parts
    nose = polygon(p, regions.NOSE, SIDE)
    labels[nose & (labels != HAIR)] = NOSE
    labels[nose & (labels == HAIR)] = NOSE
    for brow in regions.BROWS:
        area = polygon(p, brow, SIDE)
        around = grown(area, 5) & ~grown(area, 2) & (ys < p[list(brow), 1].mean())
        if (labels[around] == HAIR).mean() > 0.6:  # under a fringe
            labels[area] = HAIR
            weight[grown(area, 2)] = 0
        else:
            labels[grown(area, 3) & (labels == HAIR)] = SKIN
            labels[area] = BROWS
    for eye in regions.EYES:
        labels[polygon(p, eye, SIDE)] = EYES
    labels[polygon(p, regions.LIPS, SIDE)] = LIPS
    labels[polygon(p, regions.MOUTH, SIDE)] = MOUTH
    if "glasses" in face.marks:
        labels, weight = glasses(face, labels, weight)
    if "held_out" in face.marks:
        weight[:] = 1  # the truth is looked at whole
    if face.drawn:
        labels, weight = corrected(labels, weight, face.drawn, "held_out" in face.marks)
    return labels, weight


def cheek_colour(face):
    lab = face.lab()
    cheeks = np.any([polygon(face.points, c, SIDE) for c in regions.CHEEKS], 0)
    return np.median(lab[cheeks], 0)


def mend_neck(face, labels, weight, under, oval):
    p, span = face.points, face.span
    ys, xs = grid()
    lab = cv2.GaussianBlur(face.lab(), (0, 0), 1.0)
    cheek = cheek_colour(face)
    # hue angle and chroma to lightness stay about the same in the shade
    scale = np.clip(lab[..., 0] / max(cheek[0], 1), 0.05, 1.2)
    expected = cheek[1:] * np.clip(scale, 0.3, 1.1)[..., None] ** 0.7
    off = np.linalg.norm(lab[..., 1:] - expected, axis=-1)
    ask = under & np.isin(labels, (HAIR, CLOTHES, BACKGROUND))
    weight[ask] = 0
    # sure hair or sure clothes: much unlike
    weight[ask & (off > 14)] = 1
    middle = (xs > p[149, 0]) & (xs < p[378, 0]) & (ys < p[152, 1] + 0.35 * span)
    shaded = ask & middle & (off < 9) & (scale > 0.25)
    shaded = grown(grown(shaded, -2), 2)
    labels = labels.copy()
    labels[shaded] = NECK
    weight[shaded] = 0.5
    return labels, weight


def toward_hair(face, labels):
    """0 at the skin's colour, 1 at the hair's; None if they are too much alike"""
    p, span = face.points, face.span
    ys, _ = grid()
    lab = cv2.GaussianBlur(face.lab(), (0, 0), 0.6)
    skin = cheek_colour(face)
    above = (labels == HAIR) & (ys < p[[107, 336], 1].mean()) & (face.soft_hair > 0.9)
    if above.sum() < 200:
        return None
    tones = lab[above]
    if "bald" in face.marks:
        tones = tones[tones[:, 0] <= np.quantile(tones[:, 0], 0.3)]
    hair = np.median(tones, 0)
    way = hair - skin
    if np.linalg.norm(way) < 22:
        return None
    return ((lab - skin) @ way) / (way @ way)


def mend_hairline(face, labels, weight, oval):
    p, span = face.points, face.span
    ys, _ = grid()
    if "shaven" in face.marks:
        brow_top = min(p[[70, 63, 105], 1].min(), p[[300, 293, 334], 1].min())
        centre = 0.5 * (p[127, 0] + p[356, 0])
        top = (labels == HAIR) & (ys < brow_top)
        labels = labels.copy()
        near = top & (np.abs(grid()[1] - centre) < 0.5 * span)
        labels[near] = SKIN
        weight[top & ~near] = 0
        return labels, weight
    share = toward_hair(face, labels)
    if share is None:
        return labels, weight
    labels = labels.copy()
    brows = np.any([polygon(p, b, SIDE) for b in regions.BROWS], 0)
    eyes = np.any([polygon(p, e, SIDE) for e in regions.EYES], 0)
    brow_top = min(p[[70, 63, 105], 1].min(), p[[300, 293, 334], 1].min())
    brow_y = 0.5 * (p[[70, 63, 105, 66, 107], 1].mean() + p[[300, 293, 334, 296, 336], 1].mean())
    if "bald" in face.marks:
        top = (labels == HAIR) & (ys < brow_top)
        bare = top & (share < 0.4)
        labels[bare] = SKIN
        weight[bare] = 0.6
        weight[top & (share >= 0.4) & (share < 0.65)] = 0
        return labels, weight
    if "hats" in face.marks or "sunglasses" in face.marks or "glasses" in face.marks:
        return labels, weight
    forehead = (labels == SKIN) & oval & (ys < brow_y + 0.02 * span) & ~grown(brows, 2)
    dark = forehead & (share > 0.6)
    blobs = cv2.connectedComponents((dark | (labels == HAIR)).astype(np.uint8))[1]
    joined = dark & np.isin(blobs, np.unique(blobs[(labels == HAIR) & (ys < brow_y)]))
    labels[joined] = HAIR
    weight[joined] = 0.7
    weight[forehead & ~joined & (share > 0.4)] = 0
    side = (labels == SKIN) & oval & (ys >= brow_y) & ~grown(brows, 3) & ~grown(eyes, 6) & (share > 0.6)
    side &= ~beard_zone(face, 0.0)
    weight[side] = 0
    return labels, weight


def beard_zone(face, below):
    p, span = face.points, face.span
    lower = p[[132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361]].copy()
    lower[1:-1, 1] += below * span
    top = p[[411, 425, 327, 2, 98, 205, 187]]
    zone = regions.outline(np.concatenate([lower, top]), SIDE)
    return zone & ~grown(polygon(p, regions.LIPS, SIDE), 1) & ~polygon(p, regions.NOSE, SIDE)


def beard(face, labels, weight, oval):
    lab = cv2.GaussianBlur(face.lab(), (0, 0), 1.2)
    cheek = cheek_colour(face)
    zone = beard_zone(face, 0.12)
    ratio = lab[..., 0] / max(cheek[0], 1)
    threshold = np.clip(otsu(ratio[zone]), 0.5, 0.78)
    dark = zone & (ratio < threshold) & np.isin(labels, (SKIN, HAIR, NECK))
    dark = grown(grown(dark, -1), 1)
    dark = grown(grown(dark, 7), -7) & zone & np.isin(labels, (SKIN, HAIR, NECK))
    labels = labels.copy()
    labels[zone & np.isin(labels, (HAIR,)) & oval] = SKIN
    labels[dark] = HAIR
    near = zone & (np.abs(ratio - threshold) < 0.08)
    weight[near] = 0
    weight[zone & ~oval & ~dark] = 0
    return labels, weight


def otsu(values):
    level, _ = cv2.threshold((np.clip(values, 0, 1.2) * 200).astype(np.uint8)[None], 0, 255, cv2.THRESH_OTSU)
    return level / 200


def doubtful_beard(face, labels, weight, oval):
    lab = cv2.GaussianBlur(face.lab(), (0, 0), 1.2)
    ratio = lab[..., 0] / max(cheek_colour(face)[0], 1)
    zone = beard_zone(face, 0.0) & oval
    dark = zone & (ratio < 0.6)
    if dark.sum() > 0.2 * zone.sum():
        weight[grown(dark, 2)] = 0
    weight[zone & (labels == HAIR)] = 0
    return weight


LETTERS: Final = dict(zip("bshrigolmenc", range(12), strict=True))


def corrected(labels, weight, drawn, exact):
    for what, flat, *more in drawn:
        over, wide = [*more, "", 0][:2] if len(more) < 2 else more
        corners = np.array(flat, np.float32).reshape(-1, 2) * (SIDE / 512)
        area = regions.stroke(corners, wide * SIDE / 512, SIDE) if wide else regions.outline(corners, SIDE)
        if over:
            area &= np.isin(labels, [LETTERS[letter] for letter in over])
        if what == "?":
            weight[area] = 0
            continue
        labels[area] = LABELS.index(what)
        weight[area] = 1
        if exact:
            continue
        if what == "clothes" and not over:
            weight[grown(area, 5) & (labels == HAIR)] = 0
        weight[grown(area, 1) & ~grown(area, -1)] = 0
    return labels, weight


def glasses(face, labels, weight):
    found, doubt, score = rims.frame(face.picture, face.points * 2, face.span * 2)
    share = found.reshape(SIDE, 2, SIDE, 2).mean((1, 3))
    unsure = doubt.reshape(SIDE, 2, SIDE, 2).any((1, 3))
    labels = labels.copy()
    inner = np.isin(labels, (EYES, BROWS))
    labels[share >= 0.5] = GLASSES
    weight = weight.copy()
    weight[unsure & ~inner] = 0
    weight[(share > 0) & (share < 0.5) & ~inner] *= 0.3
    if score < 0.65:
        weight[labels == GLASSES] *= 0.5
    return labels, weight


def read_marks():
    table = json.loads(PICTURES.read_text())
    return table


def marks_of(name: str, table) -> frozenset:
    stem = name.rsplit(".", 1)[0]
    if not stem.isdigit():
        face = stem.split("_")[0]
        return frozenset(k for k, v in table.get("pairs", {}).items() if int(face) in v)
    return frozenset(k for k, v in table.items() if isinstance(v, list) and int(stem) in v)


def read_faces(data: Path, group: str):
    table = read_marks()
    drawn = json.loads(PICTURES.with_name("corrections.json").read_text())
    with (data / "attribute_means.csv").open() as f:
        ratings = {r["stimulus"]: float(r["long-haired"]) for r in csv.DictReader(f)}
    with np.load(data / f"{group}_parts256.npz") as f:
        names, parts, hair = f["names"], f["parts"], f["hair"]
    with np.load(data / f"{group}_landmarks478.npz") as f:
        points = dict(zip(f["names"].tolist(), f["points"], strict=True))
    with np.load(data / f"{group}_person128.npz") as f:
        person = dict(zip(f["names"].tolist(), f["alpha"], strict=True))
    for i, name in enumerate(names.tolist()):
        bgr = cv2.imread(str(data / group / name))
        rgb = np.ascontiguousarray(bgr[..., ::-1])
        big = cv2.resize(rgb, (2 * SIDE, 2 * SIDE), interpolation=cv2.INTER_CUBIC) if len(rgb) != 2 * SIDE else rgb
        small = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        up = lambda a: cv2.resize(a.astype(np.float32) / 255, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        stem = name.rsplit(".", 1)[0]
        marks = marks_of(name, table)
        if ratings.get(stem, 99) < 25:
            marks |= {"short"}
        yield name, Face(big, small, points[name][:, :2] * SIDE, parts[i], up(hair[i]), up(person[name]), marks, drawn.get(stem, []))
