"""What every layer needs: errors that say what to do, and waits that end."""
