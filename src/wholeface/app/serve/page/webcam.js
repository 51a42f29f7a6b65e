// A photo from the camera.

import { byId, say } from "./dom.js";

/** Lets the button open the camera; `take` is given each photo. */
export function offerCamera(take) {
  const [dialog, video] = [byId("webcam"), byId("webcam-video")];
  const stop = () => {
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    video.srcObject = null;
  };
  dialog.addEventListener("close", stop);
  byId("webcam-close").addEventListener("click", () => dialog.close());
  byId("camera").addEventListener("click", async () => {
    say();
    if (!navigator.mediaDevices?.getUserMedia) {
      say("Browsers allow the camera only to pages on this machine (127.0.0.1) or behind https.");
      return;
    }
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1920 }, height: { ideal: 1080 }, facingMode: "user" } });
      dialog.showModal();
    } catch (error) {
      say(error.name === "NotAllowedError" ? "The camera was not allowed." : "No camera was found.");
    }
  });
  byId("webcam-take").addEventListener("click", () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    if (!canvas.width) return;
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((photo) => { dialog.close(); take(photo); }, "image/jpeg", 0.95);
  });
}
