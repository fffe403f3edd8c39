"""Deeds in the forms that other programs read. Each is a translation: nothing stands in it that the deed does not say,
what the deed does not know is left out or said to be no assertion, and equal statements give equal documents.
"""
