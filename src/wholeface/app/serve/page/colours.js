// The materials behind each way of showing a head.

import { BufferAttribute, CanvasTexture, Color, MeshStandardMaterial, SRGBColorSpace } from "./vendor/three.js";
import { PROVENANCE } from "./words.js";

const CLAY = "#b3aaa0";
const CODES = ["none", "observed", "mirrored", "model", "generated", "example"];
const RAMP = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"].map((text) => new Color(text).convertLinearToSRGB());

/** Mode -> material of one primitive; modes that the file has nothing for are missing. */
export async function materialsOf(mesh, parser) {
  const photo = mesh.material;
  const clay = new MeshStandardMaterial({ color: CLAY, roughness: photo.roughness > 0.5 ? 0.75 : photo.roughness });
  const found = { texture: photo, clay };
  if (photo.normalMap) {
    found.relief = clay.clone();
    found.relief.normalMap = photo.normalMap;
    found.relief.normalScale.copy(photo.normalScale);
  } else {
    found.relief = clay; // teeth and eyes of a head whose skin has some
  }
  const variants = await variantsOf(mesh, parser);
  if (variants.provenance?.map) found.provenance = variants.provenance;
  else if (mesh.geometry.attributes._provenance) found.provenance = byVertex(mesh, "_provenance", (code) => new Color(PROVENANCE[CODES[code]]?.[0] ?? "#808080"));
  if (variants.confidence?.map) found.confidence = ramped(variants.confidence);
  else if (mesh.geometry.attributes._confidence) found.confidence = byVertex(mesh, "_confidence", (value) => rampColour(value).convertSRGBToLinear());
  for (const name of ["provenance", "confidence"]) {
    if (!found[name]) continue;
    found[name].roughness = 1;
    found[name].normalMap = null;
  }
  return found;
}

/** The materials of KHR_materials_variants by name. */
async function variantsOf(mesh, parser) {
  const names = parser.json.extensions?.KHR_materials_variants?.variants ?? [];
  const mappings = mesh.userData.gltfExtensions?.KHR_materials_variants?.mappings ?? [];
  const found = {};
  for (const { material, variants } of mappings) {
    for (const number of variants) {
      if (names[number].name === "photo") continue;
      found[names[number].name] = (await parser.getDependency("material", material)).clone();
    }
  }
  return found;
}

function rampColour(value) {
  const place = Math.min(Math.max(value, 0), 1) * (RAMP.length - 1);
  const low = Math.min(Math.floor(place), RAMP.length - 2);
  return RAMP[low].clone().lerp(RAMP[low + 1], place - low);
}

/** A material whose grey map is shown in the colours of the ramp. */
function ramped(material) {
  const image = material.map.image;
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  const table = Array.from({ length: 256 }, (_, grey) => rampColour(grey / 255).toArray().map((c) => Math.round(255 * c)));
  for (let i = 0; i < pixels.data.length; i += 4) pixels.data.set(table[pixels.data[i]], i);
  context.putImageData(pixels, 0, 0);
  const map = new CanvasTexture(canvas);
  map.flipY = material.map.flipY;
  map.colorSpace = SRGBColorSpace;
  material.map = map;
  return material;
}

/** A material that takes its colours from an attribute of the vertices. */
function byVertex(mesh, name, colourOf) {
  const values = mesh.geometry.attributes[name];
  const colours = new Float32Array(3 * values.count);
  for (let i = 0; i < values.count; i++) colourOf(values.getX(i)).toArray(colours, 3 * i);
  const material = new MeshStandardMaterial({ vertexColors: true });
  material.userData.colours = new BufferAttribute(colours, 3);
  return material;
}
