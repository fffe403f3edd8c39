"""The command line. One file per noun; `output.py` alone prints."""
