"""What happened: two records of every request, in one chain that shows where somebody changed it."""
