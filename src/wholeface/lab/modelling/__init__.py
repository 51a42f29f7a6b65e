"""How the shipped face model is learned: geometry, skin, and where the detector's points lie."""
