"""The upsampling necks; their outputs are compared in test_networks_golden."""

import pytest
import torch
import torch.nn.functional as F
from mmcv.cnn import build_conv_layer
from mmcv.ops import ModulatedDeformConv2dPack as DCNv2
from mmdet.models.necks import CTResNetNeck
from torch import nn

from helpers.official_networks import our_network
from mmdet_centernet.models import DeconvNeck, DLAUp, TorchDCNv2
from mmdet_centernet.models.conv_blocks import bilinear_kernel, deconv, fill_bilinear

DCN = dict(type='DCNv2')
LEVELS = (64, 128, 256, 512)


def pyramid(channels=LEVELS, height=16, width=32):
    """Maps of a backbone, each half the size of the one before."""
    torch.manual_seed(0)
    return [
        torch.randn(2, c, height >> level, width >> level)
        for level, c in enumerate(channels)
    ]


@pytest.mark.parametrize('factor', [2, 4, 8])
def test_filled_deconvolution_interpolates_bilinearly(factor):
    layer = deconv(3, 3, factor=factor, groups=3)
    fill_bilinear(layer)
    feat = torch.rand(1, 3, 6, 7)
    ours = layer(feat)
    expected = F.interpolate(feat, scale_factor=factor, mode='bilinear')
    assert ours.shape == expected.shape
    # At the border a transposed convolution sees zeros, where interpolation stops.
    inner = (..., slice(factor, -factor), slice(factor, -factor))
    torch.testing.assert_close(ours[inner], expected[inner])


def test_bilinear_kernels_of_the_official_code():
    for size, profile in (
        (4, [0.25, 0.75, 0.75, 0.25]),
        (8, [0.125, 0.375, 0.625, 0.875, 0.875, 0.625, 0.375, 0.125]),
    ):
        expected = torch.tensor(profile)
        assert torch.equal(bilinear_kernel(size), torch.outer(expected, expected))


def test_dla_up_gives_the_finest_size():
    (feat,) = DLAUp()(pyramid())
    assert feat.shape == (2, 64, 16, 32)


@pytest.mark.parametrize('levels', [(8, 16), (8, 16, 32), (4, 8, 16, 32, 64)])
def test_dla_up_merges_any_number_of_maps(levels):
    neck = DLAUp(levels)
    (feat,) = neck(pyramid(levels))
    assert feat.shape == (2, levels[0], 16, 32)
    feat.square().sum().backward()
    assert all(parameter.grad is not None for parameter in neck.parameters())


def test_untrained_dcn_is_a_convolution_of_half_strength():
    # At first offsets are 0 and masks 1/2, so plain convolutions with half the weights
    # have to give the same result.
    deformed = DLAUp(conv_cfg=DCN).eval()
    plain = DLAUp().eval()
    weights = deformed.state_dict()
    for name, module in deformed.named_modules():
        if isinstance(module, DCNv2):
            weights[f'{name}.weight'] = module.weight / 2
    kept = {k: v for k, v in weights.items() if 'conv_offset' not in k}
    assert len(weights) - len(kept) == 2 * 16  # the official number of DCN layers
    plain.load_state_dict(kept)
    maps = pyramid()
    torch.testing.assert_close(plain(maps), deformed(maps), rtol=1e-4, atol=1e-5)


def test_maps_that_do_not_halve_are_refused():
    maps = pyramid()
    maps[2] = maps[2][..., :-1]
    with pytest.raises(ValueError, match='pad_size_divisor=32'):
        DLAUp()(maps)
    with pytest.raises(ValueError, match='two or more'):
        DLAUp([64])


def test_every_deconvolution_of_dla_up_starts_bilinear():
    neck = DLAUp(conv_cfg=DCN)
    neck.init_weights()
    layers = [m for m in neck.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert sorted(layer.kernel_size[0] for layer in layers) == [4] * 7 + [8]
    for layer in layers:
        assert layer.groups == layer.out_channels
        assert layer.weight.requires_grad
        expected = bilinear_kernel(layer.kernel_size[0])
        assert torch.equal(
            layer.weight[:, 0], expected.expand(len(layer.weight), -1, -1)
        )


def test_deconv_neck_starts_as_the_official_one():
    neck = our_network('resdcn_18').neck
    neck.init_weights()
    for i in (1, 3, 5):
        layer = neck.deconv_layers[i].conv
        bilinear = bilinear_kernel(4)
        assert torch.equal(
            layer.weight[:, 0], bilinear.expand(len(layer.weight), -1, -1)
        )
        # Of a dense layer the other outputs keep torch's own uniform start.
        bound = 1 / (layer.out_channels * 16) ** 0.5
        rest = layer.weight[:, 1:]
        assert rest.abs().max() <= bound
        assert rest.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)


def test_deformable_layers_start_as_the_official_ones():
    neck = our_network('resdcn_18').neck
    neck.init_weights()
    for i in (0, 2, 4):
        layer = neck.deconv_layers[i].conv
        bound = 1 / (layer.in_channels * 9) ** 0.5
        assert layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
        for zero in (layer.bias, layer.conv_offset.weight, layer.conv_offset.bias):
            assert not zero.any()


def test_neck_of_deconvolutions_alone_starts_small():
    neck = our_network('res_18').neck
    neck.init_weights()
    for stage in neck.deconv_layers:
        assert stage.conv.weight.std().item() == pytest.approx(0.001, rel=0.01)


@pytest.mark.parametrize('neck', [DLAUp, lambda **k: DeconvNeck(8, (8, 8), **k)])
def test_init_cfg_wins(neck):
    init_cfg = dict(type='Constant', val=3, layer='ConvTranspose2d')
    module = neck(init_cfg=init_cfg)
    module.init_weights()
    layers = [m for m in module.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert layers and all((layer.weight == 3).all() for layer in layers)


def test_deconv_neck_is_mmdets_with_biases():
    # With the weights of mmdet's neck, and zero for the biases it has not.
    stock = CTResNetNeck(16, (8, 4), (4, 4), use_dcn=True).eval()
    ours = DeconvNeck(16, (8, 4), conv_cfg=DCN, torch_dcn=False).eval()
    for parameter in stock.parameters():
        nn.init.normal_(parameter, std=0.3)
    missing, unexpected = ours.load_state_dict(stock.state_dict(), strict=False)
    assert unexpected == []
    assert missing == [f'deconv_layers.{i}.conv.bias' for i in (0, 2)]
    maps = [torch.randn(2, 16, 5, 7)]
    torch.testing.assert_close(ours(maps), stock(maps), rtol=0, atol=0)


@pytest.mark.parametrize('name', ['resdcn_101', 'resdcn_18'])
def test_stride_of_a_resnet_block_is_where_the_official_one_is(name):
    block = our_network(name).backbone.layer2[0]
    strides = [module.stride[0] for module in (block.conv1, block.conv2)]
    assert strides == ([1, 2] if name == 'resdcn_101' else [2, 1])


def dcn_necks(**settings):
    """Both upsampling necks, with the same random weights and moving offsets."""
    necks = [
        DeconvNeck(16, (8, 4), conv_cfg=DCN, **settings),
        DLAUp((4, 8, 16), conv_cfg=DCN, **settings),
    ]
    torch.manual_seed(0)
    for parameter in nn.ModuleList(necks).parameters():
        nn.init.normal_(parameter, std=0.2)
    return necks


def test_torchs_dcn_is_mmcvs_layer_with_the_same_weights():
    for ours, stock in zip(dcn_necks(), dcn_necks(torch_dcn=False), strict=True):
        kinds = {type(m) for m in ours.modules() if isinstance(m, DCNv2)}
        assert kinds == {TorchDCNv2}
        assert {type(m) for m in stock.modules() if isinstance(m, DCNv2)} == {DCNv2}
        stock.load_state_dict(ours.state_dict(), strict=True)
        maps = pyramid((4, 8, 16))
        torch.testing.assert_close(ours(maps), stock(maps), rtol=1e-4, atol=1e-4)


def test_torchs_dcn_leaves_other_devices_to_mmcv(monkeypatch):
    monkeypatch.setattr(DCNv2, 'forward', lambda self, x: 'of mmcv')
    layer = TorchDCNv2(3, 4, 3, padding=1)
    assert layer(torch.zeros(1, 3, 5, 5, device='meta')) == 'of mmcv'
    assert layer(torch.zeros(1, 3, 5, 5)).shape == (1, 4, 5, 5)


def test_a_config_may_ask_for_torchs_dcn_anywhere():
    layer = build_conv_layer(dict(type='TorchDCNv2'), 3, 4, 3, padding=1, bias=False)
    assert isinstance(layer, TorchDCNv2)
