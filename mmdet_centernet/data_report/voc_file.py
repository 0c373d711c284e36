"""What does mmdet read of an xml file, and where does it stumble?"""

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

Text = tuple[str, str]
"""The kind of a fault, and what it is."""


class Object(NamedTuple):
    """What a file says about an object.

    Attributes:
        name: Its class.
        box: x1, y1, x2, y2 in whole pixels, counted from 1; NaN where mmdet does not
            look.
        is_difficult: Whether it is ignored.
    """

    name: str
    box: tuple[float, ...]
    is_difficult: bool


class XmlFile(NamedTuple):
    """What a file says about an image.

    Attributes:
        size: Width and height; NaN where neither the file nor the image says it.
        objects: In the order of the file.
        faults: Where mmdet stumbles.
        doubts: What it reads, but wrongly.
    """

    size: tuple[float, float]
    objects: tuple[Object, ...] = ()
    faults: tuple[Text, ...] = ()
    doubts: tuple[Text, ...] = ()

    @property
    def is_readable(self) -> bool:
        """Whether mmdet gets to its end."""
        return not self.faults


def read_file(dataset: XMLDataset, name: str, image: str, xml: str) -> XmlFile:
    """Read an xml file, and ask mmdet whether it could.

    Args:
        dataset: Knows the classes; mmdet does not look at boxes of others.
        name: The image in the list of images.
        image: Path of the image.
        xml: Path of the file.
    """
    size = _known_size(image)
    try:
        root = ElementTree.fromstring(get(xml, backend_args=dataset.backend_args))  # noqa: S314, as mmdet reads it: expat limits entities, and loads none
    except FileNotFoundError:
        return XmlFile(size, faults=(('missing', _missing(name)),))
    except Exception as error:  # expat's, of the encoding, of the file system
        return XmlFile(size, faults=(('xml', f'is no XML: {reason(error)}'),))
    faults = tuple(_faults(root, dataset)) or tuple(_stumbles(dataset, name, xml))
    objects = tuple(_object(node) for node in root.findall('object'))
    written = _written_size(root)
    if written is None:
        return XmlFile(size, objects, faults)
    if min(written) > 0:
        return XmlFile(written, objects, faults)
    return XmlFile(size, objects, faults, (('size', _no_size(written, size)),))


def _faults(root: ElementTree.Element, dataset: XMLDataset) -> Iterator[Text]:
    yield from _wrong_size(root)
    for node in root.findall('object'):
        yield from _wrong(node, dataset)


def _known_size(image: str) -> tuple[float, float]:
    try:
        return upright_size(image)
    except Exception:  # it is named where images are looked at
        return UNKNOWN, UNKNOWN


def _missing(name: str) -> str:
    return f'is missing; the list of images has {name!r}, a name without its suffix'


def _no_size(written: tuple[int, int], known: tuple[float, float]) -> str:
    # NaN is not equal to itself.
    right = f' ({known[0]} x {known[1]})' if known == known else ''
    return (
        f'gives the image {written[0]} x {written[1]} pixels. Settings such as '
        'filter_cfg.min_size leave it out of training: write the true width and '
        f'height{right}'
    )


def _wrong_size(root: ElementTree.Element) -> Iterator[Text]:
    """Where there is no size, mmdet looks at the image."""
    node = root.find('size')
    for side in () if node is None else ('width', 'height'):
        text = node.findtext(side)  # type: ignore[union-attr]
        if text is None:
            yield f'no {side}', f'has a size without {side}'
        elif not _is_whole(text):
            yield side, f'has the {side} {text!r}; it has to be a whole number'


def _written_size(root: ElementTree.Element) -> tuple[int, int] | None:
    texts = [root.findtext(f'size/{side}', '') for side in ('width', 'height')]
    if not all(map(_is_whole, texts)):
        return None
    width, height = map(int, texts)
    return width, height


def _wrong(node: ElementTree.Element, dataset: XMLDataset) -> Iterator[Text]:
    """What is wrong with an object; of other classes mmdet reads the name alone."""
    name = node.findtext('name')
    if name is None:
        yield 'name', 'has an object without name'
    elif name in dataset.metainfo['classes']:
        difficult = node.findtext('difficult', '0')
        if not _is_whole(difficult):
            text = f'has a {name} with difficult {difficult!r}; it has to be 0 or 1'
            yield 'difficult', text
        yield from _wrong_corners(node, name)


def _wrong_corners(node: ElementTree.Element, name: str) -> Iterator[Text]:
    box = node.find('bndbox')
    if box is None:
        others = [shape for shape in OTHER_SHAPES if node.find(shape) is not None]
        shape = f' but a {others[0]}' if others else ''
        yield 'box', f'has a {name} without bndbox{shape}: mmdet wants the bndbox'
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
        _is_whole(difficult) and bool(int(difficult)),
    )


def _stumbles(dataset: XMLDataset, name: str, xml: str) -> Iterator[Text]:
    """What else mmdet stumbles at; a missing image is named with the images."""
    file_name = f'{dataset.img_subdir}/{name}.jpg'
    info = dict(img_id=name, file_name=file_name, xml_path=xml)
    try:
        dataset.parse_data_info(info)
    except FileNotFoundError:
        return
    except Exception as error:
        yield 'mmdet', f'cannot be read by mmdet: {reason(error)}'


def _is_whole(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


def _whole_part(text: str) -> int | None:
    """What mmdet makes of a coordinate; None where it stumbles."""
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return None
