"""Builds on disk: sources, the one downloader, verification, deeds."""
