import cv2
import numpy as np
import pytest

from mmdet_centernet.files import write_bytes, write_image


def test_images_are_written_atomically(tmp_path, monkeypatch):
    path = tmp_path / 'new' / 'a.png'
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    write_image(path, image)
    np.testing.assert_array_equal(cv2.imread(str(path))[..., ::-1], image)
    monkeypatch.setattr('os.replace', lambda *names: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_bytes(path, b'other')
    assert [p.name for p in path.parent.iterdir()] == ['a.png']
    assert path.read_bytes()[:4] == b'\x89PNG'
