"""Where builds come from: one file per kind of source, and what each of them needs."""
