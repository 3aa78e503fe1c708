"""HSMR: pose and shape of the SKEL body from one picture, with the user's checkpoint."""
