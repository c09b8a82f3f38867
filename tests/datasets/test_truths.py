"""Data sets with known answers: what they promise against what independent computation finds."""

import numpy as np
import pytest

from bench.contracts.dataset import PARTS
from bench.errors import UsageError


def everything(split, what=""):
    return np.concatenate([getattr(split, part + what)[:] for part in PARTS])


def test_digits_are_scikit_learn_s(module):
    from sklearn.datasets import load_digits

    split = module("digits").load()
    assert [len(getattr(split, part)) for part in PARTS] == [1149, 288, 360]
    assert split.data_shape == (1, 8, 8) and split.label_names == tuple("0123456789")
    official = {image.tobytes(): target for image, target in zip(
        (load_digits().images / 16).astype(np.float32), load_digits().target, strict=True)}  # fmt: skip
    for part in PARTS:
        rows, labels = getattr(split, part), getattr(split, f"{part}_labels")
        assert [official[row.tobytes()] for row in rows[:, 0]] == labels.tolist()


@pytest.mark.parametrize("latent, weight", [(2, 0.108), (4, 0.080), (8, 0.054), (16, 0.029)])
def test_digits_give_the_published_kl_weights(module, latent, weight):
    """λ_auto is twice the mean of the training covariance's discarded eigenvalues; the split moves the third digit."""
    rows = module("digits").load().train.reshape(1149, 64)
    spectrum = np.sort(np.linalg.eigvalsh(np.cov(rows.T)))[::-1]
    assert 2 * spectrum[latent:].mean() == pytest.approx(weight, abs=1e-3)


def check_moments(rows, truth):
    """Mean and covariance within five standard errors (Wick's formula for Gaussian entries)."""
    n, covariance = len(rows), truth["covariance"]
    variance = np.diag(covariance)
    assert (np.abs(rows.mean(0)) < 5 * np.sqrt(variance / n)).all()
    error = np.sqrt((np.outer(variance, variance) + covariance**2) / n)
    assert (np.abs(np.cov(rows.T) - covariance) < 5 * error + 1e-9).all()
    np.testing.assert_allclose(np.linalg.eigvalsh(covariance)[::-1], truth["eigenvalues"], atol=1e-12)


@pytest.mark.parametrize("parameters", [{}, {"d": 5, "factors": 5, "noise": 0.1}, {"d": 3, "factors": 1, "noise": 2}])
def test_linear_gaussian_has_the_covariance_it_states(module, parameters):
    split = module("linear_gaussian").load(n=20_000, **parameters)
    check_moments(everything(split).astype(np.float64), split.truth)
    discarded = split.truth["eigenvalues"][len(split.factor_names) :]
    np.testing.assert_array_equal(discarded, split.truth["noise_variance"])


def test_linear_gaussian_rows_are_their_factors_and_noise(module):
    split = module("linear_gaussian").load(n=5000)
    rest = everything(split) - everything(split, "_factors") @ split.truth["loading"].T
    assert rest.var() == pytest.approx(split.truth["noise_variance"], rel=0.02)
    assert abs(np.corrcoef(rest[:, 0], everything(split, "_factors")[:, 0])[0, 1]) < 0.07
    np.testing.assert_allclose(everything(split, "_factors").std(0), 1, atol=0.05)


def test_linear_gaussian_without_noise_lies_in_a_plane(module):
    split = module("linear_gaussian").load(n=100, d=6, factors=2, noise=0)
    assert np.linalg.matrix_rank(everything(split), tol=1e-3) == 2


@pytest.mark.parametrize("d", [2, 5])
def test_ring_points_have_the_covariance_and_plane_they_state(module, d):
    split = module("ring").load(n=20_000, d=d)
    rows, truth = everything(split).astype(np.float64), split.truth
    check_moments(rows, truth)
    angle = everything(split, "_factors")[:, 0]
    ideal = np.stack([np.cos(angle), np.sin(angle)], 1) @ truth["plane"].T
    assert (rows - ideal).var() == pytest.approx(truth["noise_variance"], rel=0.03)
    np.testing.assert_allclose(np.linalg.norm(module("ring").load(n=100, d=d, noise=0).train, axis=1), 1, rtol=1e-6)


def centre(images):
    """Centre of mass, (N,) right and (N,) up of the middle, in pixels."""
    size = images.shape[-1]
    place = np.arange(size) + 0.5 - size / 2
    mass = images.sum((1, 2, 3))
    return (images.sum((1, 2)) @ place) / mass, -(images.sum((1, 3)) @ place) / mass


def turned_by(found, angle):
    """Differences of angles, in (-π, π]."""
    return (found - angle + np.pi) % (2 * np.pi) - np.pi


def test_ring_images_have_their_spot_where_the_angle_says(module):
    split = module("ring").load(kind="images", size=32, n=400)
    right, up = centre(everything(split))
    angle = everything(split, "_factors")[:, 0]
    assert np.abs(turned_by(np.arctan2(up, right), angle)).max() < 0.06
    np.testing.assert_allclose(np.hypot(right, up), split.truth["radius"], rtol=0.08)
    assert everything(split).max((1, 2, 3)).min() > 0.98  # the middle of every spot is white


def test_lines_point_where_the_angle_says(module):
    split = module("lines").load(n=600)
    images, angle = everything(split), everything(split, "_factors")[:, 0]
    right, up = centre(images)
    assert np.abs(turned_by(np.arctan2(up, right), angle)).max() < 0.06
    np.testing.assert_allclose(np.hypot(right, up), 7.5, atol=0.6)  # the middle of a line of 15 pixels
    np.testing.assert_allclose(images.sum((1, 2, 3)), 2 * 15 + np.pi, rtol=0.06)  # area with its round ends
    np.testing.assert_array_equal(everything(split, "_labels"), np.floor(angle / (2 * np.pi) * 10))
    assert angle.min() < 0.1 and angle.max() > 6.2


def test_lines_against_drawing_by_many_points(module):
    """The covered share of each pixel, counted on a fine grid."""
    angle, size, width, fine = np.array([0.3, 2.0, 4.4]), 16, 2.0, 20
    place = (np.arange(size * fine) + 0.5) / fine - size / 2
    drawn = module("lines").draw_lines(angle, size, width)[:, 0]
    for image, theta in zip(drawn, angle, strict=True):
        right, up = np.meshgrid(place, -place)
        along, across = right * np.cos(theta) + up * np.sin(theta), right * np.sin(theta) - up * np.cos(theta)
        inside = np.hypot(across, along - np.clip(along, 0, size / 2 - 1)) <= width / 2
        share = inside.reshape(size, fine, size, fine).mean((1, 3))
        assert np.abs(image - share).max() < 0.2 and np.abs(image - share).mean() < 0.01


@pytest.fixture(scope="module")
def sprites(module):
    return module("sprites").load(n=3000)


def test_no_two_sprites_are_alike(sprites):
    images, factors = everything(sprites), everything(sprites, "_factors")
    assert len({row.tobytes() for row in factors}) == len({row.tobytes() for row in images}) == 3000


def test_sprites_take_the_values_they_state(module):
    split = module("sprites").load(n=3 * 2 * 3 * 16, scales=2, orientations=3, positions=4, size=16)
    factors = everything(split, "_factors")
    for column, count in enumerate(split.truth["factor_sizes"]):
        values, seen = np.unique(factors[:, column], return_counts=True)
        assert len(values) == count and len(set(seen)) == 1  # the whole grid, each value equally often
    np.testing.assert_allclose(np.unique(factors[:, 1]), [0.5, 1])
    np.testing.assert_allclose(np.unique(factors[:, 2]), [0, np.pi / 6, np.pi / 3], rtol=1e-6)
    np.testing.assert_allclose(np.unique(factors[:, 3]), [0, 1 / 3, 2 / 3, 1], rtol=1e-6)


def test_sprites_are_where_and_as_large_as_their_factors_say(sprites):
    images, (shape, scale, _, x, y) = everything(sprites), everything(sprites, "_factors").T
    right, up = centre(images)
    half, margin = 0.17 * 32, 0.17 * np.sqrt(2)
    symmetric = shape < 2
    expected = (margin + (1 - 2 * margin) * np.stack([x, y]) - 0.5) * 32
    np.testing.assert_allclose(right[symmetric], expected[0][symmetric], atol=0.25)
    np.testing.assert_allclose(-up[symmetric], expected[1][symmetric], atol=0.25)
    area = images.sum((1, 2, 3)) / (half * scale) ** 2
    np.testing.assert_allclose(area[shape == 0].mean(), 4, rtol=0.02)
    np.testing.assert_allclose(area[shape == 1].mean(), np.pi * 0.6, rtol=0.02)


@pytest.mark.parametrize("shape", [0, 1, 2])
@pytest.mark.parametrize("turn", [0.0, np.pi / 4, 1.3])
def test_no_sprite_is_cut_off_at_the_border(module, shape, turn):
    places = [(x, y) for x in (0, 0.5, 1) for y in (0, 0.5, 1)]
    factors = np.array([(shape, 1, turn, x, y) for x, y in places], dtype=np.float32)
    area = module("sprites").draw_sprites(factors, 128).sum((1, 2, 3))
    np.testing.assert_allclose(area, area[4], rtol=0.02)


def test_sprites_turn_by_their_orientation(module):
    """A quarter of the principal axis's angle is read off an ellipse's second moments."""
    turn = np.array([0.0, 0.4, 0.8, 1.2])
    factors = np.stack([np.ones(4), np.ones(4), turn, np.full(4, 0.5), np.full(4, 0.5)], 1).astype(np.float32)
    images = module("sprites").draw_sprites(factors, 64)[:, 0]
    place = np.arange(64) + 0.5 - 32
    right, up = np.meshgrid(place, -place)
    moment = lambda a, b: (images * a * b).sum((1, 2))  # noqa: E731
    found = np.arctan2(2 * moment(right, up), moment(right, right) - moment(up, up)) / 2
    np.testing.assert_allclose(found, turn, atol=0.03)


@pytest.mark.parametrize(
    "name, parameters, message",
    [
        ("linear_gaussian", {"d": 3, "factors": 4}, "factors=4 is more than d=3"),
        ("linear_gaussian", {"noise": -1}, "noise=-1"),
        ("linear_gaussian", {"noise": float("nan")}, "noise=nan"),
        ("linear_gaussian", {"d": 0}, "d=0"),
        ("linear_gaussian", {"n": 2.0}, "n=2.0"),
        ("linear_gaussian", {"n": 3}, "leaves 1 for training"),
        ("ring", {"kind": "point"}, "did you mean points"),
        ("ring", {"d": 1}, "d=1"),
        ("ring", {"kind": "images", "size": 4}, "size=4"),
        ("lines", {"width": 0}, "width=0"),
        ("lines", {"width": 17}, "width=17"),
        ("sprites", {"n": 10**6}, "more than the 24576 combinations"),
        ("sprites", {"size": 8}, "size=8"),
        ("sprites", {"positions": 0}, "positions=0"),
        ("sprites", {"seed": -1}, "seed=-1"),
    ],
)
def test_senseless_parameters_are_refused(module, name, parameters, message):
    with pytest.raises(UsageError, match=message):
        module(name).load(**parameters)


@pytest.mark.parametrize(
    ("name", "parameters", "slack"),
    [("lines", {"n": 60, "size": 16}, 0.05), ("ring", {"n": 60, "kind": "images"}, 0.01), ("ring", {"n": 60}, 0.4)],
)
def test_the_true_manifold_passes_by_every_datum(module, name, parameters, slack):
    """As near as a step of the angle, and of the noise where there is some; data and manifold are no copies."""
    split = module(name).load(**parameters)
    points, rows = (x.reshape(len(x), -1) for x in (split.manifold, everything(split)))
    assert points.dtype == np.float32 and len(points) == 4000 and split.manifold.shape[1:] == split.data_shape
    nearest = np.sqrt(((rows[:, None] - points[None]) ** 2).sum(-1).min(1))
    assert nearest.max() < slack and nearest.max() > 0
    step = np.sqrt(((points - np.roll(points, 1, 0)) ** 2).sum(1))
    assert step.max() < 0.1 and step.max() < 20 * step.mean()  # it is closed, without a gap
