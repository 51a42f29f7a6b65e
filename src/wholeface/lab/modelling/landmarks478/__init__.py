"""Where MediaPipe's 478 points lie on the mesh, and how their detector errs."""
