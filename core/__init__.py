"""The ground floor: types, frames, boxes, registry, command line, errors, seeds and files."""
