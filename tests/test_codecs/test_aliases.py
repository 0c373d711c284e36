import pytest

from mmdet_centernet import codecs


def test_the_former_module_of_mean_logit():
    from mmdet_centernet.functional import flip, mirror

    with pytest.warns(DeprecationWarning, match=r'is now mmdet_centernet\..*flip'):
        assert mirror.mean_logit is flip.mean_logit
    assert not hasattr(mirror, 'anything')


@pytest.mark.parametrize(('former', 'name'), codecs.FORMER_NAMES.items())
def test_former_names(former, name):
    with pytest.warns(DeprecationWarning, match=f'{former} is now {name}'):
        assert getattr(codecs, former) is getattr(codecs, name)
    assert name in codecs.__all__


def test_unknown_names():
    assert not hasattr(codecs, 'anything')
