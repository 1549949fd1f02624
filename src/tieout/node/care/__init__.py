"""What keeps a node healthy: looked over, copied while it runs, put back, brought up to date."""
