"""What should have happened and has not; and the sign of life that goes out while everything works."""
