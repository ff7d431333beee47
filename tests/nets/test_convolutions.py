"""The published convolution stacks fold and unfold pictures as their papers' code does."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robot_mbrl.nets.convolutions import (
    DenseFold,
    PooledEncoder,
    StateFold,
    StridedEncoder,
    TransposedDecoder,
    UpsamplingDecoder,
)
from robot_mbrl.nets.latent_kinds import CategoricalLatent
from robot_mbrl.nets.styles import KERAS, LAYER_NORM, RMS_NORM

LATENT = CategoricalLatent(3, 4, 0.01)
STATE = torch.randn(2, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([[0, 1, 2], [3, 0, 1]])


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def _in_use(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))


def test_strides_fold_64_pixels_into_2() -> None:
    encoder = StridedEncoder(64, 3, 4, KERAS)
    picture = torch.randn(2, 64, 64, 3)
    features = encoder(picture)
    assert features.shape == (2, encoder.size) == (2, 32 * 4)
    x = picture.permute(0, 3, 1, 2)
    for layer in encoder.layers:
        if isinstance(layer, nn.Conv2d):
            x = F.relu(F.conv2d(x, layer.weight, layer.bias, stride=2))
    torch.testing.assert_close(features, x.flatten(1))


def test_a_transposed_convolution_of_one_pixel_is_a_matrix_product() -> None:
    fold = StateFold(8, LATENT, 6, LAYER_NORM)
    _in_use(fold)
    whole = torch.cat([STATE[0], LATENT.flat(STATE[1], None)], -1).view(2, -1, 1, 1)
    kernel = fold.kernel.weight.view(-1, 6, 5, 5)
    expected = F.conv_transpose2d(whole, kernel, fold.bias, stride=2)
    torch.testing.assert_close(fold(*STATE), expected)
    limit = (3.0 / (25 * (8 + 12 + 6) / 2)) ** 0.5
    fresh = StateFold(8, LATENT, 6, LAYER_NORM).kernel.weight.detach()
    assert float(fresh.abs().max()) == pytest.approx(limit, rel=0.02)


@pytest.mark.parametrize(
    ("fold", "style", "output"),
    [
        (DenseFold(8, LATENT, 32, 8, KERAS), KERAS, nn.Identity()),
        (StateFold(8, LATENT, 8, LAYER_NORM), LAYER_NORM, nn.Sigmoid()),
    ],
    ids=["dreamer v1", "daydreamer"],
)
def test_kernels_of_5_5_6_6_unfold_a_state_into_64_pixels(fold: nn.Module, style, output: nn.Module) -> None:
    decoder = TransposedDecoder(fold, 64, 4, 2, style, output)
    assert fold(*STATE).shape == (2, 8, 5, 5)
    assert decoder(*STATE).shape == (2, 64, 64, 4)
    kernels = [layer.kernel_size for layer in decoder.layers if isinstance(layer, nn.ConvTranspose2d)]
    assert kernels == [(5, 5), (6, 6), (6, 6)]


def test_pooling_comes_before_the_norm() -> None:
    encoder = PooledEncoder(32, 3, 2, RMS_NORM)
    picture = torch.randn(2, 32, 32, 3)
    x = picture.permute(0, 3, 1, 2)
    for stage, multiple in enumerate((2, 3, 4, 4)):
        convolution, _, after = encoder.layers[3 * stage : 3 * stage + 3]
        assert convolution.weight.shape[:1] == (2 * multiple,)
        x = F.max_pool2d(F.conv2d(x, convolution.weight, convolution.bias, padding=2), 2)
        normed = x / (x.square().mean(1, keepdim=True) + 1e-4).sqrt()
        assert after.inner[0].weight.eq(1).all()
        x = F.silu(normed)
    assert encoder.size == 2 * 4 * 2 * 2
    torch.testing.assert_close(encoder(picture), x.flatten(1))


def test_upsampling_adds_what_deters_blocks_and_the_latent_make_of_the_innermost_maps() -> None:
    blocks, depth, units = 2, 2, 5
    decoder = UpsamplingDecoder(8, LATENT, 32, 3, depth, units, blocks, RMS_NORM)
    _in_use(decoder)
    deter, latent = STATE
    inner = 4 * depth
    share = inner // blocks
    maps = []
    for block in range(blocks):
        out = deter[:, 4 * block : 4 * block + 4] @ decoder.of_deter.weight[block] + decoder.of_deter.bias[block]
        maps.append(out.view(2, 2, 2, share))  # pixels first, then the block's channels
    of_deter = torch.cat(maps, -1)
    hidden = decoder.latent_hidden[0](LATENT.flat(latent, None) @ decoder.of_latent.weight + decoder.of_latent.bias)
    of_latent = decoder.latent_hidden[1](hidden).view(2, 2, 2, inner)
    x = decoder.layers[0]((of_deter + of_latent).permute(0, 3, 1, 2))
    for _, convolution, after in zip(*[iter(decoder.layers[1:])] * 3, strict=True):
        x = x.repeat_interleave(2, -1).repeat_interleave(2, -2)
        x = after(F.conv2d(x, convolution.weight, convolution.bias, padding=2))
    picture = decoder(deter, latent)
    assert picture.shape == (2, 32, 32, 3)
    assert ((picture > 0) & (picture < 1)).all()
    torch.testing.assert_close(picture, x.permute(0, 2, 3, 1))


def test_sides_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="64x64, not 32x32"):
        StridedEncoder(32, 3, 4, KERAS)
    with pytest.raises(ValueError, match="multiple of 16, not 40x40"):
        PooledEncoder(40, 3, 4, RMS_NORM)
