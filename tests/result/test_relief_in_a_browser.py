"""The normal map of a GLB in a renderer that is not ours: three.js, drawn by headless Chromium.

Needs ``chromium-headless-shell`` (or ``chromium``) and ``npm install --prefix ~/.cache/wholeface three``; another
folder in $WHOLEFACE_THREE.
"""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wholeface import Reconstruction
from wholeface.core.provenance import Provenance
from wholeface.export import write_glb
from wholeface.morphable import MorphableModel
from wholeface.stages import ReliefMap
from wholeface.stages.texture.uv.atlas import atlas_of

_TILE, _SIZE = 260, 512
_LIGHTS = {"left": (-1.0, 0.2, 0.5), "right": (1.0, 0.2, 0.5), "above": (0.0, 1.0, 0.5)}
_HEADS = ("smooth", "relief", "level", "dense")
_PAGE = """<!doctype html><body style="margin:0"><canvas id="c"></canvas>
<script type="importmap">{"imports": {"three": "/three/build/three.module.js", "three/": "/three/"}}</script>
<script type="module">
import * as THREE from 'three';
import {GLTFLoader} from 'three/examples/jsm/loaders/GLTFLoader.js';
const tile = TILE, heads = HEADS, lights = LIGHTS;
const canvas = document.getElementById('c');
const renderer = new THREE.WebGLRenderer({canvas, antialias: true, preserveDrawingBuffer: true});
renderer.setSize(tile * heads.length, tile * lights.length);
renderer.setScissorTest(true);
const camera = new THREE.PerspectiveCamera(20, 1, 0.05, 10);
camera.position.set(0, 0, 0.75);
const loaded = await Promise.all(heads.map(name => new GLTFLoader().loadAsync('/' + name + '.glb')));
for (let h = 0; h < heads.length; h++) {
  const head = loaded[h].scene;
  head.traverse(m => {
    if (m.isMesh) { m.material.map = null; m.material.color.set(0.6, 0.6, 0.6); m.material.roughness = 1; }
  });
  for (let l = 0; l < lights.length; l++) {
    const scene = new THREE.Scene(), light = new THREE.DirectionalLight(0xffffff, 3);
    light.position.set(...lights[l]);
    scene.add(head, light, new THREE.AmbientLight(0xffffff, 0.4));
    const where = [tile * h, tile * (lights.length - 1 - l), tile, tile];
    renderer.setViewport(...where);
    renderer.setScissor(...where);
    renderer.render(scene, camera);
  }
}
</script>"""


def _browser() -> str:
    found = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    return found or pytest.skip("needs headless Chromium, such as Debian's chromium-headless-shell")


def _three() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "wholeface"
    for folder in (os.environ.get("WHOLEFACE_THREE"), cache):
        if folder and (place := Path(folder) / "node_modules" / "three").is_dir():
            return place
    pytest.skip("needs three.js: npm install --prefix ~/.cache/wholeface three")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which this machine alone reaches it."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield tmp_path, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()


def _waves(model: MorphableModel) -> ReliefMap:
    """Grooves along, across and oblique on the front of the egg, on both of its halves."""
    atlas = atlas_of(model, _SIZE)
    points = (model.mean.numpy()[model.triangles.numpy()[atlas.triangle]] * atlas.barycentric[..., None]).sum(
        axis=1
    )
    x, y, z = points.T
    front = 1 / (1 + np.exp(-(z - 40) / 4))
    folds = front * np.select(
        [y > 30, y > -10], [0.4 * np.sin(x / 2.5), 0.4 * np.sin(y / 2.5)], 0.4 * np.sin((np.abs(x) + y) / 3)
    )
    displacement, provenance = np.zeros(_SIZE * _SIZE, np.float32), np.zeros(_SIZE * _SIZE, np.uint8)
    displacement[atlas.texel], provenance[atlas.texel] = folds, Provenance.OBSERVED
    shape = (_SIZE, _SIZE)
    return ReliefMap(displacement.reshape(shape), provenance.reshape(shape), np.ones(shape, np.float32))


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_groove_looks_like_a_groove(
    plain_head: Callable[..., Reconstruction],
    egg: Callable[[int, int], MorphableModel],
    served: tuple[Path, str],
    mirrored: bool,
) -> None:
    """Under light from the side the normal map changes the picture as the displaced geometry does.

    In both charts' directions, on both halves of the face, and where the texture is seen in a mirror.
    """
    browser, three = _browser(), _three()
    folder, address = served
    model = egg(40, 80)
    if mirrored:
        assert model.uv is not None
        model = replace(model, uv=model.uv * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0]))
    smooth = plain_head(model=model)
    parameters = replace(smooth.parameters, expression=torch.zeros(model.expression_size))
    head = replace(smooth, parameters=parameters, relief=_waves(model))
    assert head.relief is not None
    level = replace(head, relief=replace(head.relief, displacement=np.zeros_like(head.relief.displacement)))
    meshes = {
        "smooth": head.mesh(detail="none"),
        "relief": head.mesh(),
        # With the normals of their own triangles: the geometry alone speaks.
        "level": replace(level.mesh(detail="mesh"), normals=None),
        "dense": replace(head.mesh(detail="mesh"), normals=None),
    }
    for name, mesh in meshes.items():
        write_glb(folder / f"{name}.glb", replace(mesh, glossy=None))
    (folder / "three").symlink_to(three)
    page = _PAGE.replace("TILE", str(_TILE)).replace("HEADS", str(list(_HEADS)))
    page = page.replace("LIGHTS", str([list(light) for light in _LIGHTS.values()]))
    (folder / "page.html").write_text(page)
    window = f"--window-size={_TILE * len(_HEADS)},{_TILE * len(_LIGHTS)}"
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
    ]
    command += [
        window,
        "--virtual-time-budget=60000",
        "--hide-scrollbars",
        f"--user-data-dir={folder / 'profile'}",
    ]
    command += [f"--screenshot={folder / 'drawn.png'}", f"{address}/page.html"]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    drawn = np.asarray(Image.open(folder / "drawn.png").convert("L")).astype(float)
    for row, light in enumerate(_LIGHTS):
        tiles = drawn[row * _TILE : (row + 1) * _TILE].reshape(_TILE, len(_HEADS), _TILE).swapaxes(0, 1)
        assert np.ptp(tiles[0]) > 100, "nothing was drawn"
        shown, true = tiles[1] - tiles[0], tiles[3] - tiles[2]
        folds = np.abs(true) > 8
        assert folds.mean() > 0.02, light
        middle = _TILE // 2
        for half in (np.s_[:, :middle], np.s_[:, middle:]):
            if folds[half].mean() > 0.005:
                a, b = shown[half][folds[half]], true[half][folds[half]]
                assert np.corrcoef(a, b)[0, 1] > 0.8, light
                assert 0.7 < (a @ b) / (b @ b) < 1.3, light
