"""What the scripts share: load generators, the arms that are compared, repetitions, tables, results."""
