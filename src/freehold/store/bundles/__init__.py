"""One file that carries builds, their papers and the programs that run them to a machine without a network."""
