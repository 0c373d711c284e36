"""What are the classes, and does each of them have one name and one category?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from mmdet_centernet.new_config.split import Split


def drop_doubles(splits: Mapping[str, Split]) -> dict[str, Split]:
    """Leave out categories without boxes whose name another one has, too.

    Args:
        splits: Those with a ``source`` stay as they are: that file is not written here.
    """
    used = boxes_of(splits.values())
    return {
        name: split if split.source else _without_doubles(split, used)
        for name, split in splits.items()
    }


def _without_doubles(split: Split, used: Counter) -> Split:
    kept = [
        one
        for same in _by_name(split).values()
        for one in ([c for c in same if used[c['id']]] or same[:1])
    ]
    order = [c for c in split.content['categories'] if c in kept]
    return Split({**split.content, 'categories': order}, split.folder)


def boxes_of(splits: Iterable[Split]) -> Counter:
    """Category id to the number of its boxes."""
    return Counter(
        note['category_id'] for split in splits for note in split.content['annotations']
    )


def _by_name(split: Split) -> dict[str, list[dict]]:
    found = defaultdict(list)
    for category in split.content['categories']:
        found[category['name']].append(category)
    return found


def double_names(split: Split) -> list[str]:
    """Names that two categories have, in sentences that say what to do."""
    counts = boxes_of([split])
    return [
        f'the categories {_described(same, counts)} are all called {name!r}: give all '
        'their boxes one category_id, and take the other categories away'
        for name, same in _by_name(split).items()
        if len(same) > 1
    ]


def _described(categories: Iterable[dict], counts: Counter) -> str:
    return ' and '.join(
        f'id {category["id"]} ({counts[category["id"]]} boxes)'
        for category in categories
    )


def check_equal(splits: Mapping[str, Split]) -> None:
    """Compare the categories of all splits.

    Raises:
        ValueError: If they are not the same, in the same order.
    """
    known = {name: _ids_and_names(split) for name, split in splits.items()}
    others = [name for name in known if known[name] != known['train']]
    if others:
        name = others[0]
        raise ValueError(
            f'train and {name} have different categories (id and name): '
            f'{_differing(known["train"], known[name])}. Write the same list of '
            'categories into all files, and number the boxes by it'
        )


def _ids_and_names(split: Split) -> list[tuple[int, str]]:
    return [(one['id'], one['name']) for one in split.content['categories']]


def _differing(one: list[tuple[int, str]], other: list[tuple[int, str]]) -> str:
    if sorted(one) == sorted(other):
        return f'the order is {one} in one, {other} in the other'
    return (
        f'{sorted(set(one) - set(other))} only in one, '
        f'{sorted(set(other) - set(one))} only in the other'
    )


def used_classes(splits: Mapping[str, Split]) -> list[str]:
    """The categories that have boxes, in the order of the files.

    mmdet numbers classes in that order, whatever the order in ``metainfo`` is. Those
    without a box in any split, such as Roboflow's name of the project, are left out.
    """
    used = boxes_of(splits.values())
    return [
        one['name'] for one in splits['train'].content['categories'] if used[one['id']]
    ]
