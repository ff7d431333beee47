"""Names of packaged presets that are no more, with those that took their place."""

RETIRED = {
    "dreamer-gpu": "dreamerv3-12m",
    **{f"dreamer-{size}": f"dreamerv3-{size}" for size in ("1m", "25m", "50m", "100m", "200m")},
}
"""They had 10 to 40% fewer parameters than their names said, and were never trained with."""
