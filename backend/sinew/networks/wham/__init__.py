"""WHAM: motion in the world and contacts from keypoints, with the user's weights and SMPL."""
