import numpy as np

from wholeface.lab.data.occluders.hands.photos import cut_hand, hand_files


def photo(rng, background=(200, 200, 205), skin=(170, 120, 90)):
    """A disc (palm) on a bar (wrist) from below, before a wall with a vignette."""
    y, x = np.mgrid[:100, :100]
    truth = ((x - 50) ** 2 + (y - 50) ** 2 < 20**2) | ((np.abs(x - 50) < 12) & (y >= 50))
    wall = 1.0 - 0.15 * (((x - 50) / 50) ** 2 + ((y - 50) / 50) ** 2)
    image = np.where(truth[..., None], np.array(skin), np.array(background) * wall[..., None])
    return np.clip(image + rng.normal(0, 2, (100, 100, 3)), 0, 255).astype(np.uint8), truth


def test_a_hand_is_cut_out(rng):
    image, truth = photo(rng)
    cut = cut_hand(image)
    rgba = cut.cutout.levels[0]
    area = (rgba[..., 3] > 127).sum() / 4  # twice enlarged
    assert abs(area - truth.sum()) < 0.12 * truth.sum()
    assert 30 < cut.radius < 42
    assert abs(np.ptp(cut.wrist[:, 0]) - 46) < 7
    np.testing.assert_allclose(cut.mean, np.log((np.array([170, 120, 90]) / 255) ** 2.2 + 0.004), atol=0.1)
    # colours at the rim come from the hand, not from the wall
    rim = (rgba[..., 3] > 20) & (rgba[..., 3] < 235)
    assert rgba[rim][:, 2].mean() < 110


def test_photos_without_a_hand_from_below_are_dropped(rng):
    image, _ = photo(rng)
    assert cut_hand(image[::-1]) is None  # from above
    assert cut_hand(np.full((100, 100, 3), 200, np.uint8)) is None
    sideways = np.ascontiguousarray(image.transpose(1, 0, 2))
    assert cut_hand(sideways) is None


def test_subjects_are_held_out_as_a_whole(tmp_path):
    # 30 subjects; number less digit is the same for all photos of one, but for a retake
    for person in range(30):
        for digit in (0, 2, 5, 9):
            retake = 1 if digit == 9 else 0
            (tmp_path / f"{digit}_IMG_{1000 + 10 * person + digit + retake}.JPG").touch()
    (tmp_path / "LICENSE").touch()
    train, held_out = hand_files(tmp_path)
    assert len(train) == 27 * 4
    assert len(held_out) == 3 * 4
    subjects = [{(int(p.stem[6:]) - int(p.stem[0])) // 10 for p in part} for part in (train, held_out)]
    assert not subjects[0] & subjects[1]
    assert subjects[1] == {109, 119, 129}
