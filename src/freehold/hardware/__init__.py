"""What this machine is. `probe` touches the machine, `machine` holds the facts."""
