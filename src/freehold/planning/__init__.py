"""What fits a machine, put together: references become builds, machines become rigs, figures become answers."""
