// The head in 3D.

import { Box3, DirectionalLight, GLTFLoader, HemisphereLight, OrbitControls, PerspectiveCamera, Scene, Vector3, WebGLRenderer } from "./vendor/three.js";
import { materialsOf } from "./colours.js";
import { make } from "./dom.js";
import { Shape } from "./shape.js";

const DISTANCE = 0.66; // m from the middle of the head
const DEGREES = Math.PI / 180;
const SIDES = { front: 0, left: 50, right: -50 };

export class HeadView {
  /** @param place an element to be filled
   *  @throws where the browser has no WebGL */
  constructor(place) {
    this.place = place;
    this.renderer = new WebGLRenderer({ antialias: true, alpha: true });
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    const canvas = this.renderer.domElement;
    for (const [name, value] of Object.entries({
      tabindex: 0, role: "application", "aria-roledescription": "3D view",
      "aria-label": "The head. Arrow keys turn it, plus and minus change its size.",
    })) canvas.setAttribute(name, value);
    this.waiting = make("p", { class: "waiting", role: "status" }, "Loading the head …");
    place.replaceChildren(canvas, this.waiting);
    this.scene = new Scene();
    this.camera = new PerspectiveCamera(28, 1, 0.01, 10);
    this.#light();
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enablePan = false;
    this.controls.minDistance = 0.25;
    this.controls.maxDistance = 2;
    this.controls.addEventListener("change", () => this.draw());
    canvas.addEventListener("keydown", (event) => this.#key(event));
    this.observer = new ResizeObserver(() => this.#resize());
    this.observer.observe(place);
    this.mode = "texture";
    this.wire = false;
    this.meshes = [];
    this.number = 0;
  }

  #light() {
    this.scene.add(new HemisphereLight("#ffffff", "#9a8f86", 1.5));
    for (const [x, y, z, strength] of [[0.6, 0.7, 1, 1.7], [-0.9, 0.2, 0.6, 0.5], [0.2, 0.6, -1, 0.7]]) {
      const light = new DirectionalLight("#ffffff", strength);
      light.position.set(x, y, z);
      this.camera.add(light); // turns with the viewer, so that no side stays dark
    }
    this.scene.add(this.camera);
  }

  /** Loads a GLB; the modes that it can be shown in. Resolves to null when another one was asked for meanwhile. */
  async load(url) {
    const number = ++this.number;
    this.waiting.hidden = false;
    const gltf = await new GLTFLoader().loadAsync(url);
    const meshes = [];
    gltf.scene.traverse((object) => { if (object.isMesh) meshes.push(object); });
    const bumpy = meshes.some((mesh) => mesh.material.normalMap);
    const looks = await Promise.all(meshes.map((mesh) => materialsOf(mesh, gltf.parser)));
    if (number !== this.number) return null;
    this.#clear();
    const shape = new Shape(meshes);
    gltf.scene.updateMatrixWorld(true);
    this.centre = new Box3().setFromObject(gltf.scene).getCenter(new Vector3());
    Object.assign(this, { root: gltf.scene, meshes, looks, shape });
    this.plain = meshes.map((mesh) => mesh.geometry.attributes.color);
    this.scene.add(gltf.scene);
    this.waiting.hidden = true;
    const modes = Object.keys(looks[0]).filter((mode) => looks.every((look) => look[mode]) && (mode !== "relief" || bumpy));
    if (!modes.includes(this.mode)) this.mode = "texture";
    this.#dress();
    this.turn("front");
    this.#resize();
    return modes;
  }

  #clear() {
    if (!this.root) return;
    this.scene.remove(this.root);
    for (const mesh of this.meshes) mesh.geometry.dispose();
    for (const look of this.looks) {
      for (const material of Object.values(look)) {
        for (const map of [material.map, material.normalMap]) map?.dispose();
        material.dispose();
      }
    }
  }

  /** texture, clay, relief, provenance or confidence. */
  show(mode) {
    this.mode = mode;
    this.#dress();
  }

  showWires(wire) {
    this.wire = wire;
    this.#dress();
  }

  #dress() {
    this.meshes.forEach((mesh, i) => {
      const material = this.looks[i][this.mode];
      const colours = material.userData.colours ?? this.plain[i];
      if (colours) mesh.geometry.setAttribute("color", colours);
      material.wireframe = this.wire;
      mesh.material = material;
    });
    this.draw();
  }

  /** Shows an expression. */
  express(weights) {
    this.shape.set(weights);
    this.draw();
  }

  /** Turns to a side, or, of a face of the server, to where the photo was taken from. */
  turn(side, face) {
    const from = side === "photo" && face ? cameraOf(face) : null;
    const angle = (SIDES[side] ?? 0) * DEGREES;
    const direction = from ? from.sub(this.centre).normalize() : new Vector3(Math.sin(angle), 0.02, Math.cos(angle));
    this.camera.position.copy(this.centre).addScaledVector(direction, DISTANCE);
    this.controls.target.copy(this.centre);
    this.controls.update();
    this.draw();
  }

  /** The image on the screen as a PNG. */
  image() {
    this.renderer.render(this.scene, this.camera);
    return this.renderer.domElement.toDataURL("image/png");
  }

  draw() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      this.renderer.render(this.scene, this.camera);
    });
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.place;
    if (!width || !height) return;
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.fov = width < height ? 28 * Math.min(height / width, 1.4) : 28;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  #key(event) {
    const step = 8 * DEGREES;
    const turns = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const scales = { "+": 0.9, "=": 0.9, "-": 1 / 0.9 };
    const offset = this.camera.position.clone().sub(this.controls.target);
    if (turns[event.key]) {
      const [azimuth, polar] = turns[event.key];
      const radius = offset.length();
      const theta = Math.atan2(offset.x, offset.z) + azimuth;
      const phi = Math.min(Math.max(Math.acos(offset.y / radius) + polar, 0.1), Math.PI - 0.1);
      offset.set(radius * Math.sin(phi) * Math.sin(theta), radius * Math.cos(phi), radius * Math.sin(phi) * Math.cos(theta));
    } else if (scales[event.key]) offset.multiplyScalar(scales[event.key]);
    else return;
    event.preventDefault();
    offset.clampLength(this.controls.minDistance, this.controls.maxDistance);
    this.camera.position.copy(this.controls.target).add(offset);
    this.controls.update();
    this.draw();
  }
}

/** Where the photo was taken from, in the head's own space, metres: −Rᵀ t of camera point = R · model point + t. */
function cameraOf({ rotation, translation }) {
  const axis = new Vector3(...rotation);
  const angle = axis.length();
  const point = new Vector3(...translation).multiplyScalar(-0.001);
  return angle > 1e-9 ? point.applyAxisAngle(axis.divideScalar(angle), -angle) : point;
}
