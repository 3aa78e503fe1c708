"""Pure mathematics that several stages share: rotations and projection. NumPy float64, vectorised over leading axes."""
