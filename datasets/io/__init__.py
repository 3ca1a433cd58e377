"""Reading the files of a data set: image decoding and cache, DICOM, run-length masks, transforms, downloads."""
