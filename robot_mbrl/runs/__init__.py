"""What a run consists of: its folder, its processes, and the display of its progress."""
