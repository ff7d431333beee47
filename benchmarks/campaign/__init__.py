"""The campaign of `benchmarks.bad_hardware`: cases drawn by seed, and a judge who shares no code with the guard."""
