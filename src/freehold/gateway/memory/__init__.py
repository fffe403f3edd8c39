"""How the house's models share the machine's memory: what each is charged, who comes in, who has to go."""
