"""L5: the command line. One file per noun; `output.py` alone prints."""
