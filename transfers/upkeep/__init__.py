"""Work that goes on beside requests: periodic tasks, purging, database roles."""
