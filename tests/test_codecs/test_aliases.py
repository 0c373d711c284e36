import pytest


def test_the_former_module_of_mean_logit():
    from mmdet_centernet.functional import flip, mirror

    with pytest.warns(DeprecationWarning, match=r'is now mmdet_centernet\..*flip'):
        assert mirror.mean_logit is flip.mean_logit
