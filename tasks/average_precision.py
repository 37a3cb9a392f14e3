"""Average precision (AP) of images that count with weights: of ranked answers, and COCO's of detected objects.

Detections are matched to objects once an image, by COCO's rule; what the images add is then summed anew for each row of
weights. An image of weight w counts as w images do.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tasks.base import mean_over_classes

# what is summed at once, in numbers of 8 bytes
_AT_ONCE = 2_000_000
# as pycocotools has it: an overlap of 1 that was rounded down is one of 1
_WHOLE = 1 - 1e-10

# objects or detections of one class in one image, in the order in which they were given
_Groups = Mapping[tuple[int, int], list[dict[str, Any]]]


def ranked_precision(scores: np.ndarray, right: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AP (R,) of images (N,) ranked by their scores, under each row of weights (R, N); nan where none is right.

    The sum over the distinct scores of precision times what recall grows by, as scikit-learn has it.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    precision = np.empty(len(weights))
    for rows in _parts(len(weights), len(order)):
        ranked = weights[rows][:, order]
        shown, hits = np.cumsum(ranked, axis=1)[:, ends], np.cumsum(ranked * right[order], axis=1)[:, ends]
        share = np.divide(hits, shown, out=np.zeros_like(hits), where=shown > 0)
        area = (share * np.diff(hits, axis=1, prepend=0)).sum(axis=1)
        precision[rows] = np.divide(area, hits[:, -1], out=np.full_like(area, np.nan), where=hits[:, -1] > 0)
    return precision


def coco_precision(
    kind: Literal["bbox", "segm", "keypoints"],
    objects: Sequence[dict[str, Any]],
    detections: Sequence[dict[str, Any]],
    weights: np.ndarray,
    *,
    size: tuple[int, int] = (0, 0),
    sigmas: np.ndarray | None = None,
) -> np.ndarray:
    """COCO's AP (R,), the mean over its ten overlaps and the classes that are there; nan where none is.

    Args:
        kind: what is compared: boxes, masks or keypoints.
        objects: COCO annotations; those with `iscrowd` or with `num_keypoints` of 0 count neither for nor against, and
            nor does a detection that finds one of them and no other. A crowd is overlapped by the share of the
            detection that lies in it, and found by any number of them.
        detections: COCO results, each at one of the N images, whose numbers run from 0. Of each class the best 100 of
            an image are looked at, of keypoints the best 20.
        weights: of the images, (R, N).
        size: height and width of the images in px, for masks alone.
        sigmas: of the keypoints, (K,), for keypoints alone.
    """
    classes = sorted({each["category_id"] for each in objects})
    compared = _Compared(kind, size, objects, detections, classes, weights.shape[1], sigmas)
    found = [compared.of_class(each) for each in classes]
    if not found:
        return np.full(len(weights), np.nan)
    there = np.stack([weights @ each.objects > 0 for each in found], axis=1)
    return mean_over_classes(np.stack([_area(each, weights, compared.recalls) for each in found], axis=1), there)


@dataclass(frozen=True, eq=False)
class _Found:
    """The D detections of one class, best first, at T least overlaps.

    image: of each, (D,). right: whether it finds an object, bool (T, D); aside: whether it finds one that does not
    count, and so does not count itself. objects: how many that count each image has, (N,).
    """

    image: np.ndarray
    right: np.ndarray
    aside: np.ndarray
    objects: np.ndarray


class _Compared:
    """Detections beside objects, with their overlaps as COCO's evaluation computes them."""

    def __init__(
        self,
        kind: str,
        size: tuple[int, int],
        objects: Sequence[dict[str, Any]],
        detections: Sequence[dict[str, Any]],
        classes: Sequence[int],
        images: int,
        sigmas: np.ndarray | None,
    ) -> None:
        from faster_coco_eval import COCO, COCOeval_faster

        known = COCO(
            {
                "images": [{"id": image, "height": size[0], "width": size[1]} for image in range(images)],
                "annotations": [{"id": number, "iscrowd": 0, **each} for number, each in enumerate(objects, start=1)],
                "categories": [{"id": each} for each in classes],
            }
        )
        evaluation = COCOeval_faster(known, known.loadRes(list(detections)), kind, kpt_oks_sigmas=sigmas)
        self.overlaps: dict[tuple[int, int], np.ndarray] = {}
        if classes and detections:
            evaluation.evaluate()
            self.overlaps = evaluation.ious
        self.least, self.recalls = evaluation.params.iouThrs, evaluation.params.recThrs
        self.most, self.images = evaluation.params.maxDets[-1], images
        self.objects, self.detections = _grouped(objects), _grouped(detections)

    def of_class(self, name: int) -> _Found:
        """The detections of one class, matched image by image."""
        counted = [sum(map(_counts, self.objects.get((image, name), ()))) for image in range(self.images)]
        shown = [image for image in range(self.images) if (image, name) in self.detections]
        nothing = np.zeros((len(self.least), 0), bool)
        of_images = [(np.zeros(0), nothing, nothing), *(self._of_image((image, name)) for image in shown)]
        scores, right, aside = zip(*of_images, strict=True)
        at = np.repeat(np.array(shown, dtype=np.intp), [len(each) for each in scores[1:]])
        # of equal scores the earlier image's goes first
        order = np.argsort(np.concatenate(scores), kind="stable")
        rights, asides = (np.concatenate(each, axis=1)[:, order] for each in (right, aside))
        return _Found(at[order], rights, asides, np.array(counted, dtype=np.float64))

    def _of_image(self, key: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The detections' scores below 0, best first, and what `_matched` says of them."""
        there = self.objects.get(key, ())
        counts, crowds = (np.array([say(each) for each in there], dtype=bool) for say in (_counts, _is_crowd))
        scores = np.sort([-each["score"] for each in self.detections.get(key, ())])[: self.most]
        overlaps = np.reshape(self.overlaps.get(key, ()), (len(scores), len(counts)))
        return scores, *_matched(overlaps, counts, crowds, self.least)


def _is_crowd(annotation: dict[str, Any]) -> bool:
    return bool(annotation.get("iscrowd", 0))


def _counts(annotation: dict[str, Any]) -> bool:
    return not _is_crowd(annotation) and bool(annotation.get("num_keypoints", 1) > 0)


def _grouped(given: Sequence[dict[str, Any]]) -> _Groups:
    groups: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for each in given:
        groups[each["image_id"], each["category_id"]].append(each)
    return groups


def _matched(
    overlaps: np.ndarray, counts: np.ndarray, crowds: np.ndarray, least: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which detections find an object that counts, and which one that does not, bool (T, D) each.

    COCO's rule, from overlaps (D, G) of detections, best first: each takes the object that it overlaps most, of those
    that nobody has taken and, as long as there are any, that count; of equals the last. A crowd is never used up.
    """
    detections, objects = overlaps.shape
    right, aside = np.zeros((2, len(least), detections), bool)
    if not overlaps.size:
        return right, aside
    free = np.ones((len(least), objects), bool)
    enough = np.minimum(least, _WHOLE)[:, None]
    for at in np.flatnonzero((overlaps >= enough.min()).any(axis=1)):
        first = np.lexsort((np.arange(objects), overlaps[at], counts))[::-1]
        fits = free[:, first] & (overlaps[at, first] >= enough)
        takes = np.flatnonzero(fits.any(axis=1))
        taken = first[fits[takes].argmax(axis=1)]
        free[takes, taken] = crowds[taken]
        right[takes, at], aside[takes, at] = counts[taken], ~counts[taken]
    return right, aside


def _area(found: _Found, weights: np.ndarray, recalls: np.ndarray) -> np.ndarray:
    """AP (R,) of one class: the best precision at each recall or beyond it, 0 where that is never reached."""
    area = np.zeros(len(weights))
    objects = np.maximum(weights @ found.objects, np.finfo(float).tiny)[:, None]
    for rows in _parts(len(weights), len(found.image)):
        ranked = weights[rows][:, found.image]
        shown = np.cumsum(ranked, axis=1)
        for right, aside in zip(found.right, found.aside, strict=True):
            # precision is best, and recall grows, where an object is found
            at, left_out = np.flatnonzero(right), np.flatnonzero(aside)
            hits = np.cumsum(ranked[:, at], axis=1)
            before = np.pad(np.cumsum(ranked[:, left_out], axis=1), ((0, 0), (1, 0)))
            counted = shown[:, at] - before[:, np.searchsorted(left_out, at)]
            precision = hits / (counted + np.spacing(1))
            best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            reached = np.searchsorted(recalls, hits / objects[rows], side="right")
            area[rows] += (best * np.diff(reached, axis=1, prepend=0)).sum(axis=1)
    return area / (len(found.right) * len(recalls))


def _parts(rows: int, columns: int) -> Iterator[slice]:
    """Rows of so many columns, a bounded number of them at a time."""
    step = max(1, _AT_ONCE // max(1, columns))
    return (slice(start, start + step) for start in range(0, rows, step))
