"""Deeds: what is known of a held build on the day it came in, kept so that a change of it shows.

`record` is what a deed says; `canonical`, `document`, `reading` and `rules` its one form on disk and what it may say;
`snapshot` the papers it takes along. `signing` and `key_files` tell who vouches for it, `presence` and `seen` whether
the bytes are still those. `check` and `diff` are for people who want to know.
"""
