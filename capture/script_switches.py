"""Which filter scripts are switched off, by themselves or by a person, and why; beside the journals."""
