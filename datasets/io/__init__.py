"""From the files of a data set to pixels and tables: decoding, its cache, DICOM, run lengths, transforms, downloads."""
