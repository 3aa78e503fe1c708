"""The contract between Sinew's two halves: skeleton, joint laws, take format, events and errors.

Standard library and NumPy only; imported by the backend as `sinew_take` and by the extension, from the same files, as
`.backend.sinew_take`.
"""
