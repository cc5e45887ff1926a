"""(room under construction)."""
