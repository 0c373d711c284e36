"""How many objects are labelled with a property, and with what?

Legend: N objects, D numbers of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

FEW_NUMBERS = 4
"""Of properties with more, such as keypoints, the range says nothing."""


class PropertyCount(NamedTuple):
    """The values of one property over many images.

    Attributes:
        num_objects: Objects, N.
        num_labelled: Objects with at least one number.
        share: Share of the numbers that labelled objects have.
        least: (D,) smallest of each number, infinite where there is none.
        most: (D,) largest of each.
    """

    num_objects: int
    num_labelled: int
    share: float
    least: np.ndarray
    most: np.ndarray


def count_values(
    images: Sequence[Mapping[str, np.ndarray]],
) -> dict[str, PropertyCount]:
    """Count over images.

    Args:
        images: Values of the objects of each, (n, row_shape...), by name.

    Returns:
        Counts by name.
    """
    names = images[0] if images else ()
    return {name: _count([values[name] for values in images]) for name in names}


def _count(images: Sequence[np.ndarray]) -> PropertyCount:
    numbers = np.concatenate(images)
    numbers = numbers.reshape(len(numbers), int(np.prod(numbers.shape[1:], dtype=int)))
    known = ~np.isnan(numbers)
    labelled = known.any(axis=1)
    return PropertyCount(
        num_objects=len(numbers),
        num_labelled=int(labelled.sum()),
        share=float(known[labelled].mean()) if labelled.any() else 0.0,
        least=np.min(numbers, axis=0, where=known, initial=np.inf),
        most=np.max(numbers, axis=0, where=known, initial=-np.inf),
    )


def describe_values(counts: Mapping[str, PropertyCount]) -> str:
    """One line a property."""
    return '\n'.join(f'    {name}: {_describe(one)}' for name, one in counts.items())


def _describe(count: PropertyCount) -> str:
    text = f'{count.num_labelled:,} of {count.num_objects:,} objects are labelled'
    if not count.num_labelled:
        return text
    if len(count.least) > FEW_NUMBERS:
        return f'{text}, with {count.share:.1%} of {len(count.least)} numbers'
    ranges = [
        f'{least:.4g} to {most:.4g}'
        for least, most in zip(count.least, count.most, strict=True)
    ]
    return f'{text}, {", ".join(ranges)}'


def suspect_values(counts: Mapping[str, PropertyCount]) -> list[str]:
    """Warn of properties that nothing can be learned of."""
    return [
        f'no object that leaves the pipeline is labelled with {name}: it is not learned'
        for name, count in counts.items()
        if count.num_objects and not count.num_labelled
    ]
