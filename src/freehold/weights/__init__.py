"""What a weight file says of itself, read by validators that take every file for a hostile one."""
