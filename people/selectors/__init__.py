"""What is known of users and their memberships. Synchronous."""
