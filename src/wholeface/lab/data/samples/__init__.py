"""One training image with its truth: in memory, as files, as shards, as contact sheets."""
