"""What a machine can hold and how fast it runs it. Arithmetic over facts; nothing here touches a machine."""
