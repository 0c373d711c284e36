"""Reads an XML file of a VOC dataset and finds what mmdet cannot read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree

from mmdet.datasets import XMLDataset
from mmengine.fileio import get

from mmdet_centernet.data_report.images import upright_size
from mmdet_centernet.reason import reason

UNKNOWN = float('nan')
CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')
OTHER_SHAPES = ('polygon', 'robndbox')
"""Elements of annotation tools that mmdet ignores."""

KindAndText = tuple[str, str]
"""Kind and text of a problem, see ``findings.Problem``."""


class Object(NamedTuple):
    """An object of an XML file.

    Attributes:
        name: Class name.
        box: x1, y1, x2, y2 in whole pixels, counted from 1; NaN if missing.
        is_difficult: Whether it is ignored.
    """

    name: str
    box: tuple[float, ...]
    is_difficult: bool


class XmlFile(NamedTuple):
    """The contents of an XML file.

    Attributes:
        size: Width and height; NaN if neither the file nor the image gives it.
        objects: Objects in the order of the file.
        faults: Problems that make mmdet fail.
        warnings: Values that mmdet reads but that are wrong.
    """

    size: tuple[float, float]
    objects: tuple[Object, ...] = ()
    faults: tuple[KindAndText, ...] = ()
    warnings: tuple[KindAndText, ...] = ()

    @property
    def is_readable(self) -> bool:
        """Whether mmdet can read the file."""
        return not self.faults


def read_file(dataset: XMLDataset, name: str, image: str, xml: str) -> XmlFile:
    """Reads an XML file and lets mmdet parse it.

    Args:
        dataset: Lazy dataset; mmdet ignores boxes of other classes than its own.
        name: Image name in the image list.
        image: Path of the image.
        xml: Path of the file.
    """
    size = _image_size(image)
    try:
        root = ElementTree.fromstring(get(xml, backend_args=dataset.backend_args))  # noqa: S314, as in mmdet; expat limits entities and loads none
    except FileNotFoundError:
        return XmlFile(size, faults=(('missing', _missing(name)),))
    except Exception as error:  # of expat, of decoding, of the file system
        return XmlFile(size, faults=(('xml', f'is no XML: {reason(error)}'),))
    faults = tuple(_faults(root, dataset)) or tuple(_mmdet_fault(dataset, name, xml))
    objects = tuple(_object(node) for node in root.findall('object'))
    annotated = _annotated_size(root)
    if annotated is None:
        return XmlFile(size, objects, faults)
    if min(annotated) > 0:
        return XmlFile(annotated, objects, faults)
    return XmlFile(size, objects, faults, (('size', _empty_size(annotated, size)),))


def _faults(root: ElementTree.Element, dataset: XMLDataset) -> Iterator[KindAndText]:
    yield from _size_faults(root)
    for node in root.findall('object'):
        yield from _object_faults(node, dataset)


def _image_size(image: str) -> tuple[float, float]:
    try:
        return upright_size(image)
    except Exception:  # check_images reports it
        return UNKNOWN, UNKNOWN


def _missing(name: str) -> str:
    return f'is missing; the image list has {name!r} and needs names without suffix'


def _empty_size(annotated: tuple[int, int], size: tuple[float, float]) -> str:
    is_known = size == size  # NaN is not equal to itself
    correct = f' ({size[0]} x {size[1]})' if is_known else ''
    return (
        f'gives the image a size of {annotated[0]} x {annotated[1]} pixels, so '
        'filter_cfg.min_size removes it from training: write the true width and '
        f'height{correct}'
    )


def _size_faults(root: ElementTree.Element) -> Iterator[KindAndText]:
    """Checks the size element; without one, mmdet reads the image."""
    node = root.find('size')
    for side in () if node is None else ('width', 'height'):
        text = node.findtext(side)  # type: ignore[union-attr]
        if text is None:
            yield f'no {side}', f'has a size without {side}'
        elif not _is_integer(text):
            yield side, f'has the {side} {text!r}; it has to be a whole number'


def _annotated_size(root: ElementTree.Element) -> tuple[int, int] | None:
    texts = [root.findtext(f'size/{side}', '') for side in ('width', 'height')]
    if not all(map(_is_integer, texts)):
        return None
    width, height = map(int, texts)
    return width, height


def _object_faults(
    node: ElementTree.Element, dataset: XMLDataset
) -> Iterator[KindAndText]:
    """Checks an object; of other classes mmdet reads only the name."""
    name = node.findtext('name')
    if name is None:
        yield 'name', 'has an object without name'
    elif name in dataset.metainfo['classes']:
        difficult = node.findtext('difficult', '0')
        if not _is_integer(difficult):
            text = f'has a {name} with difficult {difficult!r}; it has to be 0 or 1'
            yield 'difficult', text
        yield from _box_faults(node, name)


def _box_faults(node: ElementTree.Element, name: str) -> Iterator[KindAndText]:
    box = node.find('bndbox')
    if box is None:
        others = [shape for shape in OTHER_SHAPES if node.find(shape) is not None]
        shape = f' but a {others[0]}' if others else ''
        yield 'box', f'has a {name} without bndbox{shape}: mmdet needs the bndbox'
        return
    for corner in CORNERS:
        text = box.findtext(corner)
        if text is None:
            yield corner, f'has a {name} whose bndbox has no {corner}'
        elif _whole_part(text) is None:
            yield corner, f'has a {name} with {corner} {text!r}; it has to be a number'


def _object(node: ElementTree.Element) -> Object:
    name, box = node.findtext('name', ''), node.find('bndbox')
    texts = ['' if box is None else box.findtext(corner, '') for corner in CORNERS]
    corners = [_whole_part(text) for text in texts]
    difficult = node.findtext('difficult', '0')
    return Object(
        name,
        tuple(UNKNOWN if corner is None else corner for corner in corners),
        _is_integer(difficult) and bool(int(difficult)),
    )


def _mmdet_fault(dataset: XMLDataset, name: str, xml: str) -> Iterator[KindAndText]:
    """Lets mmdet parse the file; check_images reports missing images."""
    file_name = f'{dataset.img_subdir}/{name}.jpg'
    info = dict(img_id=name, file_name=file_name, xml_path=xml)
    try:
        dataset.parse_data_info(info)
    except FileNotFoundError:
        return
    except Exception as error:
        yield 'mmdet', f'cannot be read by mmdet: {reason(error)}'


def _is_integer(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


def _whole_part(text: str) -> int | None:
    """Converts a coordinate as mmdet does; None if mmdet fails."""
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return None
