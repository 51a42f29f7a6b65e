// The head's shape under an expression: offsets added, normals computed anew, on the CPU.
// glTF's morph targets here move points alone; with the normals of the resting face an open jaw would be lit wrongly.

import { BufferAttribute } from "./vendor/three.js";

export class Shape {
  /** @param meshes primitives of one head, which share their vertices */
  constructor(meshes) {
    const first = meshes[0].geometry;
    this.names = Object.keys(meshes[0].morphTargetDictionary ?? {});
    this.initial = [...(meshes[0].morphTargetInfluences ?? [])];
    this.weights = new Float32Array(this.names.length);
    const targets = (first.morphAttributes.position ?? []).map(sparse);
    this.targets = targets;
    if (!targets.length) return;
    this.base = Float32Array.from(first.attributes.position.array);
    this.triangles = meshes.map((mesh) => mesh.geometry.index.array);
    this.group = welded(this.base);
    this.sums = new Float32Array(3 * (1 + this.group.reduce((a, b) => Math.max(a, b), 0)));
    this.position = new BufferAttribute(Float32Array.from(this.base), 3);
    this.normal = new BufferAttribute(new Float32Array(this.base.length), 3);
    for (const mesh of meshes) {
      mesh.geometry.morphAttributes = {};
      mesh.morphTargetInfluences = undefined;
      mesh.morphTargetDictionary = undefined;
      mesh.geometry.setAttribute("position", this.position);
      mesh.geometry.setAttribute("normal", this.normal);
      mesh.frustumCulled = false;
    }
    this.set(this.initial);
  }

  /** Shows an expression. */
  set(weights) {
    if (!this.targets.length) return;
    const points = this.position.array;
    points.set(this.base);
    weights.forEach((weight, number) => {
      this.weights[number] = weight;
      if (!weight) return;
      const { rows, offsets } = this.targets[number];
      for (let i = 0; i < rows.length; i++) {
        for (let axis = 0; axis < 3; axis++) points[3 * rows[i] + axis] += weight * offsets[3 * i + axis];
      }
    });
    this.#computeNormals(points);
    this.position.needsUpdate = true;
    this.normal.needsUpdate = true;
  }

  /** Sum of the faces' normals, weighted by area, over all vertices at the same place: no edges along seams. */
  #computeNormals(points) {
    const { group, sums } = this;
    sums.fill(0);
    for (const index of this.triangles) {
      for (let i = 0; i < index.length; i += 3) {
        const [a, b, c] = [index[i], index[i + 1], index[i + 2]];
        const ux = points[3 * b] - points[3 * a], uy = points[3 * b + 1] - points[3 * a + 1], uz = points[3 * b + 2] - points[3 * a + 2];
        const vx = points[3 * c] - points[3 * a], vy = points[3 * c + 1] - points[3 * a + 1], vz = points[3 * c + 2] - points[3 * a + 2];
        const nx = uy * vz - uz * vy, ny = uz * vx - ux * vz, nz = ux * vy - uy * vx;
        for (const corner of [a, b, c]) {
          const place = 3 * group[corner];
          sums[place] += nx; sums[place + 1] += ny; sums[place + 2] += nz;
        }
      }
    }
    const normals = this.normal.array;
    for (let i = 0; i < group.length; i++) {
      const place = 3 * group[i];
      const length = Math.hypot(sums[place], sums[place + 1], sums[place + 2]) || 1;
      for (let axis = 0; axis < 3; axis++) normals[3 * i + axis] = sums[place + axis] / length;
    }
  }
}

function sparse(attribute) {
  const rows = [];
  for (let i = 0; i < attribute.count; i++) if (attribute.getX(i) || attribute.getY(i) || attribute.getZ(i)) rows.push(i);
  const offsets = new Float32Array(3 * rows.length);
  rows.forEach((row, i) => offsets.set([attribute.getX(row), attribute.getY(row), attribute.getZ(row)], 3 * i));
  return { rows: Uint32Array.from(rows), offsets };
}

/** For each vertex the number of its place; vertices that were split along seams share one. */
function welded(points) {
  const places = new Map();
  const group = new Uint32Array(points.length / 3);
  for (let i = 0; i < group.length; i++) {
    const key = `${points[3 * i]} ${points[3 * i + 1]} ${points[3 * i + 2]}`;
    if (!places.has(key)) places.set(key, places.size);
    group[i] = places.get(key);
  }
  return group;
}
