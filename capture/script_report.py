"""What a worker says of the filter scripts that it runs, for others to read."""
