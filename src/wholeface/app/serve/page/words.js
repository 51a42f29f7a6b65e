// What things are called.

export const PROVENANCE = {
  observed: ["#3cb44b", "seen in the photo"],
  mirrored: ["#fac828", "mirrored from the other half"],
  generated: ["#4678e6", "made by the generator"],
  example: ["#a050c8", "taken from another face"],
  model: ["#dc3c3c", "from the face model"],
};

export const STAGES = {
  "reading the photo": "reading the photo",
  "finding faces": "looking for faces",
  "landmark fit": "fitting shape and pose",
  parse: "telling skin, hair and things apart",
  occluder: "finding what hides the face",
  "fit without hidden landmarks": "fitting again without the hidden points",
  refine: "adjusting shape and light to the colours",
  tone: "finding the tone of the skin",
  deocclude: "completing the hidden part",
  texture: "completing the texture",
  relief: "finding wrinkles and folds",
  "relief by shading": "finding wrinkles and folds",
  "shared identity": "fitting shape and pose",
  "writing the head": "writing the head",
};

export const FILES = {
  "face.glb": "Head with expressions (GLB)",
  "face.obj": "Mesh (OBJ)",
  "face.mtl": "Materials of the OBJ",
  "face.ply": "Mesh (PLY)",
  "face_texture.png": "Texture of the OBJ",
  "face_normals.png": "Normal map of the OBJ",
  "texture.png": "Texture",
  "provenance.png": "Provenance of the texture",
  "displacement.png": "Wrinkles and folds",
  "relief_provenance.png": "Provenance of wrinkles and folds",
  "deoccluded.png": "Photo without what hides the face",
  "occluder.png": "Mask of what hides the face",
  "face_region.png": "Mask of the face",
  "lens.png": "Mask of clear lenses",
  "preview.png": "Preview",
  "face.json": "Parameters and verdict (JSON)",
};

const GROUPS = [
  [/^brow/, "Brows"], [/^(eye|blink)/, "Eyes"], [/^(cheek|nose)/, "Cheeks and nose"], [/^jaw/, "Jaw"], [/^mouth/, "Mouth"], [/^tongue/, "Tongue"],
];

/** Where an expression belongs, what it is called there, and its side, if it has one. */
export function expressionWords(name) {
  const side = /(Left|_L)$/.test(name) ? "left" : /(Right|_R)$/.test(name) ? "right" : "";
  const directed = /^(mouth|jaw)(Left|Right)$/.test(name); // not one of a pair of sides, but where it goes
  const base = side && !directed ? name.replace(/(Left|Right|_L|_R)$/, "") : name;
  const [pattern, group] = GROUPS.find(([p]) => p.test(base)) ?? [/^/, "Expressions"];
  const rest = base.replace(pattern, "").replace(/_/g, " ").replace(/([a-z])([A-Z0-9])/g, "$1 $2").trim() || base;
  const part = group === "Cheeks and nose" ? `${base.match(/^[a-z]+/)[0]} ` : "";
  const label = `${part}${rest}`.toLowerCase();
  return { base, group, side: directed ? "" : side, label: label.charAt(0).toUpperCase() + label.slice(1) };
}

export const PRESETS = {
  Neutral: {},
  Smile: { mouthSmileLeft: 0.8, mouthSmileRight: 0.8, cheekSquintLeft: 0.4, cheekSquintRight: 0.4, eyeSquintLeft: 0.25, eyeSquintRight: 0.25 },
  Blink: { eyeBlinkLeft: 1, eyeBlinkRight: 1 },
  Jaw: { jawOpen: 0.75 },
  Brows: { browInnerUp: 0.8, browOuterUpLeft: 0.8, browOuterUpRight: 0.8 },
  Frown: { browDownLeft: 0.8, browDownRight: 0.8, mouthFrownLeft: 0.6, mouthFrownRight: 0.6 },
  Surprise: { jawOpen: 0.4, browInnerUp: 0.9, browOuterUpLeft: 0.9, browOuterUpRight: 0.9, eyeWideLeft: 0.8, eyeWideRight: 0.8 },
};
