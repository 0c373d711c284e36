"""Generated cases, good and bad, and what has to come of them."""
