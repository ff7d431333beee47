"""What people watch a run with: a report on paper, layouts for the tools they have, and a page in a browser."""
