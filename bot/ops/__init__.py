"""What an operator watches: health, readiness, logs."""
