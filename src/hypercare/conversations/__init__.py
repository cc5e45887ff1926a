"""What people answer where they were told: buttons, threads, links, webhooks back; and messages that follow."""
