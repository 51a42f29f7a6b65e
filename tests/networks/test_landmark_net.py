"""The landmark network: bounded blocks, and a last layer that begins with how faces differ."""

from __future__ import annotations

import pytest
import torch

from wholeface.networks import LandmarkNet, LandmarkNetConfig
from wholeface.networks.blocks import InvertedResidual, SmallDepthwise


def test_a_chain_of_bottlenecks_cannot_grow_without_end() -> None:
    torch.manual_seed(0)
    chain = torch.nn.Sequential(*(InvertedResidual(8, 8, 24, 3) for _ in range(6))).eval()
    with torch.no_grad():
        for parameter in chain.parameters():
            parameter *= 4
        usual, huge = torch.rand(1, 8, 6, 6) * 0.1, torch.rand(1, 8, 6, 6) * 1e6
        assert float(chain(huge).abs().max()) <= 16.0
        first = chain[0]
        body, kept = first.body(usual), first(usual)
        assert float(body.abs().max()) < 15
        torch.testing.assert_close(kept, usual + body)  # usual values pass as they are


def test_the_last_layer_begins_with_mean_and_modes() -> None:
    net = LandmarkNet(LandmarkNetConfig(points=7, width=0.25, features=300, input_size=64))
    generator = torch.Generator().manual_seed(1)
    mean = torch.rand(7, 2, generator=generator) * 64
    modes = torch.randn(3, 14, generator=generator) * torch.tensor([[4.0], [2.0], [1.0]])
    faces = mean + (torch.randn(500, 3, generator=generator) @ modes).view(-1, 7, 2)
    net.set_shapes(faces, seed=5)
    with torch.no_grad():
        out = net.read(net.head(torch.zeros(1, 300)).view(1, 7, 5))
        torch.testing.assert_close(out.points[0], faces.mean(0), atol=1e-3, rtol=0)
        assert torch.allclose(out.log_sigma, torch.tensor(1.6))
        # Random features move the points in the directions of the faces alone, and about as far as faces differ.
        random = net.head(torch.randn(4000, 300, generator=generator)).view(-1, 7, 5)
        off = (net.read(random).points - out.points).flatten(1)
    directions = torch.linalg.svd(modes, full_matrices=False).Vh
    rest = off - off @ directions.T @ directions
    assert float(rest.norm() / off.norm()) < 0.02
    spread, wanted = off.std(0), (faces - faces.mean(0)).flatten(1).std(0)
    assert 0.8 < float((spread / wanted).mean()) < 1.2
    again = LandmarkNet(LandmarkNetConfig(points=7, width=0.25, features=300, input_size=64))
    again.set_shapes(faces, seed=5)
    again_rows = again.head.weight.view(7, 5, 300)[:, :2]
    torch.testing.assert_close(again_rows, net.head.weight.view(7, 5, 300)[:, :2])


@pytest.mark.parametrize(("kernel", "height", "width"), [(5, 4, 4), (3, 4, 4), (5, 2, 7), (5, 1, 1)])
def test_small_depthwise_trains_like_the_convolution(kernel: int, height: int, width: int) -> None:
    torch.manual_seed(0)
    quick = SmallDepthwise(6, 6, kernel, padding=kernel // 2, groups=6, bias=False)
    usual = torch.nn.Conv2d(6, 6, kernel, padding=kernel // 2, groups=6, bias=False)
    usual.load_state_dict(quick.state_dict())
    seen = torch.randn(3, 6, height, width, requires_grad=True)
    again = seen.detach().clone().requires_grad_()
    up = torch.randn(3, 6, height, width)
    one, other = quick.train()(seen), usual(again)
    torch.testing.assert_close(one, other)
    one.backward(up)
    other.backward(up)
    torch.testing.assert_close(seen.grad, again.grad)
    torch.testing.assert_close(quick.weight.grad, usual.weight.grad)
    assert torch.equal(quick.eval()(again), usual(again))


def small(**options: int) -> LandmarkNet:
    torch.manual_seed(3)
    return LandmarkNet(LandmarkNetConfig(width=0.25, features=16, input_size=64, **options)).eval()


def test_the_second_stage_begins_by_changing_nothing() -> None:
    net, image = small(points=90, looked_at=80, rounds=2), torch.rand(2, 3, 64, 64)
    first = small(points=90)
    first.load_state_dict({k: v for k, v in net.state_dict().items() if k in first.state_dict()})
    with torch.no_grad():
        assert torch.equal(net(image), first(image))
        net.correct.bias += 0.01  # each round corrects by as much
        torch.testing.assert_close(net(image), first(image) + 0.02)


def test_the_second_stage_reads_where_the_points_are() -> None:
    net = small(points=80, looked_at=75)
    # A map whose two first channels are the pixel's own place, over the input's edge from its middle.
    edge = (torch.arange(16) + 0.5) / 16 - 0.5
    fine = torch.stack([edge.expand(16, 16), edge[:, None].expand(16, 16)])[None]
    out = torch.zeros(1, 80, 5)
    out[..., :2] = torch.rand(1, 80, 2) * 0.8 - 0.4  # inside, where bilinear reading is exact
    read = net._at_points(fine, out.view(1, -1))
    chosen = [*range(68), *torch.linspace(68, 79, 7).round().long().tolist()]
    torch.testing.assert_close(read[0].T, out[0, chosen, :2], atol=1e-5, rtol=0)
    points = net.read(out).points
    assert float(points.min()) > 0
    assert points.shape == (1, 80, 2)


def test_a_refinement_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="rounds must be at least 1"):
        small(points=80, looked_at=75, rounds=0)


@pytest.mark.parametrize("count", [1, 3, 5, 80])
def test_the_person_comes_after_the_points(count: int) -> None:
    net = small(points=9, looked_at=6, identity=count)
    with torch.no_grad():
        net.identity[-1].bias.copy_(torch.arange(2.0 * count))
        raw = net(torch.rand(2, 3, 64, 64))
    assert raw.shape == (2, 9 + -(-2 * count // 5), 5)
    out = net.read(raw)
    assert out.points.shape == (2, 9, 2)
    torch.testing.assert_close(out.identity, torch.arange(float(count)).expand(2, -1))
    torch.testing.assert_close(out.identity_log_sigma, torch.arange(float(count), 2.0 * count).expand(2, -1))
    nobody = small(points=9)
    assert nobody.read(nobody(torch.rand(2, 3, 64, 64))).identity.shape == (2, 0)
