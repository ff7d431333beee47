"""Recordings of others, and of other runs, as experience of this one."""
