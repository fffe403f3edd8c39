"""L2: builds on disk: sources, the one downloader, verification, deeds."""
