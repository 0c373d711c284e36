"""What `tools/benchmark.py` measures, a question a file."""
