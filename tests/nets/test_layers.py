"""Layers compute what their definitions say."""

import pytest
import torch

from robot_mbrl.nets.images import ImageDecoder, ImageEncoder, normalise_pixels
from robot_mbrl.nets.layers import BlockGRU, BlockLinear
from robot_mbrl.specs import ImageSpec


def test_block_linear_is_a_block_diagonal_matrix() -> None:
    layer = BlockLinear(6, 12, 3)
    x = torch.randn(4, 6)
    matrix = torch.block_diag(*layer.weight)
    torch.testing.assert_close(layer(x).reshape(4, 12), x @ matrix)


def test_blocks_must_divide_the_sizes() -> None:
    with pytest.raises(ValueError, match="4 blocks do not divide 6"):
        BlockLinear(6, 12, 4)


@pytest.mark.parametrize("blocks", [1, 4])
def test_gru_equals_one_written_out_gate_by_gate(blocks: int) -> None:
    torch.manual_seed(0)
    gru, size = BlockGRU(5, 8, blocks), 8 // blocks
    x, deter = torch.randn(3, 5), torch.randn(3, 8)
    gates = []
    for gate in range(3):
        weights = [gru.recurrent.weight[block, :, gate * size : (gate + 1) * size] for block in range(blocks)]
        from_input = x @ gru.dense.weight[gate * 8 : (gate + 1) * 8].T
        gates.append(from_input + deter @ torch.block_diag(*weights))
    together = torch.cat(gates, -1)
    mean, variance = together.mean(-1, keepdim=True), together.var(-1, unbiased=False, keepdim=True)
    reset, candidate, update = ((together - mean) / (variance + gru.norm.eps).sqrt()).chunk(3, -1)
    kept = 1.0 - torch.sigmoid(update - 1.0)  # The bias towards keeping the state is the only one there is at first.
    expected = kept * deter + (1.0 - kept) * torch.tanh(torch.sigmoid(reset) * candidate)
    torch.testing.assert_close(gru(x, deter), expected)


def test_a_block_of_the_gru_sees_no_other_blocks_state_but_for_the_norm() -> None:
    gru = BlockGRU(5, 8, 4)
    gru.norm = torch.nn.Identity()  # type: ignore[assignment]
    x, deter = torch.randn(1, 5), torch.randn(1, 8)
    jacobian = torch.autograd.functional.jacobian(lambda d: gru(x, d).flatten(), deter).squeeze(1)
    block = torch.arange(8) // 2
    own = block[:, None] == block[None, :]
    assert (jacobian[~own] == 0).all()
    assert (jacobian[own] != 0).all()


@pytest.mark.parametrize(("encoding", "dtype"), [("rgb8", torch.uint8), ("16UC1", torch.uint16)])
def test_pictures_are_encoded_and_decoded_in_their_own_shape(encoding: str, dtype: torch.dtype) -> None:
    spec = ImageSpec.model_validate({"height": 32, "width": 32, "encoding": encoding})
    picture = normalise_pixels(torch.randint(0, 200, (2, *spec.shape)).to(dtype))
    encoder = ImageEncoder(spec, 4)
    features = encoder(picture)
    assert features.shape == (2, encoder.size)
    assert ImageDecoder(spec, 4, 10)(torch.randn(2, 10)).shape == picture.shape


def test_a_picture_that_strides_cannot_halve_is_refused() -> None:
    with pytest.raises(ValueError, match="must be square"):
        ImageEncoder(ImageSpec(height=48, width=64), 4)
