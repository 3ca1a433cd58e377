"""The tables of the named protocols: what each of them shows, on the surface and on pixels."""
