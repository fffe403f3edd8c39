"""Which way of running a build is the fastest faithful one on this machine: measured, chosen by a rule, remembered."""
