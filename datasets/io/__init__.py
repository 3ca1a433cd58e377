"""From the files of a data set to pixels and tables.

Decoding, its cache, DICOM, run lengths, transforms, paths, downloads.
"""
